#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/table.h"
#include "core/printable.h"
#include "data/hdf5_file.h"
#include "data/shards.h"
#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "io/torch_file.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/data/listing.h"
#include "msae/data/statistics.h"
#include "msae/io/model_folder.h"
#include "train/run_folder.h"

namespace msae::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct InfoArguments {
  Common common;
  std::string path;
  data::ReadOptions read;
};

template <typename Numbers>
std::string listed(const Numbers& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ", ") + Json(number).dump();
  return "[" + text + "]";
}

// What a kind of model has of its own.
struct ActivationInfo {
  Json& json;
  const models::SparseAutoencoder& model;

  void operator()(const models::Relu&) const {}
  void operator()(const models::TopK& topk) const { json["k"] = topk.k; }
  void operator()(const models::BatchTopK& batch) const {
    json["k"] = batch.k;
    json["threshold"] = model.threshold[0].item<double>();
  }
  void operator()(const models::Matryoshka& nested) const {
    json["levels"] = nested.levels;
    json["weights"] = models::level_weights(nested);
    if (nested.batch) json["thresholds"] = io::numbers_of(model.threshold);
  }
  void operator()(const models::JumpRelu& jump) const {
    const auto thresholds = model.log_threshold.detach().exp();
    json["smallest_threshold"] = thresholds.min().item<double>();
    json["largest_threshold"] = thresholds.max().item<double>();
    json["bandwidth"] = jump.bandwidth;
  }
  void operator()(const models::PrefixMatryoshka& nested) const {
    json["k"] = nested.k;
    json["sizes"] = nested.sizes;
    json["weights"] = models::level_weights(nested);
    json["threshold"] = model.threshold[0].item<double>();
  }
};

Json model_info(const fs::path& path) {
  const auto model = io::load(path);
  Json json = {{"kind", "model"},
               {"path", path.string()},
               {"format", io::format_name(io::model_format(path))},
               {"model", models::kind(model->activation())},
               {"dim", model->dim()},
               {"latents", model->latents()}};
  std::visit(ActivationInfo{json, *model}, model->activation());
  const auto& o = model->options();
  if (o.tied) json["tied"] = true;
  if (o.normalise_rows) json["normalise_rows"] = true;
  if (o.soft_cap > 0) json["soft_cap"] = o.soft_cap;
  if (o.ranking != models::Ranking::positive) json["ranking"] = models::ranking_name(o.ranking);
  json["norm_of_data_mean"] = model->mean.norm().item<double>();
  json["data_scale"] = model->scale.item<double>();
  return json;
}

// Where its training stands; nothing for a model that came without.
void add_training(const fs::path& folder, Json& json) {
  const auto saved = train::RunFolder::saved_progress(folder);
  if (!saved) return;
  if (!saved->damage.empty()) log::warning(saved->damage);
  const auto options = options_of_run(folder.string());
  if (const auto data = options.find("data"); data != options.end()) json["data"] = data->second;
  json["saved_step"] = saved->step;
  json["steps"] = saved->steps;
  json["seconds"] = saved->seconds;
  json["finished"] = saved->step == saved->steps;
  json["running"] = saved->running;
}

void say_how_to_go_on(const Json& json, const Common& common) {
  if (!json.contains("finished") || json["finished"] || json["running"]) return;
  say(common, "msae: stopped on the way; go on with: msae train --out " +
                  printable(json["path"].get<std::string>()) + " --resume");
}

Json data_set_info(const std::string& path, const data::Listing& found) {
  return {{"path", path}, {"shape", found.shape}, {"type", found.type}, {"embeddings", found.usable}};
}

Json file_info(const fs::path& file) {
  static const std::set<std::string> of_runs = {"cfg.json", "sae_weights.safetensors", "options.toml",
                                                "metrics.csv"};
  if (!data::hdf5::is_hdf5(file) && of_runs.count(file.filename().string()) > 0) {
    const auto folder = file.has_parent_path() ? file.parent_path().string() : ".";
    throw IoError(file.string() + " is not an HDF5 file but part of a run; see: msae info " + folder);
  }
  Json json = {{"kind", "data"}, {"path", file.string()}};
  if (data::hdf5::is_hdf5(file)) {
    const auto opened = data::hdf5::File::open(file);
    for (const auto* name : {"run", "data", "view", "point", "codes"}) {  // of a file of 'msae encode'
      if (const auto value = opened.attribute(name); !value.empty()) json[name] = value;
    }
  }
  json["data_sets"] = Json::array();
  for (const auto& found : data::list(file)) json["data_sets"].push_back(data_set_info(found.path, found));
  return json;
}

