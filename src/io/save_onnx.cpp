#include <deque>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/atomic_file.h"
#include "io/folded_model.h"
#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "io/model_rows.h"
#include "io/onnx_file.h"
#include "models/row_epsilon.h"
#include "msae/core/log.h"
#include "msae/core/version.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::OperatingPoint;
using models::Ranking;
using models::SparseAutoencoder;
using torch::Tensor;

/// A model's encoder, operator by operator, as SparseAutoencoder::encode() computes it.
class EncoderGraph {
 public:
  EncoderGraph(const SparseAutoencoder& model, OperatingPoint point, const fs::path& file)
      : model_(model), point_(point), k_(model.top_k(point)), file_(file) {}

  const OnnxGraph& build() {
    graph_.input("embeddings", model_.dim());
    graph_.output("latents", model_.latents());
    const auto pre = model_.options().normalise_rows ? of_normalised_rows() : of_raw_rows();
    if (!k_) {
      add_threshold(pre);
    } else if (*k_ < model_.latents()) {
      add_top(pre, *k_);
    } else {
      capped(passing(pre), "latents");
    }
    return graph_;
  }

 private:
  std::string constant(const std::string& name, const Tensor& values) {
    tensors_.push_back(values.to(torch::kCPU, torch::kFloat32).contiguous());
    const auto& stored = tensors_.back();
    if (name != "threshold") require_finite(stored, name, file_);  // infinite beyond a prefix
    return graph_.constant(
        name, stored.sizes().vec(),
        std::span(stored.const_data_ptr<float>(), static_cast<std::size_t>(stored.numel())));
  }
  std::string number(const std::string& name, double value) {
    return constant(name, torch::scalar_tensor(value, torch::kFloat64));
  }

  std::string product(const std::string& rows, const Tensor& encoder) {
    return graph_.node(
        "Gemm", {rows, constant("encoder", encoder), constant("latent_bias", to_float64(model_.latent_bias))},
        {{"transB", std::int64_t{1}}});
  }

  std::string of_raw_rows() {
    const auto folded = fold(model_, torch::kFloat32);
    return product(graph_.node("Sub", {"embeddings", constant("pre_bias", folded.pre_bias)}), folded.encoder);
  }

  // Rows of mean 0 and deviation 1; what is added to the deviation forbids to fold the scale in.
  std::string of_normalised_rows() {
    const std::vector<OnnxGraph::Attribute> by_row{{"axes", Shape{1}}, {"keepdims", std::int64_t{1}}};
    const auto dim = static_cast<double>(model_.dim());
    const auto centred = graph_.node("Sub", {"embeddings", constant("mean", to_float64(model_.mean))});
    const auto scaled = graph_.node("Mul", {centred, constant("scale", to_float64(model_.scale))});
    const auto rest = graph_.node("Sub", {scaled, graph_.node("ReduceMean", {scaled}, by_row)});
    const auto squares = graph_.node("ReduceMean", {graph_.node("Mul", {rest, rest})}, by_row);
    const auto variance = graph_.node("Mul", {squares, number("unbiased", dim / (dim - 1))});
    const auto deviation =
        graph_.node("Add", {graph_.node("Sqrt", {variance}), number("epsilon", models::row_epsilon)});
    const auto standard = graph_.node("Div", {rest, deviation});
    return product(graph_.node("Sub", {standard, constant("pre_bias", to_float64(model_.pre_bias))}),
                   model_.encoder);
  }

  std::string passing(const std::string& pre) {
    return ranking() == Ranking::positive ? graph_.node("Relu", {pre}) : pre;
  }
  std::string scores(const std::string& pre) {
    return ranking() == Ranking::magnitude ? graph_.node("Abs", {pre}) : pre;
  }
  Ranking ranking() const { return model_.options().ranking; }

  // Under the name `as`, where there is one.
  std::string capped(const std::string& values, const std::string& as = {}) {
    const auto outputs = as.empty() ? std::vector<std::string>{} : std::vector{as};
    const auto c = model_.options().soft_cap;
    if (c == 0) return as.empty() ? values : graph_.node("Identity", {values}, {}, outputs);
    const auto cap = number("soft_cap", c);
    const auto tanh = graph_.node("Tanh", {graph_.node("Div", {values, cap})});
    return graph_.node("Mul", {tanh, cap}, {}, outputs);
  }

  // TopK puts equal values in the order of their indices. It ranks before the cap, which may make them equal.
  void add_top(const std::string& pre, std::int64_t k) {
    const auto dense = passing(pre);
    counts_ = {k};
    const auto count = graph_.constant("k", {1}, std::span<const std::int64_t>(counts_));
    graph_.node("TopK", {scores(dense), count}, {{"axis", std::int64_t{1}}}, {"top_scores", "top_indices"});
    auto values = std::string("top_scores");
    if (ranking() == Ranking::magnitude) {
      values = graph_.node("GatherElements", {dense, "top_indices"}, {{"axis", std::int64_t{1}}});
    }
    const auto zeros = graph_.node("ConstantOfShape", {graph_.node("Shape", {dense})});
    graph_.node("ScatterElements", {zeros, "top_indices", capped(values)}, {{"axis", std::int64_t{1}}},
                {"latents"});
  }

  void add_threshold(const std::string& pre) {
    const auto kept = graph_.node("Greater", {scores(pre), constant("threshold", thresholds())});
    graph_.node("Where", {kept, capped(passing(pre)), number("zero", 0)}, {}, {"latents"});
  }

  // [1], or [latents] where they differ: nothing is above those beyond a prefix.
  Tensor thresholds() const {
    if (model_.log_threshold.defined()) return model_.log_threshold.detach().exp();
    const auto level = point_.kind == OperatingPoint::Kind::level ? point_.value : 0;
    const auto* prefixes = std::get_if<models::PrefixMatryoshka>(&model_.activation());
    if (!prefixes) return model_.threshold[level].reshape({1});
    if (point_.kind != OperatingPoint::Kind::level) return model_.threshold;
    auto all = to_float64(model_.threshold).repeat({model_.latents()});
    all.slice(0, prefixes->sizes[static_cast<std::size_t>(level)])
        .fill_(std::numeric_limits<double>::infinity());
    return all;
  }

  const SparseAutoencoder& model_;
  OperatingPoint point_;
  std::optional<std::int64_t> k_;
  const fs::path& file_;
  OnnxGraph graph_;
  std::deque<Tensor> tensors_;  // which the graph looks at
  std::vector<std::int64_t> counts_;
};

}  // namespace

void save_onnx(const SparseAutoencoder& model, const fs::path& path, OperatingPoint point) {
  const torch::NoGradGuard no_grad;
  require_k(model, point);
  EncoderGraph encoder(model, point, path);
  files::AtomicFile file(path);
  encoder.build().write(
      file, {{"msae_version", version()}, {"model", model_text(config_of(model))}, {"point", point.label()}});
  file.commit();
  if (stored_type(model) == torch::kFloat64) {
    log::warning(path.string() + ": its weights are rounded to float32, of which the model has float64");
  }
}

}  // namespace msae::io
