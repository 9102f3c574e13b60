#include "io/dictionary_learning_file.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "io/json_reader.h"
#include "msae/core/error.h"
#include "msae/core/version.h"

namespace msae::io {
namespace {

/// Names of a class's tensors. A matrix [dim, latents] is `turned`; that of the decoder lies the other way.
struct DictionaryClass {
  const char* name;
  const char* kind;  ///< ours
  const char *encoder, *decoder, *latent_bias, *pre_bias;
  bool turned;
  bool centred_input;
};

constexpr std::array<DictionaryClass, 6> dictionary_classes{
    {{"AutoEncoder", "relu", "encoder.weight", "decoder.weight", "encoder.bias", "bias", false, true},
     {"AutoEncoderNew", "", "encoder.weight", "decoder.weight", "encoder.bias", "decoder.bias", false, false},
     {"AutoEncoderTopK", "topk", "encoder.weight", "decoder.weight", "encoder.bias", "b_dec", false, true},
     {"BatchTopKSAE", "batch-topk", "encoder.weight", "decoder.weight", "encoder.bias", "b_dec", false, true},
     {"MatryoshkaBatchTopKSAE", "prefix-matryoshka", "W_enc", "W_dec", "b_enc", "b_dec", true, true},
     {"JumpReluAutoEncoder", "jump-relu", "W_enc", "W_dec", "b_enc", "b_dec", true, false}}};

const DictionaryClass& class_of(const JsonObject& trainer) {
  const auto name = trainer.text("dict_class");
  for (const auto& known : dictionary_classes) {
    if (name == known.name) return known;
  }
  trainer.refuse("dict_class", "is " + as_written(name) +
                                   ": only AutoEncoder, AutoEncoderNew, AutoEncoderTopK, BatchTopKSAE, "
                                   "MatryoshkaBatchTopKSAE and JumpReluAutoEncoder can be read");
}

/// ae.pt, its tensors asked for by name and shape.
class StateDict {
 public:
  explicit StateDict(const TorchFile& file)
      : file_(file), name_(file.path().string()), fields_(file.root(), name_) {}

  bool has(const std::string& key) const { return fields_.has(key); }

  const pickle::TensorView& matrix(const std::string& key) const {
    const auto& found = fields_.tensor(key);
    if (found.shape.size() == 2 && found.shape[0] > 0 && found.shape[1] > 0) return found;
    refuse(key, "has the shape " + to_string(found.shape) + ", expected a matrix");
  }

  const pickle::TensorView& tensor(const std::string& key, const Shape& shape) const {
    const auto& found = fields_.tensor(key);
    if (found.shape == shape) return found;
    refuse(key, "has the shape " + to_string(found.shape) + ", expected " + to_string(shape));
  }

  /// A few whole numbers [n], or one [].
  std::vector<std::int64_t> integers(const std::string& key) const {
    constexpr std::int64_t most = 1000;
    const auto& found = fields_.tensor(key);
    const bool wide = found.storage.dtype == "I64";
    if (!wide && found.storage.dtype != "I32")
      refuse(key, "is " + found.storage.dtype + ", expected I64 or I32");
    const auto count = found.shape.empty() ? 1 : found.shape[0];
    if (found.shape.size() > 1 || count < 1 || count > most) {
      refuse(key, "has the shape " + to_string(found.shape) + ", expected a few numbers");
    }
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto index = found.offset + (found.shape.empty() ? 0 : i * found.strides[0]);
      numbers.push_back(wide ? number<std::int64_t>(found, index) : number<std::int32_t>(found, index));
    }
    return numbers;
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& what) const {
    throw IoError(name_ + ": tensor " + key + " " + what);
  }

