#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/concept_run.h"
#include "cli/numbers.h"
#include "cli/table.h"
#include "core/atomic_file.h"
#include "core/printable.h"
#include "data/hdf5_file.h"
#include "data/name.h"
#include "io/model_rows.h"
#include "models/refined_codes.h"
#include "msae/concepts/search.h"
#include "msae/concepts/steering.h"
#include "msae/concepts/vocabulary.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct SteerArguments : ConceptArguments {
  std::optional<std::int64_t> row;
  std::vector<std::string> set, scale, remove;
  std::string vocabulary, words, out;
  std::int64_t top = 5;
  bool decoded_alone = false, force = false;
};

std::vector<concepts::LatentEdit> edits_of(const SteerArguments& a, const concepts::Names* names,
                                           const models::SparseAutoencoder& model,
                                           const std::vector<concepts::LatentProfile>& profiles) {
  std::vector<concepts::LatentEdit> edits;
  for (const auto& text : a.set) {
    const auto [name, weight] = parse_weight(text, "--set", 1);
    const auto before = edits.size();
    for (const auto latent : latents_of(name, names, model, "--set")) {
      const auto& profile = profiles[static_cast<std::size_t>(latent)];
      if (profile.rows > 0) edits.push_back(concepts::LatentEdit::set(latent, weight * profile.typical));
    }
    if (edits.size() == before) {
      throw std::invalid_argument("--set: no row of " + a.data + " has '" + printable(name) +
                                  "' among its latents, so that nothing is typical of it; keep more of them "
                                  "by --k, or --all");
    }
  }
  for (const auto& text : a.scale) {
    if (text.find('=') == std::string::npos) {
      throw std::invalid_argument("--scale: needs a factor, as in dog=0.5, not '" + printable(text) + "'");
    }
    const auto [name, factor] = parse_weight(text, "--scale", 1);
    for (const auto latent : latents_of(name, names, model, "--scale")) {
      edits.push_back(concepts::LatentEdit::scale(latent, factor));
    }
  }
  for (const auto& name : a.remove) {
    for (const auto latent : latents_of(name, names, model, "--remove")) {
      edits.push_back(concepts::LatentEdit::remove(latent));
    }
  }
  return edits;
}

// The names are known, or there is an error, before any row is read.
void check_names(const SteerArguments& a, const concepts::Names* names,
                 const models::SparseAutoencoder& model) {
  for (const auto& text : a.set)
    latents_of(parse_weight(text, "--set", 1).concept_name, names, model, "--set");
  for (const auto& text : a.scale) {
    latents_of(parse_weight(text, "--scale", 1).concept_name, names, model, "--scale");
  }
  for (const auto& name : a.remove) latents_of(name, names, model, "--remove");
}

concepts::SteeringOptions options_for(const SteerArguments& a, const ConceptData& data) {
  return {.point = data.point, .coding = data.coding, .keep_residual = !a.decoded_alone};
}

torch::Tensor steered_rows(models::SparseAutoencoder& model, const torch::Tensor& rows,
                           const SteerArguments& a, const std::vector<concepts::LatentEdit>& edits,
                           const ConceptData& data) {
  return concepts::steer(model, rows, edits, options_for(a, data))
      .embeddings.to(torch::kCPU, torch::kFloat32)
      .contiguous();
}

void write_steered(models::SparseAutoencoder& model, const ConceptData& data, const SteerArguments& a,
                   const std::vector<concepts::LatentEdit>& edits) {
  const auto rows = static_cast<std::uint64_t>(data.rows->rows()),
             dim = static_cast<std::uint64_t>(data.rows->dim());
  files::AtomicFile target(a.out);
  const auto bytes = rows * dim * sizeof(float) + (1 << 17);
  target.reserve(bytes);  // HDF5 1.10 cannot close a file that it could not write to the end
  {
    auto file = data::hdf5::File::create(target.temporary(), a.out);
    target.reserve(bytes);
    auto out = file.create_rows<float>("/embeddings", {rows, dim});
    ProgressBar bar(!a.common.quiet);
    io::for_each_batch(
        model, *data.rows, models::rows_at_a_time(data.coding, 4096),
        [&](double share) {
          if (interrupted()) throw Error("interrupted, and " + a.out + " was not written");
          if (share < 1) bar.update(share, "steering " + printable(data.rows->name()));
        },
        [&](std::int64_t first, const torch::Tensor& batch) {
          const auto steered = steered_rows(model, batch, a, edits, data);
          out.write_rows<float>(static_cast<std::uint64_t>(first), static_cast<std::uint64_t>(batch.size(0)),
                                {steered.const_data_ptr<float>(), static_cast<std::size_t>(steered.numel())});
        });
    bar.clear();
    file.flush();
  }
  target.commit();
}

