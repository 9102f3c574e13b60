#include "io/reference_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "core/printable.h"
#include "msae/core/error.h"

namespace msae::io {
namespace {

constexpr std::array<std::string_view, 11> activations{
    "ReLU",        "JumpReLU",  "Identity",      "TopK",         "TopKReLU",        "TopKabs",
    "TopKabsReLU", "BatchTopK", "BatchTopKReLU", "BatchTopKabs", "BatchTopKabsReLU"};

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                   : std::nullopt;
}

// The words between underscores, taken one after the other.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  bool empty() const { return rest_.empty(); }
  std::string_view next() const { return rest_.substr(0, rest_.find('_')); }
  std::string_view take() {
    const auto word = next();
    rest_.remove_prefix(std::min(rest_.size(), word.size() + 1));
    return word;
  }
  template <class Number>
  std::optional<Number> take_number() {
    const auto value = whole<Number>(next());
    if (value) take();
    return value;
  }
  std::optional<bool> take_flag() {
    const auto word = next();
    if (word != "True" && word != "False") return std::nullopt;
    return take() == "True";
  }

 private:
  std::string_view rest_;
};

bool take_activation(Words& words, ReferenceName& name) {
  name.activation = words.take();
  if (std::find(activations.begin(), activations.end(), name.activation) == activations.end()) return false;
  if (holds(name.activation, "TopK")) {
    const auto k = words.take_number<std::int64_t>();
    if (!k || *k < 1) return false;
    name.k = *k;
  } else if (name.activation == "ReLU" && words.next() != "True" && words.next() != "False") {
    words.take();  // the weight of the L1 loss, "003" for 0.003, which is no part of the model
  }
  if (words.next() == "RW" || words.next() == "UW") name.weighting = words.take();
  return name.weighting.empty() || name.k > 0;
}

bool take_switches(Words& words, ReferenceName& name) {
  name.tied = words.take_flag();
  name.normalise = words.take_flag();
  name.soft_cap = words.take_number<double>();
  return name.tied && name.normalise && name.soft_cap && *name.soft_cap >= 0 && std::isfinite(*name.soft_cap);
}

models::Activation activation_of(const ReferenceName& name, std::int64_t latents) {
  if (name.k == 0) return models::Relu{};
  if (!name.weighting.empty()) {
    models::Matryoshka nested{.levels = models::doubling_levels(name.k, latents)};
    if (name.weighting == "RW") nested.weights = models::reverse_weights(nested.levels.size());
    return nested;
  }
  if (holds(name.activation, "Batch")) return models::BatchTopK{.k = name.k};
  return models::TopK{.k = name.k};
}

std::string python_float(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  const std::string digits(text.data(), end);
  return digits.find_first_of(".en") == std::string::npos ? digits + ".0" : digits;
}

const char* python_flag(bool value) {
  return value ? "True" : "False";
}

bool are_proportional(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i] * b[0] - b[i] * a[0]) > 1e-12 * std::abs(a[0] * b[0])) return false;
  }
  return true;
}

bool is_reverse(const models::Matryoshka& nested) {
  return nested.levels.size() > 1 &&
         are_proportional(models::level_weights(nested), models::reverse_weights(nested.levels.size()));
}

std::string activation_name(const ReferenceModel& model) {
  if (!model.unknown_activation.empty()) return model.unknown_activation;
  if (std::holds_alternative<models::Relu>(model.activation)) return "ReLU_0";
  const auto* topk = std::get_if<models::TopK>(&model.activation);
  const auto* batch = std::get_if<models::BatchTopK>(&model.activation);
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation);
  std::string name = batch || model.over_batch ? "BatchTopK" : "TopK";
  name += std::string(model.by_magnitude ? "abs" : "") + (model.keeps_negative ? "" : "ReLU") + "_";
  if (!nested) return name + std::to_string(topk ? topk->k : batch->k);
  return name + std::to_string(nested->levels.front()) + (is_reverse(*nested) ? "_RW" : "_UW");
}

