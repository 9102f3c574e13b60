#include "msae/concepts/vocabulary.h"

#include <span>
#include <unordered_map>

#include "concepts/unit.h"
#include "concepts/utf8.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/data/labels.h"
#include "msae/data/source.h"

namespace msae::concepts {
namespace {

void check_words(const std::vector<std::string>& words, const std::string& name) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].empty()) throw IoError(name + ": word " + std::to_string(i) + " (from 0) is empty");
    if (!is_utf8(words[i])) throw IoError(name + ": word " + std::to_string(i) + " (from 0) is not UTF-8");
  }
}

torch::Tensor read_rows(data::EmbeddingSource& source) {
  const auto values =
      saturating_product(static_cast<std::uint64_t>(source.rows()), static_cast<std::uint64_t>(source.dim()));
  require_memory(saturating_product(values, 3 * sizeof(float)), "the vocabulary " + source.name());
  auto rows = torch::empty({source.rows(), source.dim()}, torch::kFloat32);
  source.read(0, source.rows(), {rows.mutable_data_ptr<float>(), static_cast<std::size_t>(rows.numel())});
  return rows;
}

void check_rows(const torch::Tensor& rows, const data::EmbeddingSource& source) {
  const auto zero = (rows == 0).all(1).nonzero();
  if (zero.numel() == 0) return;
  throw IoError(source.name() + ": " + source.row_name(zero[0].item<std::int64_t>()) +
                " is zero; a word needs a direction");
}

}  // namespace

torch::Tensor Vocabulary::directions() const {
  return unit(embeddings - embeddings.mean(0, /*keepdim=*/true));
}

Vocabulary read_vocabulary(const std::string& embeddings, const std::string& words) {
  const auto source = data::open(embeddings);
  const auto all = data::read_labels(words);
  if (static_cast<std::int64_t>(all.size()) != source->rows()) {
    throw IoError(words + " holds " + std::to_string(all.size()) + " words, but " + source->name() + " has " +
                  std::to_string(source->rows()) + " rows; one word a row");
  }
  check_words(all, words);
  const auto rows = read_rows(*source);
  check_rows(rows, *source);

  Vocabulary vocabulary;
  std::unordered_map<std::string, std::int64_t> places;
  std::vector<std::int64_t> place;
  for (const auto& word : all) {
    const auto [found, is_new] = places.emplace(word, static_cast<std::int64_t>(vocabulary.words.size()));
    if (is_new) vocabulary.words.push_back(word);
    place.push_back(found->second);
  }
  const auto count = static_cast<std::int64_t>(vocabulary.words.size());
  if (count < 2) throw IoError(words + ": names need at least two different words");
  vocabulary.repeated = source->rows() - count;
  const auto sums = torch::zeros({count, source->dim()}).index_add_(0, torch::tensor(place), unit(rows));
  if (const auto zero = (sums == 0).all(1).nonzero(); zero.numel() > 0) {
    throw IoError(source->name() + ": the rows of '" +
                  vocabulary.words[static_cast<std::size_t>(zero[0].item<std::int64_t>())] +
                  "' cancel each other out; a word needs a direction");
  }
  vocabulary.embeddings = unit(sums);
  return vocabulary;
}

}  // namespace msae::concepts
