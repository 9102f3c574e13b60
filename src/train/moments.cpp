#include "train/moments.h"

#include "train/saved_tensor.h"

namespace msae::train {

void AllMoments::save(TensorMap& state) const {
  for (const auto& [name, moments] : all()) {
    state["adam." + name + ".first"] = moments->first;
    state["adam." + name + ".second"] = moments->second;
  }
}

void AllMoments::restore(const TensorMap& state) const {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, moments] : all()) {
    moments->first.copy_(saved_tensor(state, "adam." + name + ".first", moments->first));
    moments->second.copy_(saved_tensor(state, "adam." + name + ".second", moments->second));
  }
}

}  // namespace msae::train