void check_size(std::optional<std::int64_t> told, std::int64_t found, const char* what,
                const std::string& file) {
  if (!told || *told == found) return;
  throw IoError(file + ": its name tells of " + std::to_string(*told) + " " + what +
                ", but its encoder has " + std::to_string(found));
}

}  // namespace

std::optional<ReferenceName> name_of_file(const std::filesystem::path& file) {
  const auto text = file.filename().string();
  Words words(std::string_view(text).substr(0, text.find(".pt")));
  ReferenceName name;
  name.latents = words.take_number<std::int64_t>();
  name.dim = words.take_number<std::int64_t>();
  if (!name.latents || !name.dim || !take_activation(words, name) || !take_switches(words, name)) return {};
  return name;
}

ReferenceName name_as_told(const std::string& text) {
  if (const auto whole_name = name_of_file(text)) return *whole_name;
  Words words(text);
  ReferenceName name;
  if (take_activation(words, name) && (words.empty() || take_switches(words, name))) return name;
  throw std::invalid_argument(
      "as: must be an activation like ReLU, TopKReLU_64, BatchTopKReLU_32, or TopKReLU_64_UW or _RW for "
      "matryoshka, or a whole published name, not " +
      printable(text));
}

ReferenceName overridden(const ReferenceName& of_file, const ReferenceName& told) {
  auto name = told;
  if (!name.latents) name.latents = of_file.latents;
  if (!name.dim) name.dim = of_file.dim;
  if (!name.tied) name.tied = of_file.tied;
  if (!name.normalise) name.normalise = of_file.normalise;
  if (!name.soft_cap) name.soft_cap = of_file.soft_cap;
  return name;
}

ReferenceModel reference_model(const ReferenceName& name, std::int64_t dim, std::int64_t latents,
                               bool has_decoder, const std::string& file) {
  check_size(name.latents, latents, "latents", file);
  check_size(name.dim, dim, "dimensions", file);
  if (name.tied.value_or(!has_decoder) == has_decoder) {
    throw IoError(file + (has_decoder ? ": its name says that the weights are tied, but it holds a decoder"
                                      : ": model.decoder is missing, and its name does not say that the "
                                        "weights are tied"));
  }
  ReferenceModel model{.dim = dim, .latents = latents, .activation = models::Relu{}};
  const bool topk = name.k > 0;
  if (!topk && name.activation != "ReLU") model.unknown_activation = name.activation;
  model.over_batch = holds(name.activation, "Batch") && !name.weighting.empty();
  model.by_magnitude = holds(name.activation, "abs");
  model.keeps_negative = topk && !holds(name.activation, "ReLU");
  model.tied = !has_decoder;
  model.normalise_rows = name.normalise.value_or(false);
  model.soft_cap = name.soft_cap.value_or(0);
  try {
    model.activation = activation_of(name, latents);
    models::validate(model.activation, latents);
  } catch (const std::invalid_argument& impossible) {
    throw IoError(file + ": " + impossible.what());
  }
  return model;
}

std::string file_name(const ReferenceModel& model) {
  return std::to_string(model.latents) + "_" + std::to_string(model.dim) + "_" + activation_name(model) +
         "_" + python_flag(model.tied) + "_" + python_flag(model.normalise_rows) + "_" +
         python_float(model.soft_cap) + "_msae.pth";
}

std::string untold(const ReferenceModel& model) {
  const auto* nested = std::get_if<models::Matryoshka>(&model.activation);
  if (!nested) return "";
  const auto weights = models::level_weights(*nested);
  if (nested->levels != models::doubling_levels(nested->levels.front(), model.latents)) {
    return "its levels other than the first, which do not double from it up to all latents";
  }
  const bool uniform = are_proportional(weights, std::vector<double>(weights.size(), 1));
  return uniform || is_reverse(*nested) ? "" : "the weights of its levels, neither uniform nor reverse";
}

}  // namespace msae::io
