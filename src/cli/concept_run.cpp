#include "cli/concept_run.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/table.h"
#include "core/printable.h"
#include "data/name.h"
#include "msae/core/error.h"
#include "msae/data/labels.h"

namespace msae::cli {
namespace {

[[noreturn]] void refuse_row(const ConceptData& data, std::int64_t number, const std::string& option) {
  throw std::invalid_argument(option + ": " + printable(data.rows->name()) + " has no row " +
                              std::to_string(number) + "; there are rows 0 to " +
                              std::to_string(data.rows->original_rows() - 1) +
                              (data.rows->rows() == data.rows->original_rows() ? "" : ", some left out"));
}

// Labels that are numbers of other labels.
void replace_by_names(std::vector<std::string>& labels, const ConceptArguments& a) {
  const auto names = data::read_labels(a.label_names);
  for (auto& label : labels) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), number);
    if (error != std::errc() || end != label.data() + label.size() || number >= names.size()) {
      throw IoError("--label-names: " + a.label_names + " holds " + std::to_string(names.size()) +
                    " names, and '" + printable(label.substr(0, 40)) + "' of " + a.labels +
                    " is the number of none (from 0)");
    }
    label = names[number];
  }
}

std::vector<std::string> read_row_labels(const ConceptArguments& a, const data::EmbeddingSource& rows) {
  if (a.labels.empty()) return {};
  auto labels = data::read_labels(a.labels);
  if (static_cast<std::int64_t>(labels.size()) != rows.original_rows()) {
    throw IoError("--labels: " + a.labels + " holds " + std::to_string(labels.size()) + " labels, but " +
                  a.data + " has " + std::to_string(rows.original_rows()) + " rows");
  }
  if (!a.label_names.empty()) replace_by_names(labels, a);
  return labels;
}

concepts::Codes encode_with_bar(const ConceptArguments& a, models::SparseAutoencoder& model,
                                data::EmbeddingSource& rows, models::OperatingPoint point,
                                models::Coding coding) {
  ProgressBar bar(!a.common.quiet);
  auto codes = concepts::encode(model, rows, point, coding, [&](double share) {
    if (interrupted()) throw Error("interrupted while encoding " + rows.name() + "; nothing was written");
    if (share < 1) bar.update(share, "encoding " + printable(rows.name()));
  });
  bar.clear();
  return codes;
}

concepts::Codes read_matching_codes(const ConceptArguments& a, const models::SparseAutoencoder& model,
                                    const data::EmbeddingSource& rows) {
  auto codes = concepts::read_codes(a.encoded);
  if (codes.latents == model.latents() && codes.rows == rows.rows()) return codes;
  throw IoError("--encoded: " + a.encoded + " holds " + std::to_string(codes.rows) + " rows of " +
                std::to_string(codes.latents) + " latents, but there are " + std::to_string(rows.rows()) +
                " rows of " + a.data + " and " + std::to_string(model.latents()) + " latents of " + a.run);
}

bool to_number(const std::string& text, double& number) {
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end && std::isfinite(number);
}

// By what OperatingPoint::label() made of it.
models::OperatingPoint point_labelled(const std::string& label, const models::SparseAutoencoder& model,
                                      const std::string& file) {
  using Point = models::OperatingPoint;
  std::vector<Point> known{Point::trained(), Point::all()};
  for (std::int64_t level = 0; level < model.level_count(); ++level) known.push_back(Point::level(level));
  for (const auto& point : known) {
    if (point.label() == label) return point;
  }
  std::int64_t k = 0;
  if (label.rfind("k=", 0) == 0) std::from_chars(label.data() + 2, label.data() + label.size(), k);
  if (k >= 1 && k <= model.latents()) return Point::top(k);
  throw IoError("--encoded: " + file + " was made at a point that the model has not, '" + printable(label) +
                "'");
}

}  // namespace

void add_concept_run(CLI::App& command, ConceptArguments& a) {
  command.add_option("RUN", a.run, "Folder of a trained model, or a .pth or .safetensors file of one")
      ->type_name("FOLDER")
      ->required();
}

