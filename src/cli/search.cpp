#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/concept_run.h"
#include "cli/numbers.h"
#include "cli/table.h"
#include "core/printable.h"
#include "msae/concepts/search.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct SearchArguments : ConceptArguments {
  std::optional<std::int64_t> row;
  std::string query;
  std::int64_t query_row = 0;
  std::vector<std::string> with, without;
  std::int64_t top = 10;
  std::string similarity = "cosine";
  bool rarity = false, plain = false;
};

/// What is looked for: an embedding, if there is one, and latents.
struct SearchQuery {
  torch::Tensor embedding = {};  // [1, dim]
  std::vector<concepts::QueryLatent> latents = {};
  std::int64_t itself = -1;  // place of the row that was asked about, which is no result
};

torch::Tensor read_row(data::EmbeddingSource& source, std::int64_t place) {
  auto row = torch::empty({1, source.dim()}, torch::kFloat32);
  source.read(place, 1, {row.mutable_data_ptr<float>(), static_cast<std::size_t>(row.numel())});
  return row;
}

// Rows of another file are read as those of DATA are, but for what would leave some out.
torch::Tensor read_query(const SearchArguments& a, const models::SparseAutoencoder& model) {
  const auto prepared = open_data(a.query, {.unit_rows = a.read.unit_rows}, a.common);
  if (prepared.rows->dim() != model.dim()) {
    throw std::invalid_argument("--query: " + a.query + " has dimension " +
                                std::to_string(prepared.rows->dim()) + " but the model's is " +
                                std::to_string(model.dim()));
  }
  if (a.query_row < 0 || a.query_row >= prepared.rows->rows()) {
    throw std::invalid_argument("--query-row: " + a.query + " has " + std::to_string(prepared.rows->rows()) +
                                " rows, counted from 0, and not one of number " +
                                std::to_string(a.query_row));
  }
  return read_row(*prepared.rows, a.query_row);
}

std::vector<concepts::QueryLatent> encode_one(models::SparseAutoencoder& model, const torch::Tensor& row,
                                              const ConceptData& data) {
  const torch::NoGradGuard no_grad;
  const auto latents =
      model.encode(row.to(model.decoder.device(), model.decoder.scalar_type()), data.point, data.coding)
          .to(torch::kCPU, torch::kFloat32);
  const auto places = latents[0].nonzero().flatten();
  std::vector<concepts::QueryLatent> query;
  for (std::int64_t i = 0; i < places.numel(); ++i) {
    const auto latent = places[i].item<std::int64_t>();
    query.push_back({static_cast<std::int32_t>(latent), latents[0][latent].item<float>()});
  }
  return query;
}

// Sets a concept's latents to so many times their typical value.
void put(std::map<std::int32_t, float>& query, const SearchArguments& a,
         const std::vector<std::string>& wanted, const std::string& option, double sign,
         const concepts::Names* names, const models::SparseAutoencoder& model,
         const std::vector<concepts::LatentProfile>& profiles) {
  for (const auto& text : wanted) {
    const auto [name, weight] = parse_weight(text, option, 1);
    bool active = false;
    for (const auto latent : latents_of(name, names, model, option)) {
      const auto& profile = profiles[static_cast<std::size_t>(latent)];
      const auto typical = profile.typical;
      active = active || profile.rows > 0;
      if (profile.rows > 0)
        query[static_cast<std::int32_t>(latent)] = static_cast<float>(sign * weight * typical);
    }
    if (!active) {
      throw std::invalid_argument(option + ": no row of " + a.data + " has '" + printable(name) +
                                  "' among its latents; keep more of them by --k, or --all");
    }
  }
}

SearchQuery query_of(const SearchArguments& a, models::SparseAutoencoder& model, const ConceptData& data,
                     const concepts::Names* names) {
  SearchQuery query;
  std::map<std::int32_t, float> latents;
  const auto take = [&](const std::vector<concepts::QueryLatent>& all) {
    for (const auto& [latent, value] : all) latents[latent] = value;
  };
  if (a.row) {
    query.itself = data.place_of(*a.row, "--row");
    query.embedding = read_row(*data.rows, query.itself);
    take(concepts::query_of(data.codes, query.itself));
  } else if (!a.query.empty()) {
    query.embedding = read_query(a, model);
    take(encode_one(model, query.embedding, data));
  }
  if (!a.with.empty() || !a.without.empty()) {
    const auto profiles = concepts::profiles(data.codes, {.top = 0});
    put(latents, a, a.with, "--with", 1, names, model, profiles);
    put(latents, a, a.without, "--without", -1, names, model, profiles);
  }
  for (const auto& [latent, value] : latents) query.latents.push_back({latent, value});
  return query;
}

