// Which thresholds lead to steps that differ; arithmetic alone.
#pragma once

#include <vector>

namespace msae::gpu_benchmark {

/// Values of FusedOptions::dense_level, ascending, one for every way in which a step can be worked on: levels
/// are matrices from some share of active latents on, and where none of them is one, the encoder's gradient
/// is a dense product or a sum over lists.
/// \param shares  [levels], of all latents, that each level adds to a row
/// \param encoder share from which on the encoder's gradient is dense without any such level
std::vector<double> thresholds_between(std::vector<double> shares, double encoder);

}  // namespace msae::gpu_benchmark