CLI::Option* add_concept_data(CLI::App& command, ConceptArguments& a, const std::string& what_for) {
  auto* data = command.add_option("--data", a.data, what_for)->type_name("DATA");
  auto* encoded =
      command
          .add_option("--encoded", a.encoded,
                      "Latents of DATA from a file that 'msae encode' wrote, in place of encoding DATA anew")
          ->type_name("FILE");
  add_point(command, a.point);
  command.get_option("--k")->description(
      "Keep the k largest positive latents [64, or as trained where a model has\nneither levels nor all "
      "positive latents]");
  add_coding(command, a.coding);
  for (const auto* name : {"--k", "--level", "--all", "--codes", "--candidates"}) {
    encoded->excludes(command.get_option(name));
  }
  add_row_options(command, a.read);
  add_holdout(command, a.read, "Take only the share of the rows that 'train --holdout' holds out, e.g. 0.1");
  return data;
}

void add_names(CLI::App& command, ConceptArguments& a) {
  command
      .add_option("--names", a.names,
                  "Names of latents, as 'msae name' wrote them [RUN/names.json if it is there]")
      ->type_name("FILE");
}

void add_labels(CLI::App& command, ConceptArguments& a) {
  auto* labels =
      command
          .add_option("--labels", a.labels,
                      "Names of the rows, to be shown: file.h5:/path (strings or integers), or a text file\n"
                      "with a line for every row of DATA")
          ->type_name("FILE");
  command
      .add_option("--label-names", a.label_names,
                  "What labels that are numbers, from 0, stand for: file.h5:/path, or a text file")
      ->type_name("FILE")
      ->needs(labels);
}

std::int64_t ConceptData::place_of(std::int64_t number, const std::string& option) const {
  std::int64_t first = 0, last = rows->rows();  // numbers ascend
  while (first < last) {
    const auto middle = first + (last - first) / 2;
    if (rows->original_row(middle) < number) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == rows->rows() || rows->original_row(first) != number) refuse_row(*this, number, option);
  return first;
}

std::string ConceptData::label_of(std::int64_t place) const {
  return labels.empty() ? "" : labels[static_cast<std::size_t>(number_of(place))];
}

models::OperatingPoint concept_point(const ConceptArguments& a, const models::SparseAutoencoder& model) {
  if (!a.encoded.empty()) {
    const auto label = concepts::point_of_codes(a.encoded);
    return label.empty() ? concepts::usual_point(model) : point_labelled(label, model, a.encoded);
  }
  return a.point.any() ? point_of(a.point, model, a.run) : concepts::usual_point(model);
}

ConceptData read_concept_data(const ConceptArguments& a, models::SparseAutoencoder& model) {
  const auto point = concept_point(a, model);
  const auto coding = a.encoded.empty() ? coding_of(a.coding) : concepts::coding_of_codes(a.encoded);
  say_how_rows_were_read(a.run, a.data, a.read, a.common, false);
  const auto prepared = open_data(a.data, a.read, a.common);
  ConceptData data{.rows = prepared.evaluated(), .point = point, .coding = coding, .codes = {}};
  data.labels = read_row_labels(a, *data.rows);
  data.codes = a.encoded.empty() ? encode_with_bar(a, model, *data.rows, point, coding)
                                 : read_matching_codes(a, model, *data.rows);
  return data;
}

std::vector<concepts::HierarchyNode> find_hierarchy_with_bar(const models::SparseAutoencoder& model,
                                                             const concepts::Codes& codes,
                                                             const concepts::HierarchyOptions& options,
                                                             const Common& common) {
  ProgressBar bar(!common.quiet);
  auto tree = concepts::find_hierarchy(model.decoder, codes, options, [&](double share) {
    if (interrupted()) throw Error("interrupted while looking for the hierarchy; nothing was written");
    if (share < 1) bar.update(share, "looking for the hierarchy");
  });
  bar.clear();
  return tree;
}

std::string usual_names_file(const std::string& run) {
  std::error_code ignored;
  const std::filesystem::path folder = run;
  return std::filesystem::is_directory(folder, ignored) ? (folder / concepts::names_file).string() : "";
}

std::optional<concepts::Names> read_concept_names(const ConceptArguments& a,
                                                  const models::SparseAutoencoder& model) {
  if (!a.names.empty()) return concepts::read_names(a.names, model);
  const auto usual = usual_names_file(a.run);
  std::error_code ignored;
  if (usual.empty() || !std::filesystem::exists(usual, ignored)) return {};
  return concepts::read_names(usual, model);
}

std::string words_file(const std::string& vocabulary, const std::string& words) {
  return words.empty() ? data::split_name(vocabulary).file + ":/words" : words;
}

