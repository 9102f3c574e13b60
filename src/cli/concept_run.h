// What subcommands that look at concepts share: a run, data, its latents, names.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/point_options.h"
#include "msae/concepts/codes.h"
#include "msae/concepts/hierarchy.h"
#include "msae/concepts/names.h"
#include "msae/concepts/profile.h"
#include "msae/concepts/vocabulary.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::cli {

struct ConceptArguments {
  Common common;
  std::string run, data, names, labels, label_names, encoded;
  PointArguments point;
  CodingArguments coding;
  data::ReadOptions read;
};

/// Adds RUN.
void add_concept_run(CLI::App& command, ConceptArguments& arguments);
/// Adds --data, how it is read, which latents are kept, who finds them, and --encoded.
CLI::Option* add_concept_data(CLI::App& command, ConceptArguments& arguments, const std::string& what_for);
/// Adds --names.
void add_names(CLI::App& command, ConceptArguments& arguments);
/// Adds --labels and --label-names.
void add_labels(CLI::App& command, ConceptArguments& arguments);

/// Data as a run sees them.
struct ConceptData {
  std::shared_ptr<data::EmbeddingSource> rows;
  models::OperatingPoint point;
  models::Coding coding;
  concepts::Codes codes;
  std::vector<std::string> labels = {};  ///< [rows in the file], or none

  /// The place among the codes of a row by its number in the file. \throws std::invalid_argument naming
  /// `option` where there is none
  std::int64_t place_of(std::int64_t number, const std::string& option) const;
  /// The number in the file of a row by its place.
  std::int64_t number_of(std::int64_t place) const { return rows->original_row(place); }
  /// A row's label; empty where there are none.
  std::string label_of(std::int64_t place) const;
};

/// The point that the options name, or the usual one of concepts.
models::OperatingPoint concept_point(const ConceptArguments& arguments,
                                     const models::SparseAutoencoder& model);
/// Encodes the data, or takes --encoded, with a progress bar. \throws msae::Error once interrupted()
ConceptData read_concept_data(const ConceptArguments& arguments, models::SparseAutoencoder& model);

/// concepts::find_hierarchy() with a progress bar. \throws msae::Error once interrupted()
std::vector<concepts::HierarchyNode> find_hierarchy_with_bar(const models::SparseAutoencoder& model,
                                                             const concepts::Codes& codes,
                                                             const concepts::HierarchyOptions& options,
                                                             const Common& common);

/// Names of --names, or those beside the run; none where there are none there.
std::optional<concepts::Names> read_concept_names(const ConceptArguments& arguments,
                                                  const models::SparseAutoencoder& model);
/// Words of --vocab and --words; empty: the data set /words beside the embeddings.
/// \throws std::invalid_argument naming --vocab, where the model has another dimension
concepts::Vocabulary read_words(const std::string& vocabulary, const std::string& words,
                                const models::SparseAutoencoder& model);
/// What --words names, or stands for.
std::string words_file(const std::string& vocabulary, const std::string& words);
/// Which latents are active on any row: [latents] bool.
torch::Tensor active_latents(const std::vector<concepts::LatentProfile>& profiles);

/// Where `msae name` puts names, and others look for them; empty where RUN is no folder.
std::string usual_names_file(const std::string& run);
/// Files that are read, the usual names and files of `more` included: what refuse_shared_files() takes.
std::vector<std::string> files_read(const ConceptArguments& arguments,
                                    const std::vector<std::string>& more = {});
/// A latent by its name, or "latent 17"; the names may be null.
std::string latent_name(const concepts::Names* names, std::int64_t latent);

/// The same with the latent's number, where other latents have that name.
std::string latent_label(const concepts::Names* names, std::int64_t latent);
/// For JSON.
nlohmann::ordered_json name_or_null(const concepts::Names* names, std::int64_t latent);

/// "dog=2": a concept and a number.
struct ConceptWeight {
  std::string concept_name;
  double weight = 1;
};
/// \param otherwise the weight of a concept without one \throws std::invalid_argument naming the option
ConceptWeight parse_weight(const std::string& text, const std::string& option, double otherwise);
/// Latents of a concept: "latent:17", or a name. \throws std::invalid_argument offering what is near
std::vector<std::int64_t> latents_of(const std::string& concept_name, const concepts::Names* names,
                                     const models::SparseAutoencoder& model, const std::string& option);

}  // namespace msae::cli
