// The least that a stage of the CUDA step has to do, from the shapes and counts of a run; arithmetic alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace msae::gpu_benchmark {

/// What a level adds to the one before, and how that is worked on.
struct LevelSize {
  std::int64_t kept = 0;  ///< latents, all rows together
  bool dense = false;     ///< as a matrix for dense products; else as lists
};

/// A step without AuxK, soft cap and L1, that ranks each row on its own.
struct StepSize {
  std::int64_t rows = 0, dim = 0, latents = 0;
  std::int64_t factor_bytes = 4;  ///< of a number that products and gathers read: 2 for bfloat16
  std::vector<LevelSize> levels = {};
  bool dense_encoder = false;  ///< whether the encoder's gradient is a dense product
};

/// Bytes count every array that a stage takes over from another, or leaves to it, once for each time it has
/// to be read or written, as if the caches held all of it. What lives within a stage alone is not counted.
struct StageWork {
  double bytes = 0;
  double product_flops = 0;  ///< in dense products
  double other_flops = 0;    ///< in gathers, by ordinary cores
  /// Bytes that gathers fetch, most of them out of the second cache. No floor: another way need not gather.
  double gathered = 0;
};

/// The work of a stage that NestedStep::enqueue() names; none for a name that is not known.
std::optional<StageWork> stage_work(std::string_view stage, const StepSize& size);

/// What a device does per second.
struct DeviceRates {
  double bytes = 0;          ///< of its memory, read and written
  double cache_bytes = 0;    ///< read out of its second cache
  double product_flops = 0;  ///< in large dense products of the step's factors
  double other_flops = 0;    ///< in large dense products of floats, which ordinary cores make
};

/// Milliseconds that the work takes at the least.
double floor_ms(const StageWork& work, const DeviceRates& rates);

/// Milliseconds that its gathers take where the second cache holds all they read.
double gather_ms(const StageWork& work, const DeviceRates& rates);

/// Latents that each level adds where all rows have as many positive pre-activations, on average.
/// \param keep     [levels], latents kept, ascending
/// \param positive pre-activations of a row
std::vector<double> expected_kept(const std::vector<std::int64_t>& keep, double positive);

}  // namespace msae::gpu_benchmark
