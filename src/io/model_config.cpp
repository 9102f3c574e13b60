#include "io/model_config.h"

#include <stdexcept>
#include <utility>

#include "io/json_reader.h"
#include "msae/core/error.h"
#include "msae/core/version.h"

namespace msae::io {
namespace {

using nlohmann::ordered_json;

// Of the key "msae". A reader takes its own and every older one.
constexpr std::int64_t format_version = 1;

// What SAELens calls the model that computes the same as ours does by default. It has none for some of our
// options, and shall refuse such a model rather than compute something else.
std::string architecture(const ModelConfig& config) {
  if (config.normalise_rows || config.soft_cap != 0 || config.ranking != models::Ranking::positive) {
    return "msae";
  }
  if (std::holds_alternative<models::Relu>(config.activation)) return "standard";
  return has_threshold(config) ? "jumprelu" : "topk";
}

ordered_json activation_json(const ModelConfig& config) {
  const auto& activation = config.activation;
  ordered_json json;
  json["kind"] = models::kind(activation);
  if (const auto* topk = std::get_if<models::TopK>(&activation)) json["k"] = topk->k;
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) json["k"] = batch->k;
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) {
    json["levels"] = nested->levels;
    json["weights"] = nested->weights;
    if (nested->batch) json["thresholds"] = config.thresholds;
  }
  if (const auto* jump = std::get_if<models::JumpRelu>(&activation)) {
    json["threshold"] = jump->threshold;
    json["bandwidth"] = jump->bandwidth;
  }
  if (const auto* nested = std::get_if<models::PrefixMatryoshka>(&activation)) {
    json["k"] = nested->k;
    json["sizes"] = nested->sizes;
    json["weights"] = nested->weights;
  }
  return json;
}

std::vector<double> parse_weights(const JsonObject& fields) {
  return fields.has("weights") ? fields.numbers("weights") : std::vector<double>{};
}

void parse_activation(const JsonObject& fields, ModelConfig& config) {
  const auto kind = fields.text("kind");
  if (kind == "relu") {
    config.activation = models::Relu{};
  } else if (kind == "topk") {
    config.activation = models::TopK{.k = fields.integer("k")};
  } else if (kind == "batch-topk") {
    config.activation = models::BatchTopK{.k = fields.integer("k")};
  } else if (kind == "matryoshka") {
    models::Matryoshka nested{.levels = fields.integers("levels"), .weights = parse_weights(fields)};
    nested.batch = fields.has("thresholds");
    if (nested.batch) config.thresholds = fields.numbers("thresholds");
    if (nested.batch && config.thresholds.size() != nested.levels.size()) {
      fields.refuse("thresholds", "must have a number for each of the " +
                                      std::to_string(nested.levels.size()) + " levels, not " +
                                      std::to_string(config.thresholds.size()));
    }
    config.activation = std::move(nested);
  } else if (kind == "jump-relu") {
    config.activation =
        models::JumpRelu{.threshold = fields.number("threshold"), .bandwidth = fields.number("bandwidth")};
  } else if (kind == "prefix-matryoshka") {
    config.activation = models::PrefixMatryoshka{
        .k = fields.integer("k"), .sizes = fields.integers("sizes"), .weights = parse_weights(fields)};
  } else {
    fields.refuse("kind", "is none of relu, topk, batch-topk, matryoshka, jump-relu and prefix-matryoshka: " +
                              as_written(kind));
  }
}

models::Ranking parse_ranking(const JsonObject& own) {
  const auto name = own.text_or("ranking", "positive");
  try {
    return models::ranking_named(name);
  } catch (const std::invalid_argument&) {
    own.refuse("ranking", "is none of positive, value and magnitude: " + as_written(name));
  }
}

// Of the model, all but its sizes.
ordered_json model_json(const ModelConfig& config) {
  ordered_json json;
  json["activation"] = activation_json(config);
  if (config.tied) json["tied"] = true;
  if (config.normalise_rows) json["normalise_rows"] = true;
  if (config.soft_cap != 0) json["soft_cap"] = config.soft_cap;
  if (config.ranking != models::Ranking::positive) json["ranking"] = models::ranking_name(config.ranking);
  return json;
}

ordered_json own_part(const ModelConfig& config) {
  ordered_json json;
  json["format_version"] = format_version;
  json["version"] = version();
  json.update(model_json(config));
  json["scale"] = config.scale;
  json["mean"] = config.mean;
  return json;
}

// The members of an object a line each, all else on one line: a list of 512 numbers is nothing to scroll
// through.
void print(const ordered_json& value, const std::string& indent, std::string& out) {
  if (!value.is_object() || value.empty()) {
    out += value.dump();
    return;
  }
  out += "{\n";
  const auto inner = indent + "  ";
  auto separator = "";
  for (const auto& [key, member] : value.items()) {
    out += separator + inner + ordered_json(key).dump() + ": ";
    print(member, inner, out);
    separator = ",\n";
  }
  out += "\n" + indent + "}";
}

void parse_model(const JsonObject& own, ModelConfig& config) {
  parse_activation(own.object("activation"), config);
  config.tied = own.flag_or("tied", false);
  config.normalise_rows = own.flag_or("normalise_rows", false);
  if (own.has("soft_cap")) config.soft_cap = own.number("soft_cap");
  config.ranking = parse_ranking(own);
}

