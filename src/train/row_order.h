// Which permutation each epoch takes.
#pragma once

#include <cstdint>
#include <functional>

namespace msae::train {

/// Seeds of the published implementation's epochs. It draws everything from one generator: the initial
/// dictionary, then before each epoch a seed for the loader, one for the order (the one that counts) and one
/// for the evaluation.
std::function<std::uint64_t(std::int64_t epoch)> published_epoch_seeds(std::uint64_t seed,
                                                                       std::int64_t latents,
                                                                       std::int64_t dim);

}  // namespace msae::train
