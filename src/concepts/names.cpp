#include "msae/concepts/names.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "concepts/letters.h"
#include "concepts/unsign.h"
#include "concepts/utf8.h"
#include "core/atomic_file.h"
#include "core/file.h"
#include "io/crc32.h"
#include "io/json_reader.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::concepts {
namespace {

constexpr std::int64_t names_version = 1;

// Of the dictionary's bits as float32, so that a model loaded in another type or on a device is the same.
std::int64_t checksum(const models::SparseAutoencoder& model) {
  const auto rows = model.decoder.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  const auto* values = rows.const_data_ptr<float>();
  return io::crc32(std::as_bytes(std::span(values, static_cast<std::size_t>(rows.numel()))));
}

using Json = nlohmann::ordered_json;

std::vector<std::string> read_word_list(const io::JsonObject& object, const nlohmann::json& entry) {
  std::vector<std::string> words;
  const auto found = entry.find("words");
  if (found == entry.end() || !found->is_array()) object.refuse("words", "must be a list of words");
  for (const auto& word : *found) {
    if (!word.is_string()) object.refuse("words", "must be a list of words");
    words.push_back(word.get<std::string>());
  }
  return words;
}

}  // namespace

std::vector<std::int64_t> Names::latents(const std::string& name) const {
  const auto those = [&](auto is_it) {
    std::vector<std::int64_t> found;
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (!of[i].empty() && is_it(of[i])) found.push_back(static_cast<std::int64_t>(i));
    }
    std::stable_sort(found.begin(), found.end(),
                     [&](auto a, auto b) { return cosine[unsign(a)] > cosine[unsign(b)]; });
    return found;
  };
  auto found = those([&](const std::string& own) { return own == name; });
  if (!found.empty()) return found;
  const auto small = lower_case(name);
  return those([&](const std::string& own) { return lower_case(own) == small; });
}

std::vector<std::string> Names::nearest(const std::string& name, std::size_t count) const {
  const auto small = lower_case(name);
  std::set<std::tuple<bool, std::size_t, std::string>> order;
  for (const auto& own : std::set<std::string>(of.begin(), of.end())) {
    if (own.empty()) continue;
    const auto other = lower_case(own);
    const bool contains = other.find(small) != std::string::npos || small.find(other) != std::string::npos;
    order.emplace(!contains, letters_apart(small, other), own);
  }
  std::vector<std::string> result;
  for (const auto& [_, apart, own] : order) {
    if (result.size() == count) break;
    result.push_back(own);
  }
  return result;
}

Names names_of(const Naming& naming, const Vocabulary& vocabulary) {
  Names names;
  for (const auto& latent : naming.latents) {
    names.of.push_back(latent.word ? vocabulary.words[unsign(*latent.word)] : "");
    names.cosine.push_back(latent.cosine);
    names.margin.push_back(latent.margin);
    auto& words = names.words.emplace_back();
    for (const auto& best : latent.best) words.push_back(vocabulary.words[unsign(best.word)]);
  }
  return names;
}

void write_names(const std::filesystem::path& file, const models::SparseAutoencoder& model,
                 const Names& names) {
  auto latents = Json::array();
  for (std::size_t i = 0; i < names.of.size(); ++i) {
    latents.push_back({{"name", names.of[i].empty() ? Json() : Json(names.of[i])},
                       {"cosine", names.cosine[i]},
                       {"margin", names.margin[i]},
                       {"words", names.words[i]}});
  }
  const Json json = {
      {"msae_names", names_version}, {"dictionary_crc32", checksum(model)}, {"latents", std::move(latents)}};
  files::write_file(file, json.dump(1) + "\n");
}

Names read_names(const std::filesystem::path& path, const models::SparseAutoencoder& model) {
  const auto file = path.string();
  const auto json = io::parse_json(files::read_text(path, available_memory() / 8), file);
  const io::JsonObject object(json, file);
  if (object.integer("msae_names") != names_version) {
    object.refuse("msae_names", "is a version that this msae does not know");
  }
  if (object.integer("dictionary_crc32") != checksum(model)) {
    throw IoError(file + ": names the latents of another model; name these anew by 'msae name'");
  }
  const auto found = json.find("latents");
  if (found == json.end() || !found->is_array() ||
      static_cast<std::int64_t>(found->size()) != model.latents()) {
    object.refuse("latents", "must be a list of the model's " + std::to_string(model.latents()) + " latents");
  }
  Names names;
  for (const auto& entry : *found) {
    const io::JsonObject latent(entry, file, "latents.");
    const auto name = entry.is_object() ? entry.find("name") : entry.end();
    const bool unnamed = name != entry.end() && name->is_null();
    names.of.push_back(unnamed ? "" : latent.text("name"));
    names.cosine.push_back(latent.number("cosine"));
    names.margin.push_back(latent.number("margin"));
    names.words.push_back(read_word_list(latent, entry));
  }
  return names;
}

}  // namespace msae::concepts