// Latents that both have, those that add most to the cosine in front.
std::vector<std::int32_t> shared_latents(const ConceptData& data,
                                         const std::vector<concepts::QueryLatent>& query, std::int64_t place,
                                         const std::vector<float>& weights) {
  std::map<std::int32_t, float> of_query;
  for (const auto& [latent, value] : query) of_query[latent] = value;
  std::vector<std::pair<float, std::int32_t>> parts;
  const auto latents = data.codes.latents_of(place);
  const auto values = data.codes.values_of(place);
  for (std::size_t i = 0; i < latents.size(); ++i) {
    const auto found = of_query.find(latents[i]);
    if (found == of_query.end()) continue;
    const auto weight = weights.empty() ? 1 : weights[static_cast<std::size_t>(latents[i])];
    if (const auto product = weight * found->second * values[i]; product > 0)
      parts.emplace_back(-product, latents[i]);
  }
  std::sort(parts.begin(), parts.end());
  std::vector<std::int32_t> result;
  result.reserve(parts.size());
  for (const auto& [_, latent] : parts) result.push_back(latent);
  return result;
}

void drop(std::vector<concepts::Hit>& hits, std::int64_t itself, std::int64_t most) {
  hits.erase(std::remove_if(hits.begin(), hits.end(), [&](const auto& hit) { return hit.row == itself; }),
             hits.end());
  hits.resize(std::min(hits.size(), static_cast<std::size_t>(most)));
}

nlohmann::ordered_json json_of(const ConceptData& data, const concepts::Hit& hit) {
  nlohmann::ordered_json json = {{"row", data.number_of(hit.row)}, {"score", hit.score}};
  if (!data.labels.empty()) json["label"] = printable(data.label_of(hit.row));
  return json;
}

void run(SearchArguments& a) {
  apply(a.common);
  if (!a.row && a.query.empty() && a.with.empty() && a.without.empty()) {
    throw std::invalid_argument("--row: says what to look for; or --query, or --with");
  }
  if (!a.row && a.query.empty() && a.with.empty()) {
    throw std::invalid_argument(
        "--without: says what rows shall not have; say by --with, --row or --query what to look for");
  }
  if (a.plain && !a.row && a.query.empty()) {
    throw std::invalid_argument(
        "--plain: compares embeddings, and words alone are none; name a --row or --query");
  }
  refuse_shared_files({json_target(a.common)}, files_read(a, {a.query}));
  const auto model = io::load(a.run, resolve_device(a.common.device));
  const auto names = read_concept_names(a, *model);
  const auto* named = names ? &*names : nullptr;
  for (const auto* list : {&a.with, &a.without}) {  // before the work
    const std::string option = list == &a.with ? "--with" : "--without";
    for (const auto& text : *list)
      latents_of(parse_weight(text, option, 1).concept_name, named, *model, option);
  }
  watch_interrupts();
  const auto data = read_concept_data(a, *model);
  const auto query = query_of(a, *model, data, named);
  const auto weights = a.rarity ? concepts::rarity_weights(data.codes) : std::vector<float>{};
  const bool is_nothing = std::all_of(query.latents.begin(), query.latents.end(), [&](const auto& own) {
    return own.value == 0 || (!weights.empty() && weights[static_cast<std::size_t>(own.latent)] == 0);
  });
  if (is_nothing) {
    throw std::invalid_argument(std::string(a.row             ? "--row"
                                            : a.query.empty() ? "--with"
                                                              : "--query") +
                                ": nothing is left to look for; keep more latents by --k, or --all");
  }
  const concepts::LatentIndex index(data.codes, weights);
  auto hits = index.search(
      query.latents, a.top + 1,
      a.similarity == "manhattan" ? concepts::Similarity::manhattan : concepts::Similarity::cosine);
  drop(hits, query.itself, a.top);
  if (a.similarity == "cosine") {  // what has nothing of it is no result
    hits.erase(std::remove_if(hits.begin(), hits.end(), [](const auto& hit) { return hit.score == 0; }),
               hits.end());
  }
  std::vector<concepts::Hit> plain;
  if (a.plain) {
    plain = concepts::nearest_rows(*data.rows, query.embedding, a.top + 1)[0];
    drop(plain, query.itself, a.top);
  }

  const auto label = [&](std::int64_t place) { return printable(data.label_of(place)); };
  nlohmann::ordered_json json = {{"run", a.run},
                                 {"data", data.rows->origin()},
                                 {"point", data.point.label()},
                                 {"codes", data.coding.name()}};
  json["hits"] = nlohmann::ordered_json::array();
  std::vector<std::string> header{"rank", "row"};
  if (!data.labels.empty()) header.push_back("label");
  header.insert(header.end(), {a.similarity, "because of"});
  Table table(header);
  for (std::size_t i = 0; i < hits.size(); ++i) {
    auto entry = json_of(data, hits[i]);
    entry["latents"] = nlohmann::ordered_json::array();
    std::string because;
    const auto shared = shared_latents(data, query.latents, hits[i].row, weights);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, shared.size()); ++k) {
      because += (k > 0 ? ", " : "") + latent_label(named, shared[k]);
      entry["latents"].push_back(shared[k]);
    }
    std::vector<std::string> cells{std::to_string(i + 1), std::to_string(data.number_of(hits[i].row))};
    if (!data.labels.empty()) cells.push_back(label(hits[i].row));
    cells.insert(cells.end(), {fixed(hits[i].score, 4), because});
    table.add(std::move(cells));
    json["hits"].push_back(std::move(entry));
  }
  if (shows_table(a.common)) {
    print_codes(std::cout, data.point, data.coding);
    table.print(std::cout);
  }
  if (a.plain) {
    json["plain"] = nlohmann::ordered_json::array();
    std::vector<std::string> plain_header{"rank", "row"};
    if (!data.labels.empty()) plain_header.push_back("label");
    plain_header.push_back("cosine");
    Table beside(plain_header);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      std::vector<std::string> cells{std::to_string(i + 1), std::to_string(data.number_of(plain[i].row))};
      if (!data.labels.empty()) cells.push_back(label(plain[i].row));
      cells.push_back(fixed(plain[i].score, 4));
      beside.add(std::move(cells));
      json["plain"].push_back(json_of(data, plain[i]));
    }
    if (shows_table(a.common)) {
      std::cout << "\nBy the embeddings themselves\n";
      beside.print(std::cout);
    }
  }
  write_json(a.common, json);
}

}  // namespace

