#include "models/refined_codes.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "models/sparse_codes.h"
#include "models/vector_math.h"
#include "msae/core/error.h"
#include "msae/ops/selection.h"
#include "ops/products.h"
#include "ops/torch_executor.h"

namespace msae::models {
namespace {

template <typename T>
std::span<const T> span_of(const torch::Tensor& list) {
  return {list.const_data_ptr<T>(), static_cast<std::size_t>(list.numel())};
}

template <typename T>
torch::Tensor tensor_of(const std::vector<T>& values) {
  return torch::from_blob(const_cast<T*>(values.data()), {static_cast<std::int64_t>(values.size())},
                          torch::CppTypeToScalarType<T>::value)
      .clone();
}

template <typename T>
ops::SparseRows tensors_of(const CodeRows<T>& codes) {
  return {tensor_of(codes.counts), tensor_of(codes.latents), tensor_of(codes.values)};
}

// Which entries of [rows, latents] are set, without values.
ops::SparseRows places_of(const torch::Tensor& mask) {
  const auto there = mask.to(torch::kCPU);
  return {there.sum(1), there.nonzero().select(1, 1).to(torch::kInt32).contiguous(), {}};
}

torch::Tensor starts_of(const torch::Tensor& counts) {
  return torch::cat({torch::zeros({1}, torch::kInt64), counts.cumsum(0)});
}

}  // namespace

RefinedCodes::RefinedCodes(const SparseAutoencoder& model, Coding coding, std::vector<OperatingPoint> points,
                           std::int64_t rows, std::string name)
    : model_(model), coding_(coding), points_(std::move(points)), name_(std::move(name)) {
  coding_.validate();
  for (const auto point : points_) {
    if (const auto k = model_.top_k(point)) require_candidates(coding_, std::min(*k, model_.dim()));
  }
  const bool wide = model_.decoder.scalar_type() == torch::kFloat64;
  decoder_ = model_.decoder.detach().to(torch::kCPU, wide ? torch::kFloat64 : torch::kFloat32).contiguous();
  if (wide) {
    pursuits_ = make_pursuits<double>(rows);
  } else {
    pursuits_ = make_pursuits<float>(rows);
  }
}

template <typename T>
RefinedCodes::Pursuits<T> RefinedCodes::make_pursuits(std::int64_t rows) const {
  Pursuits<T> pursuits;
  std::set<std::int64_t> prepared;
  for (const auto point : points_) {
    const auto latents = latents_among(point);
    const auto found = pursuits
                           .try_emplace(latents,
                                        Dictionary<T>{decoder_.const_data_ptr<T>(), latents, model_.dim(),
                                                      model_.options().ranking != Ranking::positive},
                                        ops::product<T>(ops::usual_library()), ops::torch_executor())
                           .first;
    if (pays_to_prepare(coding_, latents, model_.dim(), rows, model_.top_k(point)) &&
        prepared.insert(latents).second) {
      found->second.prepare(memory_to_prepare());
    }
  }
  return pursuits;
}

std::int64_t RefinedCodes::latents_among(OperatingPoint point) const {
  const auto* nested = std::get_if<PrefixMatryoshka>(&model_.activation());
  if (!nested || point.kind != OperatingPoint::Kind::level) return model_.latents();
  return nested->sizes[static_cast<std::size_t>(point.value)];
}

// Latents of each row at most.
std::vector<std::int64_t> RefinedCodes::most(const torch::Tensor& pre, OperatingPoint point) const {
  if (const auto k = model_.top_k(point)) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(pre.size(0)), std::min(*k, model_.dim()));
  }
  const auto counts =
      model_.selection(pre, point).sum(1).clamp_max(model_.dim()).to(torch::kCPU).contiguous();
  const auto list = span_of<std::int64_t>(counts);
  return {list.begin(), list.end()};
}

// What each row chooses from; undefined where that is all. Of a refit, the latents that the encoder has.
ops::SparseRows RefinedCodes::choices(const torch::Tensor& pre, OperatingPoint point) const {
  if (coding_.kind == Coding::Kind::refit) {
    const auto k = model_.top_k(point);
    if (k && model_.options().ranking == Ranking::positive && ops::kernels_take(pre)) {
      return ops::sparse_topk(pre, *k);
    }
    return places_of((model_.dense_latents(pre) * model_.selection(pre, point)) != 0);
  }
  const auto among = latents_among(point);
  if (coding_.candidates == 0 || coding_.candidates >= among) return {};
  const auto scores = model_.scores(pre).slice(1, 0, among);
  return places_of(ops::nested_levels(scores, {coding_.candidates}).eq(0));
}