struct Near {
  std::string name;
  double cosine = 0;
};

// The words nearest to [2, dim], before and after: both sides minus their own mean.
std::vector<std::vector<Near>> nearest_words(const concepts::Vocabulary& vocabulary,
                                             const torch::Tensor& pair, const torch::Tensor& mean,
                                             std::int64_t most) {
  const auto centred = pair - mean;
  const auto cosines = centred.mm(vocabulary.directions().t()) / centred.norm(2, 1, true).clamp_min(1e-30);
  const auto [values, places] = cosines.topk(std::min(most, cosines.size(1)), 1);
  std::vector<std::vector<Near>> found(2);
  for (std::int64_t side = 0; side < 2; ++side) {
    for (std::int64_t i = 0; i < values.size(1); ++i) {
      const auto word = static_cast<std::size_t>(places[side][i].item<std::int64_t>());
      found[static_cast<std::size_t>(side)].push_back(
          {vocabulary.words[word], values[side][i].item<double>()});
    }
  }
  return found;
}

std::vector<std::vector<Near>> rows_in_words(const ConceptData& data,
                                             const std::vector<std::vector<concepts::Hit>>& hits) {
  std::vector<std::vector<Near>> found;
  for (const auto& side : hits) {
    auto& list = found.emplace_back();
    for (const auto& hit : side) {
      const auto label = data.label_of(hit.row);
      list.push_back(
          {"row " + std::to_string(data.number_of(hit.row)) + (label.empty() ? "" : " " + label), hit.score});
    }
  }
  return found;
}

nlohmann::ordered_json show(const SteerArguments& a, const std::string& title,
                            const std::vector<std::vector<Near>>& sides) {
  Table table({title + " before", "cosine", title + " after", "cosine"});
  nlohmann::ordered_json json = {{"before", nlohmann::ordered_json::array()},
                                 {"after", nlohmann::ordered_json::array()}};
  for (std::size_t side = 0; side < 2; ++side) {
    for (const auto& near : sides[side]) {
      json[side == 0 ? "before" : "after"].push_back({printable(near.name), near.cosine});
    }
  }
  for (std::size_t i = 0; i < sides[0].size(); ++i) {
    table.add({printable(sides[0][i].name), fixed(sides[0][i].cosine, 4), printable(sides[1][i].name),
               fixed(sides[1][i].cosine, 4)});
  }
  if (shows_table(a.common)) {
    std::cout << "\n";
    table.print(std::cout);
  }
  return json;
}

nlohmann::ordered_json show_latents(const SteerArguments& a, const concepts::Names* names,
                                    const std::vector<concepts::LatentEdit>& edits,
                                    const concepts::Steered& steered) {
  Table table({"concept", "latent", "before", "after"});
  auto json = nlohmann::ordered_json::array();
  std::vector<std::int64_t> seen;
  for (const auto& edit : edits) {
    if (std::find(seen.begin(), seen.end(), edit.latent) != seen.end()) continue;
    seen.push_back(edit.latent);
    const auto before = steered.before[0][edit.latent].item<double>();
    const auto after = steered.after[0][edit.latent].item<double>();
    const auto name = latent_name(names, edit.latent);
    table.add({name, std::to_string(edit.latent), fixed(before, 3), fixed(after, 3)});
    json.push_back({{"latent", edit.latent}, {"name", name}, {"before", before}, {"after", after}});
  }
  if (shows_table(a.common)) table.print(std::cout);
  return json;
}

void check(SteerArguments& a) {
  if (a.set.empty() && a.scale.empty() && a.remove.empty()) {
    throw std::invalid_argument("--set: says what to change; or --scale, or --remove");
  }
  if (!a.row && a.out.empty()) {
    throw std::invalid_argument("--row: says which row to look at; or --out where to write all of them");
  }
  refuse_shared_files({{"--out", a.out, {}}, json_target(a.common)}, files_read(a, {a.vocabulary, a.words}));
  if (a.out.empty()) return;
  refuse_to_replace(a.out, a.force);
  const files::AtomicFile writable(a.out);
}

