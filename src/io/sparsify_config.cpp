#include "io/sparsify_config.h"

#include <algorithm>

#include "io/json_reader.h"

namespace msae::io {
namespace {

std::int64_t at_least_one(const JsonObject& fields, const char* key) {
  const auto value = fields.integer(key);
  if (value < 1) fields.refuse(key, "must be at least 1, not " + std::to_string(value));
  return value;
}

// num_latents, or where it is 0 a multiple of the dimension.
std::int64_t latents_of(const JsonObject& fields, std::int64_t dim) {
  if (fields.has("num_latents") && fields.integer("num_latents") != 0) {
    return at_least_one(fields, "num_latents");
  }
  std::int64_t latents = 0;
  if (__builtin_mul_overflow(at_least_one(fields, "expansion_factor"), dim, &latents)) {
    fields.refuse("expansion_factor", "is too large");
  }
  return latents;
}

}  // namespace

std::string sparsify_text(const SparsifyConfig& config) {
  const nlohmann::ordered_json json = {
      {"activation", "topk"},
      {"expansion_factor", std::max<std::int64_t>(1, config.latents / config.dim)},
      {"normalize_decoder", false},  // of training: its rows have norm 1 / scale
      {"num_latents", config.latents},
      {"k", config.k},
      {"multi_topk", false},
      {"skip_connection", false},
      {"transcode", false},
      {"d_in", config.dim}};
  return json.dump(2) + "\n";
}

SparsifyConfig parse_sparsify(std::string_view text, const std::string& file) {
  const auto json = parse_json(text, file);
  const JsonObject fields(json, file);
  const auto activation = fields.text_or("activation", "topk");
  if (activation != "topk") {
    fields.refuse("activation", "is " + as_written(activation) + ": of sparsify's only topk can be read");
  }
  for (const auto* key : {"skip_connection", "transcode", "signed"}) {
    if (fields.flag_or(key, false)) fields.refuse(key, "is true: only false can be read");
  }
  SparsifyConfig config{.dim = at_least_one(fields, "d_in")};
  config.latents = latents_of(fields, config.dim);
  config.k = at_least_one(fields, "k");
  if (config.k > config.latents) {
    fields.refuse("k", "must be from 1 to " + std::to_string(config.latents) +
                           ", the number of latents, not " + std::to_string(config.k));
  }
  return config;
}

}  // namespace msae::io
