#include "train/row_order.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include <vector>

namespace msae::train {

std::function<std::uint64_t(std::int64_t)> published_epoch_seeds(std::uint64_t seed, std::int64_t latents,
                                                                 std::int64_t dim) {
  auto generator = at::detail::createCPUGenerator(seed);
  torch::empty({latents, dim}, torch::kFloat32)
      .uniform_(0, 1, generator);  // what the initialisation consumed
  const auto draw = [](at::Generator& from) {
    return static_cast<std::uint64_t>(torch::empty({}, torch::kInt64).random_(from).item<std::int64_t>());
  };
  return [generator, draw, seeds = std::vector<std::uint64_t>()](std::int64_t epoch) mutable {
    while (static_cast<std::int64_t>(seeds.size()) <= epoch) {
      draw(generator);
      seeds.push_back(draw(generator));
      draw(generator);
    }
    return seeds[static_cast<std::size_t>(epoch)];
  };
}

}  // namespace msae::train
