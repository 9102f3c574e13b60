/// \file
/// A Workplace whose latents can be named: words that lie where some of them point.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <hdf5.h>

#include "cli/program.h"
#include "msae/concepts/codes.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::test {

/// Where the rows are.
inline constexpr const char* embeddings = "data.h5:/embeddings";
/// A word that is markup.
inline constexpr const char* markup = "</script><img src=x onerror=alert(1)>";
/// What the label of every row begins with; its number follows.
inline constexpr const char* label_begin = "<b>&\"' ";

/// The model of `run`.
std::shared_ptr<models::SparseAutoencoder> model_of(const Workplace& here);
/// The latents of all rows at the point that concepts are looked at unless said otherwise.
concepts::Codes codes_of(const Workplace& here);
/// What a latent is like in the rows that have it: its mean.
double typical(const concepts::Codes& codes, std::int64_t latent);
bool has(const concepts::Codes& codes, std::int64_t row, std::int64_t latent);

/// Writes words.h5: /embeddings [16, 16] and /words. Eight words are rows of the run's dictionary, of latents
/// active on many rows and unlike each other; eight more point the other way, and all share an offset that
/// outweighs them. \return the latent of each word
std::map<std::string, std::int64_t> plant_words(const Workplace& here);

/// plant_words(), run/names.json by them, labels.txt with a line a row.
std::map<std::string, std::int64_t> make_names(const Workplace& here);

/// SUBCOMMAND run --data data.h5:/embeddings, and more.
Arguments with_data(const std::string& subcommand, const Arguments& more = {});

/// Latents [rows, latents] as a file of `msae encode` holds them.
void write_codes(const std::filesystem::path& file, std::int64_t latents,
                 const std::vector<std::map<std::int64_t, float>>& rows);

void write_lines(const std::filesystem::path& file, const std::vector<std::string>& lines);

/// Strings as h5py writes them.
void write_strings(hid_t file, const std::string& path, const std::vector<std::string>& strings);

/// A picture of one colour, a PPM.
std::string picture(int width, int height, unsigned char red, unsigned char green, unsigned char blue);

}  // namespace msae::test