// Those of points that choose from the same latents.
std::vector<ops::SparseRows> RefinedCodes::encode_together(const std::vector<std::size_t>& which,
                                                           const torch::Tensor& targets,
                                                           const torch::Tensor& pre) const {
  const auto from = choices(pre, points_[which.front()]);
  const auto starts = from.counts.defined() ? starts_of(from.counts) : torch::Tensor();
  return std::visit(
      [&]<typename T>(const std::map<std::int64_t, Pursuit<T>>& pursuits) {
        CodeTask<T> task{.targets = targets.const_data_ptr<T>(),
                         .rows = targets.size(0),
                         .most = {},
                         .starts = {},
                         .candidates = {}};
        if (starts.defined()) {
          task.starts = span_of<std::int64_t>(starts);
          task.candidates = span_of<std::int32_t>(from.indices);
        }
        for (const auto i : which) {
          if (coding_.kind == Coding::Kind::refit) {
            const auto counts = span_of<std::int64_t>(from.counts);
            task.most.emplace_back(counts.begin(), counts.end());
          } else {
            task.most.push_back(most(pre, points_[i]));
          }
        }
        std::vector<ops::SparseRows> codes;
        for (const auto& found : codes_of(pursuits.at(latents_among(points_[which.front()])), task)) {
          codes.push_back(tensors_of(found));
        }
        return codes;
      },
      pursuits_);
}

std::vector<ops::SparseRows> RefinedCodes::encode_points(const std::vector<std::size_t>& which,
                                                         const torch::Tensor& normalised,
                                                         const torch::Tensor& pre) const {
  const torch::NoGradGuard no_grad;
  const auto targets = (model_.standardise_rows(normalised) - model_.pre_bias)
                           .to(torch::kCPU, decoder_.scalar_type())
                           .contiguous();
  if (!targets.square().sum(1).isfinite().all().item<bool>()) {
    throw Error(name_ +
                ": latents overflow; are the rows on the scale of those that the model was trained on?");
  }
  // A refit has latents of its own at each point; pursuits have those of the dictionary, or of a prefix of
  // it.
  std::map<std::int64_t, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < which.size(); ++i) {
    const auto group =
        coding_.kind == Coding::Kind::refit ? static_cast<std::int64_t>(i) : latents_among(points_[which[i]]);
    groups[group].push_back(i);
  }
  std::vector<ops::SparseRows> all(which.size());
  for (const auto& [_, members] : groups) {
    std::vector<std::size_t> points;
    for (const auto i : members) points.push_back(which[i]);
    auto codes = encode_together(points, targets, pre.detach());
    for (std::size_t i = 0; i < members.size(); ++i) all[members[i]] = std::move(codes[i]);
  }
  return all;
}

std::vector<ops::SparseRows> RefinedCodes::encode(const torch::Tensor& normalised,
                                                  const torch::Tensor& pre) const {
  std::vector<std::size_t> which(points_.size());
  for (std::size_t i = 0; i < which.size(); ++i) which[i] = i;
  return encode_points(which, normalised, pre);
}

ops::SparseRows RefinedCodes::encode_at(std::size_t point, const torch::Tensor& normalised,
                                        const torch::Tensor& pre) const {
  return encode_points({point}, normalised, pre).front();
}

torch::Tensor RefinedCodes::decode(const ops::SparseRows& codes) const {
  const auto rows = codes.counts.size(0), dim = decoder_.size(1);
  const auto starts = starts_of(codes.counts);
  auto decoded = torch::zeros({rows, dim}, decoder_.options());
  ops::with_type_of(decoder_, [&]<typename T>(T) {
    const auto* begin = starts.const_data_ptr<std::int64_t>();
    const auto* latents = codes.indices.const_data_ptr<std::int32_t>();
    const auto* values = codes.values.const_data_ptr<T>();
    const auto* dictionary = decoder_.const_data_ptr<T>();
    auto* sums = decoded.data_ptr<T>();
    ops::torch_executor().run(rows, [&](std::int64_t row, int) {
      for (auto i = begin[row]; i < begin[row + 1]; ++i) {
        add_scaled(values[i], dictionary + latents[i] * dim, sums + row * dim, static_cast<std::size_t>(dim));
      }
    });
  });
  return decoded;
}

torch::Tensor dense_codes(const ops::SparseRows& codes, std::int64_t latents) {
  const auto rows = codes.counts.size(0);
  auto dense = torch::zeros({rows, latents}, codes.values.options());
  const auto row = torch::arange(rows).repeat_interleave(codes.counts);
  return dense.index_put_({row, codes.indices.to(torch::kInt64)}, codes.values);
}

std::int64_t rows_at_a_time(const Coding& coding, std::int64_t most) {
  constexpr std::int64_t rows_of_thread = 128;
  if (coding.kind == Coding::Kind::encoder) return most;
  return std::min(most, rows_of_thread * at::get_num_threads());
}

}  // namespace msae::models
