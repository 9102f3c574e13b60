#include "msae/concepts/naming.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "concepts/unit.h"
#include "data/random.h"
#include "eval/assignment.h"
#include "msae/core/memory.h"

namespace msae::concepts {
namespace {

constexpr std::int64_t rounds = 4;  // of each kind of nonsense
constexpr std::int64_t fewest_random = 2048, most_rows = 4096;
constexpr std::int64_t block_values = std::int64_t{1} << 24;  // of cosines at a time

// Calls `use(first, cosines [count, words])` for blocks of unit rows.
template <typename Use>
void for_cosines(const torch::Tensor& rows, const torch::Tensor& words, Use use) {
  const auto step = std::max<std::int64_t>(1, block_values / words.size(0));
  const auto across = words.t();
  for (std::int64_t first = 0; first < rows.size(0); first += step) {
    use(first, rows.slice(0, first, std::min(first + step, rows.size(0))).mm(across));
  }
}

// [rows], cosine of the nearest word.
torch::Tensor best_cosines(const torch::Tensor& rows, const torch::Tensor& words) {
  std::vector<torch::Tensor> best{torch::empty({0})};
  for_cosines(rows, words, [&](std::int64_t, const torch::Tensor& cosines) {
    best.push_back(std::get<0>(cosines.max(1)));
  });
  return torch::cat(best);
}

/// Directions without meaning: drawn by a generator of its own for each round, so that no two are alike.
class Nonsense {
 public:
  Nonsense(torch::Tensor rows, torch::Tensor words, std::uint64_t seed)
      : rows_(std::move(rows)), words_(std::move(words)), seed_(seed) {}

  torch::Tensor of_random_rows(std::int64_t round, std::int64_t count) const {
    auto generator = generator_of(2 * round);
    return best_cosines(unit(torch::empty({count, words_.size(1)}).normal_(0, 1, generator)), words_);
  }

  torch::Tensor of_shuffled_words(std::int64_t round) const {
    auto generator = generator_of(2 * round + 1);
    const auto order =
        torch::empty(words_.sizes()).uniform_(0, 1, generator).argsort(/*stable=*/true, /*dim=*/0);
    return best_cosines(sample(), unit(words_.gather(0, order)));
  }

  // Evenly spaced, where there are too many.
  torch::Tensor sample() const {
    if (rows_.size(0) <= most_rows) return rows_;
    return rows_.index_select(0, (torch::arange(most_rows) * rows_.size(0)).div(most_rows, "floor"));
  }

 private:
  at::Generator generator_of(std::int64_t which) const {
    return at::detail::createCPUGenerator(data::mix(seed_, static_cast<std::uint64_t>(which)));
  }

