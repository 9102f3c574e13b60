#include "io/reference_model.h"

#include <stdexcept>
#include <type_traits>

#include "core/printable.h"
#include "msae/core/error.h"

namespace msae::io {

models::SparseAutoencoderOptions options_of(const ReferenceModel& model, const std::string& file) {
  const auto refuse = [&file](const std::string& what) {
    throw IoError(file + ": is a model with " + what + ", which msae cannot compute");
  };
  if (!model.unknown_activation.empty()) refuse("the activation " + printable(model.unknown_activation));
  if (model.by_magnitude) refuse("an activation that keeps the latents of largest magnitude");
  if (model.keeps_negative) refuse("an activation that keeps negative latents");
  if (model.over_batch) refuse("levels chosen over the whole batch");
  if (model.tied) refuse("tied weights");
  if (model.normalise_rows) refuse("rows that are normalised one by one");
  if (model.soft_cap > 0) refuse("a soft cap");
  return {.dim = model.dim, .latents = model.latents, .activation = model.activation};
}

ReferenceModel reference_of(const models::SparseAutoencoder& model) {
  const auto published = [](const auto& kind) {
    using Kind = std::decay_t<decltype(kind)>;
    return std::is_same_v<Kind, models::Relu> || std::is_same_v<Kind, models::TopK> ||
           std::is_same_v<Kind, models::BatchTopK> || std::is_same_v<Kind, models::Matryoshka>;
  };
  if (!std::visit(published, model.activation())) {
    throw std::invalid_argument("model: the published code has no " + models::kind(model.activation()) +
                                " model, so no .pth file can hold one");
  }
  return {.dim = model.dim(), .latents = model.latents(), .activation = model.activation()};
}

}  // namespace msae::io