void add_search(CLI::App& program) {
  auto& command = *program.add_subcommand("search", "Find rows by their concepts");
  auto arguments = std::make_shared<SearchArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  add_concept_data(command, a, "Embeddings to search in (see 'msae --help')")->required();
  auto* row = add_whole(command, "--row", a.row, "Rows like this one of DATA, counted from 0");
  auto* query =
      command.add_option("--query", a.query, "Rows like one of other embeddings")->type_name("DATA");
  query->excludes(row);
  add_whole(command, "--query-row", a.query_row, "Which one of --query, counted from 0")
      ->capture_default_str()
      ->needs(query);
  command
      .add_option("--with", a.with,
                  "A concept to look for, 'dog' or 'latent:17', with a weight as in dog=2: so many\n"
                  "times what it typically is; several times for several concepts")
      ->type_name("NAME[=F]");
  command.add_option("--without", a.without, "A concept whose weight counts against the rows that have it")
      ->type_name("NAME[=F]");
  for (const auto* name : {"--with", "--without"}) command.get_option(name)->allow_extra_args(false);
  add_whole(command, "--top", a.top, "Rows to find", 1, 1'000'000)->capture_default_str();
  command
      .add_option("--similarity", a.similarity,
                  "How latents are compared: cosine, or minus the Manhattan distance")
      ->check(CLI::IsMember({"cosine", "manhattan"}))
      ->capture_default_str();
  command.add_flag("--rarity", a.rarity, "Weigh latents by log(rows / rows with the latent), squared");
  command.add_flag("--plain", a.plain, "Also search by the cosine of the embeddings themselves");
  add_names(command, a);
  add_labels(command, a);
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "With --row or --query, --with and --without change the latents of that row: they are set, not added. "
      "Rows\n"
      "with several of the concepts are more alike than rows with one, but all count. The Manhattan "
      "distance\n"
      "suits whole rows: of concepts alone it prefers rows that have little of anything.\n"
      "Examples:\n"
      "  msae search run --data clip.h5:/test --row 17 --plain\n"
      "  msae search run --data clip.h5:/test --with dog=2 --without snow\n"
      "  msae encode run --data clip.h5:/test --out latents.h5 --k 64   # once; then, many times:\n"
      "  msae search run --data clip.h5:/test --encoded latents.h5 --with dog");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