  torch::Tensor rows_, words_;
  std::uint64_t seed_;
};

// The least value that no more than `chance` of the values reach.
double upper_quantile(const torch::Tensor& values, double chance) {
  const auto sorted = std::get<0>(values.sort(0, /*descending=*/true));
  const auto allowed = static_cast<std::int64_t>(std::floor(chance * static_cast<double>(values.numel())));
  const auto value = sorted[std::min(allowed, values.numel() - 1)].item<float>();
  return std::nextafter(value, INFINITY);
}

double calibrate(const Nonsense& nonsense, std::int64_t random_rows, double chance) {
  double threshold = 0;
  for (std::int64_t round = 0; round < rounds; ++round) {
    threshold = std::max({threshold, upper_quantile(nonsense.of_random_rows(round, random_rows), chance),
                          upper_quantile(nonsense.of_shuffled_words(round), chance)});
  }
  return threshold;
}

std::int64_t count_named(const torch::Tensor& cosines, double threshold, std::int64_t of) {
  const auto share = (cosines >= threshold).to(torch::kFloat64).mean().item<double>();
  return std::llround(share * static_cast<double>(of));
}

// The best words of all latents.
std::vector<LatentName> best_words(const torch::Tensor& rows, const torch::Tensor& words, std::int64_t most) {
  std::vector<LatentName> names;
  const auto count = std::min(std::max<std::int64_t>(most, 2), words.size(0));
  for_cosines(rows, words, [&](std::int64_t, const torch::Tensor& cosines) {
    const auto [values, places] = cosines.topk(count, 1);
    const auto* v = values.const_data_ptr<float>();
    const auto* p = places.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < values.size(0); ++i, v += count, p += count) {
      LatentName name{.word = {}, .cosine = v[0], .margin = double{v[0]} - v[1], .best = {}};
      for (std::int64_t k = 0; k < std::min(most, count); ++k) name.best.push_back({p[k], v[k]});
      names.push_back(std::move(name));
    }
  });
  return names;
}

// Each word to the one latent that makes the sum of cosines above the threshold largest.
void assign_uniquely(Naming& naming, const torch::Tensor& rows, const torch::Tensor& words,
                     const std::vector<std::int64_t>& near) {
  if (near.empty()) return;
  const auto count = static_cast<std::int64_t>(near.size());
  const auto bytes =
      saturating_product(static_cast<std::uint64_t>(count * words.size(0)), 3 * sizeof(double));
  require_memory(bytes, "the cosines of " + std::to_string(count) + " latents and " +
                            std::to_string(words.size(0)) + " words");
  const auto cosines = rows.index_select(0, torch::tensor(near)).mm(words.t());
  auto gains = (cosines - naming.threshold).clamp_min(0).to(torch::kFloat64);
  const bool more_latents = count > words.size(0);
  if (more_latents) gains = gains.t();
  gains = gains.contiguous();
  const auto columns =
      eval::best_assignment({gains.const_data_ptr<double>(), static_cast<std::size_t>(gains.numel())},
                            gains.size(0), gains.size(1));
  const auto cosine = cosines.accessor<float, 2>();
  for (std::int64_t row = 0; row < gains.size(0); ++row) {
    const auto column = columns[static_cast<std::size_t>(row)];
    const auto latent = more_latents ? column : row, word = more_latents ? row : column;
    if (cosine[latent][word] < naming.threshold) continue;
    auto& name = naming.latents[static_cast<std::size_t>(near[static_cast<std::size_t>(latent)])];
    name.word = word;
    name.cosine = cosine[latent][word];
    if (word != name.best.front().word) name.margin = name.cosine - name.best.front().cosine;
  }
}

}  // namespace

void NamingOptions::validate() const {
  if (!(chance > 0 && chance < 1)) {
    throw std::invalid_argument("chance: must be between 0 and 1, not " + std::to_string(chance));
  }
  if (words < 1) throw std::invalid_argument("words: must be at least 1, not " + std::to_string(words));
}

Naming name_latents(const torch::Tensor& dictionary, const Vocabulary& vocabulary,
                    const NamingOptions& options, const torch::Tensor& candidate) {
  options.validate();
  TORCH_CHECK(dictionary.dim() == 2 && dictionary.size(1) == vocabulary.embeddings.size(1),
              "name_latents: expected a dictionary [latents, ", vocabulary.embeddings.size(1), "], got ",
              dictionary.sizes());
  TORCH_CHECK(!candidate.defined() || (candidate.dim() == 1 && candidate.size(0) == dictionary.size(0)),
              "name_latents: expected a candidate flag for each of ", dictionary.size(0), " latents, got ",
              candidate.sizes());
  const torch::NoGradGuard no_grad;
  const auto rows = unit(dictionary.detach().to(torch::kCPU, torch::kFloat32));
  const auto words = vocabulary.directions();
  const auto chosen = candidate.defined() ? candidate.to(torch::kCPU, torch::kBool).nonzero().flatten()
                                          : torch::arange(rows.size(0));
  Naming naming{.latents = best_words(rows, words, options.words), .candidates = chosen.size(0)};
  if (naming.candidates == 0) return naming;

  const Nonsense nonsense(rows.index_select(0, chosen), words, options.seed);
  const auto random_rows = std::clamp(naming.candidates, fewest_random, most_rows);
  naming.threshold = calibrate(nonsense, random_rows, options.chance);
  naming.random_named =
      count_named(nonsense.of_random_rows(rounds, random_rows), naming.threshold, naming.candidates);
  naming.shuffled_named =
      count_named(nonsense.of_shuffled_words(rounds), naming.threshold, naming.candidates);

  std::vector<std::int64_t> near;
  for (std::int64_t i = 0; i < naming.candidates; ++i) {
    const auto latent = chosen[i].item<std::int64_t>();
    auto& name = naming.latents[static_cast<std::size_t>(latent)];
    if (name.cosine < naming.threshold) continue;
    near.push_back(latent);
    if (!options.unique) name.word = name.best.front().word;
  }
  if (options.unique) assign_uniquely(naming, rows, words, near);
  naming.named = std::count_if(naming.latents.begin(), naming.latents.end(),
                               [](const auto& name) { return name.word.has_value(); });
  return naming;
}

}  // namespace msae::concepts