concepts::Vocabulary read_words(const std::string& vocabulary, const std::string& words,
                                const models::SparseAutoencoder& model) {
  auto read = concepts::read_vocabulary(vocabulary, words_file(vocabulary, words));
  if (read.embeddings.size(1) == model.dim()) return read;
  throw std::invalid_argument("--vocab: " + vocabulary + " has dimension " +
                              std::to_string(read.embeddings.size(1)) + " but the model's is " +
                              std::to_string(model.dim()));
}

torch::Tensor active_latents(const std::vector<concepts::LatentProfile>& profiles) {
  auto active = torch::zeros({static_cast<std::int64_t>(profiles.size())}, torch::kBool);
  for (std::size_t i = 0; i < profiles.size(); ++i)
    active[static_cast<std::int64_t>(i)] = profiles[i].rows > 0;
  return active;
}

std::vector<std::string> files_read(const ConceptArguments& a, const std::vector<std::string>& more) {
  std::vector<std::string> files{a.run, a.names.empty() ? usual_names_file(a.run) : a.names, a.encoded};
  for (const auto& name : {a.data, a.labels, a.label_names}) files.push_back(data::split_name(name).file);
  for (const auto& name : more) files.push_back(data::split_name(name).file);
  return files;
}

std::string latent_name(const concepts::Names* names, std::int64_t latent) {
  const auto* name = names ? &names->of[static_cast<std::size_t>(latent)] : nullptr;
  return name && !name->empty() ? printable(*name) : "latent " + std::to_string(latent);
}

std::string latent_label(const concepts::Names* names, std::int64_t latent) {
  auto name = latent_name(names, latent);
  if (!names || names->latents(names->of[static_cast<std::size_t>(latent)]).size() < 2) return name;
  return name + " #" + std::to_string(latent);
}

nlohmann::ordered_json name_or_null(const concepts::Names* names, std::int64_t latent) {
  if (!names || names->of[static_cast<std::size_t>(latent)].empty()) return nullptr;
  return printable(names->of[static_cast<std::size_t>(latent)]);
}

ConceptWeight parse_weight(const std::string& text, const std::string& option, double otherwise) {
  const auto equals = text.rfind('=');
  ConceptWeight result{.concept_name = text, .weight = otherwise};
  if (equals != std::string::npos) {
    result.concept_name = text.substr(0, equals);
    if (!to_number(text.substr(equals + 1), result.weight)) {
      throw std::invalid_argument(option + ": after '=' comes a number, as in dog=2, not '" +
                                  printable(text.substr(equals + 1)) + "'");
    }
  }
  if (result.concept_name.empty()) throw std::invalid_argument(option + ": names no concept: '" + text + "'");
  return result;
}

std::vector<std::int64_t> latents_of(const std::string& concept_name, const concepts::Names* names,
                                     const models::SparseAutoencoder& model, const std::string& option) {
  const std::string prefix = "latent:";
  if (concept_name.rfind(prefix, 0) == 0) {
    std::int64_t latent = -1;
    const auto* begin = concept_name.data() + prefix.size();
    const auto* end = concept_name.data() + concept_name.size();
    const auto [stop, error] = std::from_chars(begin, end, latent);
    if (error == std::errc() && stop == end && latent >= 0 && latent < model.latents()) return {latent};
    throw std::invalid_argument(
        option + ": " + printable(concept_name) +
        " is none of the latents, latent:0 to latent:" + std::to_string(model.latents() - 1));
  }
  if (!names) {
    throw std::invalid_argument(
        option +
        ": the latents of this run have no names yet; give them some by 'msae name', or "
        "say latent:17");
  }
  auto found = names->latents(concept_name);
  if (!found.empty()) return found;
  const bool is_number = concept_name.find_first_not_of("0123456789") == std::string::npos;
  if (is_number) {
    throw std::invalid_argument(option + ": no latent is named '" + concept_name +
                                "'; for the latent of that number say latent:" + concept_name);
  }
  std::string near;
  for (const auto& name : names->nearest(concept_name)) near += (near.empty() ? "" : ", ") + printable(name);
  throw std::invalid_argument(option + ": no latent is named '" + printable(concept_name) + "'" +
                              (near.empty() ? "; none has a name" : "; there are " + near));
}

}  // namespace msae::cli
