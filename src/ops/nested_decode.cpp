#include "msae/ops/nested_decode.h"

#include <torch/csrc/autograd/custom_function.h>

namespace msae::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

torch::Tensor at_level(const torch::Tensor& latents, const torch::Tensor& level, std::int64_t i) {
  return torch::where(level == i, latents, torch::zeros({}, latents.options()));
}

// The masked latents of one level exist one at a time, forwards and backwards: autograd over the plain
// formula would keep all L of them.
struct NestedDecode : torch::autograd::Function<NestedDecode> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& latents,
                               const torch::Tensor& level, const torch::Tensor& decoder,
                               std::int64_t levels) {
    context->save_for_backward({latents, level, decoder});
    auto out = torch::empty({levels, latents.size(0), decoder.size(1)}, latents.options());
    for (std::int64_t i = 0; i < levels; ++i) {
      auto reconstruction = out[i];
      const auto kept = at_level(latents, level, i);
      if (i == 0) {
        torch::mm_out(reconstruction, kept, decoder);
      } else {
        torch::addmm_out(reconstruction, out[i - 1], kept, decoder);
      }
    }
    return out;
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &latents = saved[0], &level = saved[1], &decoder = saved[2];
    const bool wants_latents = context->needs_input_grad(0), wants_decoder = context->needs_input_grad(2);
    torch::Tensor latents_gradient, decoder_gradient;
    if (wants_latents) latents_gradient = torch::zeros_like(latents);
    if (wants_decoder) decoder_gradient = torch::zeros_like(decoder);

    torch::Tensor suffix;
    for (std::int64_t i = gradients[0].size(0) - 1; i >= 0; --i) {
      suffix = suffix.defined() ? suffix + gradients[0][i] : gradients[0][i];
      if (wants_latents)
        latents_gradient = torch::where(level == i, suffix.mm(decoder.t()), latents_gradient);
      if (wants_decoder) decoder_gradient.addmm_(at_level(latents, level, i).t(), suffix);
    }
    return {latents_gradient, {}, decoder_gradient, {}};
  }
};

}  // namespace

torch::Tensor nested_decode(const torch::Tensor& latents, const torch::Tensor& level,
                            const torch::Tensor& decoder, std::int64_t levels) {
  TORCH_CHECK(latents.dim() == 2 && decoder.dim() == 2 && latents.size(1) == decoder.size(0),
              "nested_decode: expected latents [rows, latents] and decoder [latents, dim], got ",
              latents.sizes(), " and ", decoder.sizes());
  TORCH_CHECK(level.sizes() == latents.sizes() && level.scalar_type() == torch::kUInt8,
              "nested_decode: expected levels ", latents.sizes(), " uint8, got ", level.sizes(), " ",
              level.scalar_type());
  TORCH_CHECK(levels >= 1, "nested_decode: expected at least one level, got ", levels);
  return NestedDecode::apply(latents, level, decoder, levels);
}

}  // namespace msae::ops