void run(SteerArguments& a) {
  apply(a.common);
  check(a);
  const auto model = io::load(a.run, resolve_device(a.common.device));
  const auto names = read_concept_names(a, *model);
  const auto* named = names ? &*names : nullptr;
  check_names(a, named, *model);
  concepts::Vocabulary vocabulary;
  if (!a.vocabulary.empty()) vocabulary = read_words(a.vocabulary, a.words, *model);
  watch_interrupts();
  const auto data = read_concept_data(a, *model);
  const auto edits = edits_of(a, named, *model, concepts::profiles(data.codes, {.top = 0}));
  nlohmann::ordered_json json = {{"run", a.run},
                                 {"data", data.rows->origin()},
                                 {"point", data.point.label()},
                                 {"codes", data.coding.name()}};
  if (a.row) {
    const auto place = data.place_of(*a.row, "--row");
    std::vector<float> values(static_cast<std::size_t>(data.rows->dim()));
    data.rows->read(place, 1, values);
    const auto row = io::model_rows(*model, values);
    const auto steered = concepts::steer(*model, row, edits, options_for(a, data));
    const auto before = row.to(torch::kCPU, torch::kFloat32),
               after = steered.embeddings.to(torch::kCPU, torch::kFloat32);
    json["row"] = *a.row;
    if (shows_table(a.common)) print_codes(std::cout, data.point, data.coding);
    json["latents"] = show_latents(a, named, edits, steered);
    const auto cosine = torch::cosine_similarity(before, after).item<double>();
    json["cosine"] = cosine;
    if (shows_table(a.common))
      std::cout << "\ncosine of the row before and after: " << fixed(cosine, 4) << "\n";
    const auto pair = torch::cat({before, after});
    const auto mean = model->mean.to(torch::kCPU, torch::kFloat32);
    if (!a.vocabulary.empty()) json["words"] = show(a, "words", nearest_words(vocabulary, pair, mean, a.top));
    const auto hits = concepts::nearest_rows(*data.rows, pair, a.top, mean);
    json["rows"] = show(a, "rows", rows_in_words(data, hits));
  }
  if (!a.out.empty()) {
    write_steered(*model, data, a, edits);
    json["file"] = a.out;
    say(a.common, std::to_string(data.rows->rows()) + " steered rows are in " + a.out + ":/embeddings");
  }
  write_json(a.common, json);
}

}  // namespace

void add_steer(CLI::App& program) {
  auto& command = *program.add_subcommand("steer", "Change concepts of a row, and see what it becomes");
  auto arguments = std::make_shared<SteerArguments>();
  auto& a = *arguments;
  add_concept_run(command, a);
  add_concept_data(command, a, "Embeddings (see 'msae --help')")->required();
  add_whole(command, "--row", a.row, "The row of DATA to look at, counted from 0");
  command.add_option("--set", a.set, "Set a concept to so many times what it typically is, as in dog=2 [1]")
      ->type_name("NAME[=F]");
  command.add_option("--scale", a.scale, "Multiply a concept by a factor, as in dog=0.5")
      ->type_name("NAME=F");
  command.add_option("--remove", a.remove, "Take a concept away")->type_name("NAME");
  for (const auto* name : {"--set", "--scale", "--remove"}) command.get_option(name)->allow_extra_args(false);
  command.add_flag("--decoded-alone", a.decoded_alone,
                   "Leave out what the reconstruction misses of a row [it is kept]");
  auto* vocabulary = command.add_option("--vocab", a.vocabulary, "Embeddings of words, for the nearest ones")
                         ->type_name("DATA");
  command
      .add_option("--words", a.words, "The words, as 'msae name' takes them [/words beside the embeddings]")
      ->type_name("FILE")
      ->needs(vocabulary);
  add_whole(command, "--top", a.top, "Nearest words and rows to show", 1, 10'000)->capture_default_str();
  command.add_option("--out", a.out, "HDF5 file for all rows of DATA, steered: /embeddings")
      ->type_name("FILE");
  command.add_flag("--force", a.force, "Replace an existing file");
  add_names(command, a);
  add_labels(command, a);
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "A concept is a name that 'msae name' gave, which may be that of several latents, or latent:17. What "
      "it\n"
      "typically is: its mean over the rows of DATA that have it. Words and rows are compared by the cosine\n"
      "of what is left when the data's mean, or that of all words, is taken away.\n"
      "Example:\n  msae steer run --data clip.h5:/test --row 17 --set dog=2 --remove snow --vocab words.h5");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
