// Whether the step is right, before anybody times it.
#pragma once

namespace msae::gpu_benchmark {

/// Holds gradients of the step with cuBLAS, and some steps of the CUDA engine, against LibTorch's autograd on
/// the same device, in every precision, and two runs of the engine against each other.
/// \throws msae::Error with what is off
void check_step();

}  // namespace msae::gpu_benchmark
