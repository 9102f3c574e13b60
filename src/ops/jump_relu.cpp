#include "msae/ops/jump_relu.h"

#include <torch/csrc/autograd/custom_function.h>

namespace msae::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

void check(const torch::Tensor& pre, const torch::Tensor& threshold, double bandwidth) {
  TORCH_CHECK(pre.dim() == 2 && threshold.dim() == 1 && threshold.size(0) == pre.size(1),
              "jump_relu: expected pre-activations [rows, latents] and thresholds [latents], got ",
              pre.sizes(), " and ", threshold.sizes());
  TORCH_CHECK(bandwidth > 0, "bandwidth: must be positive, got ", bandwidth);
}

// K((pre - threshold) / bandwidth) / bandwidth, as numbers.
torch::Tensor kernel(const torch::Tensor& pre, const torch::Tensor& threshold, double bandwidth) {
  return ((pre - threshold).abs() < bandwidth / 2).to(pre.scalar_type()) / bandwidth;
}

struct JumpReluFunction : torch::autograd::Function<JumpReluFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& pre,
                               const torch::Tensor& threshold, double bandwidth) {
    context->save_for_backward({pre, threshold});
    context->saved_data["bandwidth"] = bandwidth;
    return pre * (pre > threshold);
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &pre = saved[0], &threshold = saved[1], &gradient = gradients[0];
    const double bandwidth = context->saved_data["bandwidth"].toDouble();
    return {
        gradient * (pre > threshold), -threshold * (gradient * kernel(pre, threshold, bandwidth)).sum(0), {}};
  }
};

struct StepFunction : torch::autograd::Function<StepFunction> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& pre,
                               const torch::Tensor& threshold, double bandwidth) {
    context->save_for_backward({pre, threshold});
    context->saved_data["bandwidth"] = bandwidth;
    return (pre > threshold).to(pre.scalar_type());
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const double bandwidth = context->saved_data["bandwidth"].toDouble();
    return {{}, -(gradients[0] * kernel(saved[0], saved[1], bandwidth)).sum(0), {}};
  }
};

}  // namespace

torch::Tensor jump_relu(const torch::Tensor& pre, const torch::Tensor& threshold, double bandwidth) {
  check(pre, threshold, bandwidth);
  return JumpReluFunction::apply(pre, threshold, bandwidth);
}

torch::Tensor step_above(const torch::Tensor& pre, const torch::Tensor& threshold, double bandwidth) {
  check(pre, threshold, bandwidth);
  return StepFunction::apply(pre, threshold, bandwidth);
}

}  // namespace msae::ops
