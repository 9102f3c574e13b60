#include "io/reference_model.h"

#include <stdexcept>
#include <utility>

#include "core/printable.h"
#include "msae/core/error.h"

namespace msae::io {
namespace {

// The published "abs" kinds lose the sign of what they keep, or keep positive latents alone; but this one.
bool keeps_sign(const ReferenceModel& model) {
  const bool over_batch = model.over_batch || std::holds_alternative<models::BatchTopK>(model.activation);
  return over_batch && model.keeps_negative;
}

models::Activation activation_of(const ReferenceModel& model) {
  auto activation = model.activation;
  if (auto* nested = std::get_if<models::Matryoshka>(&activation)) nested->batch = model.over_batch;
  return activation;
}

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("model: the published code has no " + what + ", so no .pth file can hold one");
}

}  // namespace

models::SparseAutoencoderOptions options_of(const ReferenceModel& model, const std::string& file) {
  const auto unknown = [&file](const std::string& what) {
    throw IoError(file + ": is a model with " + what + ", which msae cannot compute");
  };
  const bool identity = model.unknown_activation == "Identity";
  if (!identity && !model.unknown_activation.empty()) {
    unknown("the activation " + printable(model.unknown_activation));
  }
  if (model.by_magnitude && !keeps_sign(model)) unknown("an activation that loses the signs of latents");
  models::SparseAutoencoderOptions options{
      .dim = model.dim, .latents = model.latents, .activation = activation_of(model)};
  options.tied = model.tied;
  options.normalise_rows = model.normalise_rows;
  options.soft_cap = model.soft_cap;
  if (identity || model.keeps_negative) options.ranking = models::Ranking::value;
  if (model.by_magnitude) options.ranking = models::Ranking::magnitude;
  return options;
}

ReferenceModel reference_of(const models::SparseAutoencoder& model) {
  const auto& o = model.options();
  ReferenceModel reference{.dim = o.dim, .latents = o.latents, .activation = o.activation};
  const auto kind = models::kind(o.activation);
  const bool relu = kind == "relu";
  if (kind == "jump-relu" || kind == "prefix-matryoshka") refuse(kind + " model");
  if (auto* nested = std::get_if<models::Matryoshka>(&reference.activation)) {
    reference.over_batch = std::exchange(nested->batch, false);
  }
  reference.tied = o.tied;
  reference.normalise_rows = o.normalise_rows;
  reference.soft_cap = o.soft_cap;
  if (relu && o.ranking != models::Ranking::positive) reference.unknown_activation = "Identity";
  reference.keeps_negative = !relu && o.ranking != models::Ranking::positive;
  reference.by_magnitude = !relu && o.ranking == models::Ranking::magnitude;
  if (relu && o.ranking == models::Ranking::magnitude) refuse("relu model that ranks by magnitude");
  if (reference.by_magnitude && !keeps_sign(reference)) {
    refuse(kind + " model that ranks by magnitude and keeps signs");
  }
  return reference;
}

}  // namespace msae::io
