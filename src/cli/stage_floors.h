// The least that a stage of a training step takes on a machine: its arithmetic at the rate of dense products,
// or its memory traffic at the rate of copies, whichever is longer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace msae::cli {

/// What a step in float32 has to do.
struct StepSize {
  std::int64_t rows = 0;
  std::int64_t dim = 0;
  std::int64_t latents = 0;
  std::int64_t entries = 0;  ///< latents active at the widest level, all rows together
  std::int64_t levels = 0;   ///< that differ
};

/// Of a stage: floating point operations, and bytes, every array counted once for each time it has to be read
/// or written, as if the caches held all of it.
struct StageWork {
  double flops = 0;
  double bytes = 0;
};

/// What a machine does per second.
struct MachineRates {
  double flops = 0;  ///< in a dense product
  double bytes = 0;  ///< read and written, by a copy or in place
};

/// The work of a stage that train::Engine::stages() names; none for a name that is not known.
std::optional<StageWork> stage_work(std::string_view stage, const StepSize& size);

/// Milliseconds.
double floor_ms(const StageWork& work, const MachineRates& rates);

}  // namespace msae::cli