// A folder of files that are data together.
Json shards_info(const std::string& folder) {
  Json json = {{"kind", "data"}, {"path", folder}, {"data_sets", Json::array()}};
  for (const auto& file : data::shards_of(folder)) {
    for (const auto& found : data::list(file)) {
      const auto path = file.string() + (found.path.empty() ? "" : ":") + found.path;
      json["data_sets"].push_back(data_set_info(path, found));
    }
  }
  return json;
}

Json embeddings_info(const InfoArguments& a) {
  watch_interrupts();
  const auto data = open_data(a.path, a.read, a.common);
  const auto& source = data.rows;
  ProgressBar bar(!a.common.quiet);
  const auto statistics = data::statistics(*source, reading(bar, source->name()));
  bar.clear();
  const double squared =
      std::inner_product(statistics.mean.begin(), statistics.mean.end(), statistics.mean.begin(), 0.0);
  Json json = {{"kind", "embeddings"},
               {"path", source->origin()},
               {"rows", source->rows()},
               {"dim", source->dim()},
               {"root_mean_square_norm", std::sqrt(squared + statistics.mean_squared_deviation)},
               {"norm_of_mean", std::sqrt(squared)},
               {"mean_squared_deviation", statistics.mean_squared_deviation}};
  add_view(json, source->treatment());
  add_skipped(json, a.read, data);
  return json;
}

// Of torch.save: embeddings, not a checkpoint.
bool holds_tensors_alone(const fs::path& path) {
  if (io::model_format(path) != io::ModelFormat::reference) return false;
  const io::TorchFile file(path);
  const bool is_dict = std::holds_alternative<io::pickle::Dict>(file.root().is);
  return !is_dict || !io::pickle::Fields(file.root(), path.string()).has("model");
}

Json describe(const InfoArguments& a) {
  const auto& path = a.path;
  std::error_code error;
  const bool is_list = fs::exists(path, error) && fs::path(path).extension() != ".npy";
  if ((a.read.unit_rows || a.read.skip_bad_rows) && is_list) {
    throw std::invalid_argument(
        "PATH: --unit-rows and --skip-bad-rows are for rows, named as in file.h5:/path or file.npy");
  }
  const bool is_model = io::model_format(path) != io::ModelFormat::none;
  if (fs::is_directory(path, error)) {
    auto json = is_model ? model_info(path) : Json{{"kind", "run"}, {"path", path}};
    add_training(path, json);
    if (is_model || json.contains("saved_step")) return json;
    const bool of_model = fs::exists(fs::path(path) / io::weights_name, error);  // without its cfg.json
    if (!of_model && data::holds_embeddings(path)) return shards_info(path);
    throw IoError(path + ": is a folder without a model (cfg.json, ae.pt), a training state or embeddings");
  }
  if (is_model && !holds_tensors_alone(path)) return model_info(path);
  if (is_list && fs::is_regular_file(path, error)) return file_info(path);
  return embeddings_info(a);
}

void print(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    if (key == "data_sets") continue;
    std::cout << key << ": " << printable(value.is_string() ? value.get<std::string>() : value.dump())
              << "\n";
  }
  if (!json.contains("data_sets")) return;
  Table table({"data set", "shape", "type", ""});
  for (const auto& found : json["data_sets"]) {
    table.add({found["path"], listed(found["shape"].get<std::vector<std::uint64_t>>()), found["type"],
               found["embeddings"].get<bool>() ? "embeddings" : ""});
  }
  table.print(std::cout);
}

void run(const InfoArguments& arguments) {
  apply(arguments.common);
  const auto json = describe(arguments);
  if (shows_table(arguments.common)) print(json);
  write_json(arguments.common, json);
  say_how_to_go_on(json, arguments.common);
}

}  // namespace

void add_info(CLI::App& program) {
  auto& command = *program.add_subcommand("info", "Tell what a data file, a data set or a model holds");
  auto arguments = std::make_shared<InfoArguments>();
  command
      .add_option("PATH", arguments->path,
                  "A data file, or a folder of them, DATA (file.h5:/path, file.npy), or a model: the folder "
                  "of a run or of "
                  "another program,\n"
                  "a .pth or .safetensors file")
      ->type_name("")
      ->required();
  add_row_options(command, arguments->read);
  add_common(command, arguments->common);
  command.footer(
      "Reads all rows of a data set that is named, and only the list of a file's.\n"
      "root_mean_square_norm: of the rows, 1 where all are normalised; norm_of_mean: of the mean row;\n"
      "mean_squared_deviation: mean over rows of the squared distance to the mean row.\n"
      "Of a model: whose format it is (see 'msae convert --help'), its kind, sizes and options.\n"
      "Of a run: its data, how far its training is saved, out of how many steps, and whether it goes on "
      "now.\n"
      "Examples:\n  msae info clip.h5\n  msae info clip.h5:/train\n  msae info run");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
