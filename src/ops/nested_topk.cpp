#include "msae/ops/nested_topk.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/cpu/backward.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/reconstruct.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "ops/check_selection.h"
#include "ops/sparse_levels.h"
#include "ops/torch_executor.h"

namespace msae::ops {
namespace {

using kernels::chunk_rows;
using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

template <typename T>
using Columns = std::vector<kernels::ChunkColumns<T>>;

template <typename T>
struct Kept : torch::CustomClassHolder {
  explicit Kept(SparseLevels<T> all) : latents(std::move(all)) {}
  SparseLevels<T> latents;
};

template <typename T>
Columns<T> columns_of(const SparseLevels<T>& kept) {
  Columns<T> columns(kept.chunks.size());
  torch_executor().run(static_cast<std::int64_t>(columns.size()), [&](std::int64_t chunk, int) {
    const auto c = static_cast<std::size_t>(chunk);
    const kernels::LevelledEntries<T> entries[] = {{&kept.chunks[c], kept.levels, 0}};
    kernels::to_columns(std::span<const kernels::LevelledEntries<T>>(entries), kept.latents, columns[c]);
  });
  return columns;
}

// The gradients of what a row's levels add: [rows * used, dim].
template <typename T>
kernels::Sliced<T> suffix_sums(const SparseLevels<T>& kept, const torch::Tensor& gradient) {
  const auto contiguous = gradient.contiguous();
  kernels::Sliced<T> sums;
  sums.resize(kept.rows * kept.used, gradient.size(2));
  const kernels::SuffixSums<T> work{
      .gradient = matrix_of<const T>(contiguous), .levels = kept.levels, .used = kept.used, .sums = &sums};
  torch_executor().run(static_cast<std::int64_t>(kept.chunks.size()), [&](std::int64_t chunk, int) {
    kernels::add_up(work, chunk * chunk_rows, std::min((chunk + 1) * chunk_rows, kept.rows));
  });
  return sums;
}

// The decoder's gradient [latents, dim]; that of each entry goes into the columns.
template <typename T>
torch::Tensor decoder_gradient(const SparseLevels<T>& kept, const torch::Tensor& decoder,
                               const kernels::Sliced<T>& gradient, Columns<T>& columns) {
  const auto dictionary = sliced<T>(decoder);
  auto result = torch::empty(decoder.sizes(), decoder.options().requires_grad(false));
  const kernels::DecoderBackward<T> work{.chunks = columns,
                                         .decoder = &dictionary,
                                         .gradient = &gradient,
                                         .slots = kept.used,
                                         .decoder_gradient = matrix_of<T>(result)};
  std::vector<kernels::Buffer<T>> sums(static_cast<std::size_t>(torch_executor().workers()));
  kernels::run_shares(torch_executor(), kept.latents, kept.tile,
                      [&](std::int64_t first, std::int64_t last, int worker) {
                        auto& room = sums[static_cast<std::size_t>(worker)];
                        room.reserve((last - first) * kernels::slice_width<T>);
                        kernels::backward(work, first, last, room.data());
                      });
  return result;
}

template <typename T>
torch::Tensor pre_gradient(const SparseLevels<T>& kept, const Columns<T>& columns, torch::ScalarType type) {
  auto gradient = torch::empty({kept.rows, kept.latents}, type);
  const auto rows = matrix_of<T>(gradient);
  torch_executor().run(static_cast<std::int64_t>(columns.size()), [&](std::int64_t chunk, int) {
    const auto first = chunk * chunk_rows, count = std::min(chunk_rows, kept.rows - first);
    kernels::to_rows(columns[static_cast<std::size_t>(chunk)],
                     kernels::Matrix<T>{rows.row(first), count, rows.columns, rows.stride});
  });
  return gradient;
}

// Of the pre-activations nothing is kept but the latents that levels keep.
template <typename T>
struct NestedTopK : torch::autograd::Function<NestedTopK<T>> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& pre,
                               const torch::Tensor& decoder, const std::vector<std::int64_t>& levels) {
    auto kept = c10::make_intrusive<Kept<T>>(sparse_levels<T>(pre, levels));
    context->save_for_backward({decoder});
    context->saved_data["kept"] = c10::IValue::make_capsule(kept);
    return reconstruct(kept->latents, decoder);
  }

  static tensor_list backward(AutogradContext* context, tensor_list gradients) {
    TORCH_CHECK(!torch::GradMode::is_enabled(),
                "nested_topk: its gradients have none of their own; nested_decode's do");
    const auto decoder = context->get_saved_variables()[0];
    const auto capsule = context->saved_data["kept"].toCapsule();
    const auto& kept = static_cast<const Kept<T>&>(*capsule).latents;
    auto columns = columns_of(kept);
    const auto of_decoder = decoder_gradient(kept, decoder, suffix_sums(kept, gradients[0]), columns);
    tensor_list wanted(3);
    if (context->needs_input_grad(0)) wanted[0] = pre_gradient(kept, columns, decoder.scalar_type());
    if (context->needs_input_grad(1)) wanted[1] = of_decoder;
    return wanted;
  }
};

}  // namespace

torch::Tensor nested_topk(const torch::Tensor& pre, const torch::Tensor& decoder,
                          const std::vector<std::int64_t>& levels) {
  check_pre(pre);
  check_levels(levels);
  TORCH_CHECK(!levels.empty(), "nested_topk: expected at least one level");
  TORCH_CHECK(
      decoder.dim() == 2 && pre.size(1) == decoder.size(0) && decoder.scalar_type() == pre.scalar_type() &&
          decoder.device() == pre.device(),
      "nested_topk: expected pre-activations [rows, latents] and a decoder [latents, dim] of one type "
      "on one device, got ",
      pre.sizes(), " ", pre.scalar_type(), " ", pre.device(), " and ", decoder.sizes(), " ",
      decoder.scalar_type(), " ", decoder.device());
  if (!kernels_take(pre) || !kernels_take(decoder)) {
    return nested_decode(pre.relu(), nested_levels(pre, levels), decoder,
                         static_cast<std::int64_t>(levels.size()));
  }
  return with_type_of(pre, [&]<typename T>(T) { return NestedTopK<T>::apply(pre, decoder, levels); });
}

}  // namespace msae::ops
