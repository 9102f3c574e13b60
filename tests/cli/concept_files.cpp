#include "cli/concept_files.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "msae/concepts/names.h"
#include "msae/concepts/profile.h"
#include "msae/data/source.h"
#include "msae/io/model_folder.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

const std::vector<std::string> planted_words{"dog",
                                             "snow",
                                             markup,
                                             "gr\xc3\xb6\xc3\x9f"
                                             "er",
                                             "sky",
                                             "a, \"b\" c",
                                             "tree",
                                             "Dogma"};

// Latents that many rows have, no two of them alike.
std::vector<std::int64_t> clear_latents(const models::SparseAutoencoder& model, const concepts::Codes& codes,
                                        std::size_t count) {
  const auto profiles = concepts::profiles(codes, {.top = 0});
  std::vector<std::int64_t> order(profiles.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
    const auto uneven = [&](auto i) {
      return std::abs(profiles[static_cast<std::size_t>(i)].frequency - 0.4);
    };
    return uneven(a) < uneven(b);
  });
  const auto cosines = model.decoder.mm(model.decoder.t()) /
                       (model.decoder.norm(2, 1, true) * model.decoder.norm(2, 1, true).t());
  std::vector<std::int64_t> chosen;
  for (const auto latent : order) {
    const bool unlike = std::all_of(chosen.begin(), chosen.end(), [&](auto other) {
      return std::abs(cosines[latent][other].template item<double>()) < 0.6;
    });
    if (unlike && chosen.size() < count) chosen.push_back(latent);
  }
  if (chosen.size() < count) throw std::runtime_error("the run has too few latents that are unlike");
  return chosen;
}

}  // namespace

std::shared_ptr<models::SparseAutoencoder> model_of(const Workplace& here) {
  return io::load(here / "run");
}

concepts::Codes codes_of(const Workplace& here) {
  const auto model = model_of(here);
  const auto rows = data::open((here / embeddings).string());
  return concepts::encode(*model, *rows, concepts::usual_point(*model));
}

double typical(const concepts::Codes& codes, std::int64_t latent) {
  return concepts::profiles(codes, {.top = 0})[static_cast<std::size_t>(latent)].mean;
}

bool has(const concepts::Codes& codes, std::int64_t row, std::int64_t latent) {
  const auto latents = codes.latents_of(row);
  return std::find(latents.begin(), latents.end(), latent) != latents.end();
}

Arguments with_data(const std::string& subcommand, const Arguments& more) {
  return Arguments{subcommand, "run", "--data", embeddings} + more;
}

void write_codes(const std::filesystem::path& path, std::int64_t latents,
                 const std::vector<std::map<std::int64_t, float>>& rows) {
  std::vector<std::int64_t> begin{0}, latent;
  std::vector<float> value;
  for (const auto& row : rows) {
    for (const auto& [where, how_much] : row) {
      latent.push_back(where);
      value.push_back(how_much);
    }
    begin.push_back(static_cast<std::int64_t>(latent.size()));
  }
  const std::int64_t shape[] = {static_cast<std::int64_t>(rows.size()), latents};
  Hdf5File file(path);
  file.data_set("/shape", H5T_NATIVE_INT64, {2}, shape);
  file.data_set("/indptr", H5T_NATIVE_INT64, {begin.size()}, begin.data());
  file.data_set("/indices", H5T_NATIVE_INT64, {latent.size()}, latent.data());
  file.floats("/values", {value.size()}, value);
}

void write_lines(const std::filesystem::path& file, const std::vector<std::string>& lines) {
  std::ofstream out(file);
  for (const auto& line : lines) out << line << "\n";
}

void write_strings(hid_t file, const std::string& path, const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  for (const auto& string : strings) pointers.push_back(string.c_str());
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  const hsize_t count = strings.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t set = H5Dcreate2(file, path.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data());
  H5Dclose(set);
  H5Sclose(space);
  H5Tclose(type);
}

std::map<std::string, std::int64_t> plant_words(const Workplace& here) {
  const torch::NoGradGuard no_grad;
  const auto model = model_of(here);
  const auto latents = clear_latents(*model, codes_of(here), planted_words.size());
  auto directions = model->decoder.index_select(0, torch::tensor(latents));
  directions = directions / directions.norm(2, 1, true);
  // An offset that no direction has a part of: taken away with the mean, it leaves them as they are.
  const auto basis = std::get<0>(torch::linalg_qr(directions.t()));
  auto offset = torch::linspace(1, 2, model->dim());
  offset = offset - basis.mv(basis.t().mv(offset));
  offset = offset / offset.norm();
  const auto rows = (torch::cat({directions, -directions}) * 0.4 + offset * std::sqrt(1 - 0.16)).contiguous();

  std::map<std::string, std::int64_t> planted;
  auto words = planted_words;
  for (std::size_t i = 0; i < latents.size(); ++i) {
    planted[words[i]] = latents[i];
    words.push_back("no " + words[i]);
  }
  Hdf5File file(here / "words.h5");
  const auto* values = rows.const_data_ptr<float>();
  file.floats("/embeddings", {words.size(), static_cast<hsize_t>(model->dim())},
              {values, values + rows.numel()});
  write_strings(file.id(), "/words", words);
  return planted;
}

std::map<std::string, std::int64_t> make_names(const Workplace& here) {
  const auto planted = plant_words(here);
  const auto vocabulary = concepts::read_vocabulary((here / "words.h5:/embeddings").string(),
                                                    (here / "words.h5:/words").string());
  const auto model = model_of(here);
  concepts::write_names(here / "run" / concepts::names_file, *model,
                        concepts::names_of(concepts::name_latents(model->decoder, vocabulary), vocabulary));
  std::ofstream labels(here / "labels.txt");
  for (int row = 0; row < 600; ++row) labels << label_begin << row << "\n";
  return planted;
}

std::string picture(int width, int height, unsigned char red, unsigned char green, unsigned char blue) {
  std::string bytes = "P6\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n";
  for (int i = 0; i < width * height; ++i) {
    for (const auto value : {red, green, blue}) bytes += static_cast<char>(value);
  }
  return bytes;
}

}  // namespace msae::test