 private:
  template <class Number>
  std::int64_t number(const pickle::TensorView& view, std::int64_t index) const {
    Number value{};
    file_.read(view.storage, static_cast<std::uint64_t>(index) * sizeof(Number),
               std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  const TorchFile& file_;
  std::string name_;
  pickle::Fields fields_;
};

pickle::TensorView turned_around(pickle::TensorView matrix) {
  std::swap(matrix.shape[0], matrix.shape[1]);
  std::swap(matrix.strides[0], matrix.strides[1]);
  return matrix;
}

std::int64_t parse_k(const JsonObject& trainer, const StateDict& state) {
  const auto k = trainer.integer("k");
  if (!state.has("k")) return k;
  const auto kept = state.integers("k");
  if (kept.size() == 1 && kept[0] == k) return k;
  state.refuse("k", "does not hold the k of " + std::string("config.json, ") + std::to_string(k));
}

// The widths of MatryoshkaBatchTopKSAE's prefixes, of which the last is all.
std::vector<std::int64_t> parse_prefixes(const StateDict& state, std::int64_t latents) {
  auto sizes = state.integers("group_sizes");
  std::int64_t sum = 0;
  for (auto& size : sizes) {
    if (size < 1 || size > latents - sum) break;
    size = sum += size;
  }
  if (sum == latents) return sizes;
  state.refuse("group_sizes", "must be positive numbers whose sum is " + std::to_string(latents) +
                                  ", the number of latents");
}

models::Activation parse_dictionary_activation(const JsonObject& trainer, const StateDict& state,
                                               const std::string& name, std::int64_t latents) {
  if (name == "AutoEncoderTopK") return models::TopK{.k = parse_k(trainer, state)};
  if (name == "BatchTopKSAE") return models::BatchTopK{.k = parse_k(trainer, state)};
  if (name == "JumpReluAutoEncoder") return models::JumpRelu{};
  if (name != "MatryoshkaBatchTopKSAE") return models::Relu{};
  models::PrefixMatryoshka nested{.k = parse_k(trainer, state), .sizes = parse_prefixes(state, latents)};
  if (trainer.has("group_weights")) nested.weights = trainer.numbers("group_weights");
  return nested;
}

// The package does not look at them, but a folder in which they differ has been mixed up.
void check_size(const JsonObject& trainer, const char* key, std::int64_t found) {
  if (!trainer.has(key) || trainer.integer(key) == found) return;
  trainer.refuse(key, "is " + std::to_string(trainer.integer(key)) + ", but ae.pt holds weights for " +
                          std::to_string(found));
}

void check_activation(const models::Activation& activation, std::int64_t latents, const std::string& file) {
  try {
    models::validate(activation, latents);
  } catch (const std::invalid_argument& impossible) {
    throw IoError(file + ": trainer." + impossible.what());
  }
}

}  // namespace

std::string dictionary_class(const models::Activation& activation) {
  auto kind = models::kind(activation);
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) {
    kind = nested->batch ? "batch-topk" : "topk";
  }
  for (const auto& known : dictionary_classes) {
    if (kind == known.kind) return known.name;
  }
  throw std::invalid_argument("model: dictionary_learning has no " + kind + " model");
}

std::vector<std::int64_t> group_sizes(const std::vector<std::int64_t>& prefixes) {
  auto sizes = prefixes;
  for (auto i = sizes.size(); i > 1; --i) sizes[i - 1] -= sizes[i - 2];
  return sizes;
}

std::string dictionary_config_text(const models::Activation& activation, std::int64_t dim,
                                   std::int64_t latents) {
  nlohmann::ordered_json trainer = {
      {"dict_class", dictionary_class(activation)}, {"activation_dim", dim}, {"dict_size", latents}};
  if (const auto* topk = std::get_if<models::TopK>(&activation)) trainer["k"] = topk->k;
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) trainer["k"] = batch->k;
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation))
    trainer["k"] = nested->levels.front();
  if (const auto* nested = std::get_if<models::PrefixMatryoshka>(&activation)) {
    trainer["k"] = nested->k;
    trainer["group_weights"] = models::level_weights(activation);
  }
  const nlohmann::ordered_json json = {{"trainer", trainer}, {"saved_by", "msae " + version()}};
  return json.dump(2) + "\n";
}

DictionaryLearningModel parse_dictionary_learning(const TorchFile& file, std::string_view config,
                                                  const std::string& config_file) {
  const auto json = parse_json(config, config_file);
  const auto trainer = JsonObject(json, config_file).object("trainer");
  const auto& known = class_of(trainer);
  const StateDict state(file);
  const auto& encoder = state.matrix(known.encoder);
  DictionaryLearningModel found;
  found.encoder = known.turned ? turned_around(encoder) : encoder;
  found.latents = found.encoder.shape[0];
  found.dim = found.encoder.shape[1];
  check_size(trainer, "activation_dim", found.dim);
  check_size(trainer, "dict_size", found.latents);
  found.activation = parse_dictionary_activation(trainer, state, known.name, found.latents);
  check_activation(found.activation, found.latents, config_file);
  found.decoder = known.turned ? state.tensor(known.decoder, {found.latents, found.dim})
                               : turned_around(state.tensor(known.decoder, {found.dim, found.latents}));
  found.latent_bias = state.tensor(known.latent_bias, {found.latents});
  found.pre_bias = state.tensor(known.pre_bias, {found.dim});
  found.centred_input = known.centred_input;
  const bool jumps = std::holds_alternative<models::JumpRelu>(found.activation);
  if (jumps || models::chooses_over_batch(found.activation) || state.has("threshold")) {
    found.threshold = state.tensor("threshold", jumps ? Shape{found.latents} : Shape{});
  }
  return found;
}

}  // namespace msae::io