void parse_own_part(const JsonObject& own, ModelConfig& config) {
  const auto version = own.integer("format_version");
  if (version > format_version) {
    own.refuse("format_version", "is " + std::to_string(version) + ", but this msae " + msae::version() +
                                     " knows " + std::to_string(format_version) +
                                     " at most: update msae to read the model");
  }
  if (version < 1) own.refuse("format_version", "must be at least 1, not " + std::to_string(version));
  parse_model(own, config);
  config.mean = own.numbers("mean");
  if (config.mean.size() != static_cast<std::size_t>(config.dim)) {
    own.refuse("mean", "has " + std::to_string(config.mean.size()) + " numbers, but d_in is " +
                           std::to_string(config.dim));
  }
  config.scale = own.number("scale");
  if (!(config.scale > 0)) own.refuse("scale", "must be positive, not " + as_written(config.scale));
}

// SAELens' k of a batch may be any number.
std::int64_t parse_batch_k(const JsonObject& fields, const ModelConfig& config) {
  const auto k = fields.number("k");
  if (k >= 1 && k <= static_cast<double>(config.latents)) return static_cast<std::int64_t>(k);
  fields.refuse("k", "must be from 1 to " + std::to_string(config.latents) + ", not " + as_written(k));
}

// The last one is all of the dictionary, whether it is told or not.
std::vector<std::int64_t> parse_widths(const JsonObject& fields, const ModelConfig& config) {
  auto widths = fields.integers("matryoshka_widths");
  if (widths.empty() || widths.back() != config.latents) widths.push_back(config.latents);
  return widths;
}

// Folders of a training (batchtopk, matryoshka_batchtopk) have one threshold under a name of its own.
void parse_foreign_model(const JsonObject& fields, const std::string& name, ModelConfig& config) {
  if (name == "standard") {
    config.activation = models::Relu{};
  } else if (name == "topk" || name == "abstopk") {
    config.activation = models::TopK{.k = fields.integer("k")};
    if (name == "abstopk") config.ranking = models::Ranking::magnitude;
  } else if (name == "jumprelu") {
    config.activation = models::JumpRelu{};
  } else if (name == "batchtopk") {
    config.activation = models::BatchTopK{.k = parse_batch_k(fields, config)};
  } else if (name == "matryoshka_batchtopk") {
    config.activation =
        models::PrefixMatryoshka{.k = parse_batch_k(fields, config), .sizes = parse_widths(fields, config)};
  } else {
    fields.refuse("architecture", "is " + as_written(name) +
                                      ": of SAELens' own models only standard, topk, abstopk, jumprelu, "
                                      "batchtopk and matryoshka_batchtopk can be read");
  }
  config.scalar_threshold = models::chooses_over_batch(config.activation);
  const bool of_training = config.scalar_threshold || name == "topk" || name == "abstopk";
  config.decoder_norms = of_training && fields.flag_or("rescale_acts_by_decoder_norm", false);
}

// What changes the result and we do not do.
void check_processing(const JsonObject& fields) {
  for (const auto* key : {"normalize_activations", "reshape_activations"}) {
    const auto value = fields.text_or(key, "none");
    if (value != "none") fields.refuse(key, "is " + as_written(value) + ": only none can be read");
  }
}

std::int64_t parse_size(const JsonObject& fields, const char* key) {
  const auto size = fields.integer(key);
  if (size < 1) fields.refuse(key, "must be at least 1, not " + std::to_string(size));
  return size;
}

}  // namespace

bool has_threshold(const ModelConfig& config) {
  return models::chooses_over_batch(config.activation) ||
         std::holds_alternative<models::JumpRelu>(config.activation);
}

std::string model_text(const ModelConfig& config) {
  return model_json(config).dump();
}

void parse_model_text(std::string_view text, const std::string& file, ModelConfig& config) {
  const auto json = parse_json(text, file);
  parse_model(JsonObject(json, file), config);
}

std::string config_text(const ModelConfig& config) {
  ordered_json json;
  const auto name = architecture(config);
  json["architecture"] = name;
  json["d_in"] = config.dim;
  json["d_sae"] = config.latents;
  json["dtype"] = config.float64 ? "float64" : "float32";
  json["device"] = "cpu";
  json["apply_b_dec_to_input"] = config.centred_input;
  json["normalize_activations"] = "none";
  json["reshape_activations"] = "none";
  if (name == "topk") {
    const auto* topk = std::get_if<models::TopK>(&config.activation);
    json["k"] = topk ? topk->k : std::get<models::Matryoshka>(config.activation).levels.front();
    json["rescale_acts_by_decoder_norm"] = false;
  }
  json["metadata"]["saved_by"] = "msae " + version();
  json["msae"] = own_part(config);
  std::string text;
  print(json, "", text);
  return text + "\n";
}

ModelConfig parse_config(std::string_view text, const std::string& file) {
  const auto json = parse_json(text, file);
  const JsonObject fields(json, file);
  ModelConfig config;
  const auto name = fields.text("architecture");
  config.dim = parse_size(fields, "d_in");
  config.latents = parse_size(fields, "d_sae");
  config.centred_input = fields.flag_or("apply_b_dec_to_input", true);
  check_processing(fields);
  if (fields.has("msae")) {
    parse_own_part(fields.object("msae"), config);
    if (fields.flag_or("rescale_acts_by_decoder_norm", false)) {
      fields.refuse("rescale_acts_by_decoder_norm", "is true, which no model of msae is");
    }
    if (name != architecture(config)) {
      fields.refuse("architecture", "is " + as_written(name) + ", which does not fit msae.activation.kind " +
                                        models::kind(config.activation));
    }
  } else {
    parse_foreign_model(fields, name, config);
  }
  try {
    models::validate(config.activation, config.latents);
  } catch (const std::invalid_argument& impossible) {
    throw IoError(file + ": " + impossible.what());
  }
  return config;
}

}  // namespace msae::io
