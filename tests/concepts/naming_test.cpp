#include "msae/concepts/naming.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::random;
using testing::HasSubstr;

constexpr std::int64_t naming_dim = 24;

torch::Tensor unit_of(const torch::Tensor& rows) {
  return rows / rows.square().sum(1, true).sqrt();
}

/// Words with random directions around a mean that outweighs them, as text has.
Vocabulary made_up_words(std::int64_t count, std::uint64_t seed, std::int64_t dim = naming_dim) {
  Vocabulary vocabulary;
  for (std::int64_t i = 0; i < count; ++i) vocabulary.words.push_back("word " + std::to_string(i));
  const auto mean = random({1, dim}, 77, torch::kFloat32) * 3;
  vocabulary.embeddings = unit_of(random({count, dim}, seed, torch::kFloat32) + mean);
  return vocabulary;
}

/// Rows that are a word's direction each, longer or shorter, and noise.
torch::Tensor planted(const Vocabulary& vocabulary, const std::vector<std::int64_t>& words, double noise,
                      std::uint64_t seed) {
  const auto rows = vocabulary.directions().index_select(0, torch::tensor(words));
  const auto size = random({rows.size(0), 1}, seed + 1, torch::kFloat32).abs() + 0.1;
  return (rows + unit_of(random(rows.sizes(), seed, torch::kFloat32)) * noise) * size;
}

std::vector<std::int64_t> every_third(std::int64_t count) {
  std::vector<std::int64_t> words;
  for (std::int64_t i = 0; i < count; ++i) words.push_back(3 * i);
  return words;
}

/// Each coordinate is dealt anew among the words: what they mean is gone, what they look like is not.
Vocabulary shuffled(const Vocabulary& vocabulary, std::uint64_t seed) {
  auto result = vocabulary;
  const auto order = random(vocabulary.embeddings.sizes(), seed).argsort(int64_t{0}, false);
  result.embeddings = unit_of(vocabulary.embeddings.gather(0, order));
  return result;
}

/// Four standard deviations more than `chance` of so many: passed by chance in one of 30,000 cases, if every
/// row were named with that chance, and the rule is to be stricter than that.
std::int64_t by_chance(std::int64_t rows, double chance) {
  const auto expected = static_cast<double>(rows) * chance;
  return static_cast<std::int64_t>(std::floor(expected + 4 * std::sqrt(expected * (1 - chance))));
}

TEST(Naming, FindsThePlantedWords) {
  const auto vocabulary = made_up_words(300, 1);
  const auto words = every_third(100);
  for (const bool unique : {false, true}) {
    const auto naming = name_latents(planted(vocabulary, words, 0.5, 2), vocabulary, {.unique = unique});
    ASSERT_EQ(naming.latents.size(), words.size());
    EXPECT_EQ(naming.candidates, 100);
    EXPECT_EQ(naming.named, 100);
    for (std::size_t i = 0; i < words.size(); ++i) {
      EXPECT_EQ(naming.latents[i].word, words[i]);
      EXPECT_GE(naming.latents[i].cosine, naming.threshold);
      EXPECT_EQ(naming.latents[i].best.size(), 5u);
    }
  }
}

TEST(Naming, LeavesMostRowsWithoutMeaningWithoutAName) {
  for (const double chance : {0.01, 0.05, 0.3}) {
    std::int64_t named = 0, rows = 0;
    for (std::uint64_t seed = 100; seed < 106; ++seed) {
      const auto naming = name_latents(random({500, naming_dim}, seed), made_up_words(150, seed + 50),
                                       {.chance = chance, .seed = seed});
      named += naming.named;
      rows += 500;
    }
    EXPECT_LE(named, by_chance(rows, chance)) << chance;
    EXPECT_GT(named, 0) << chance << ": it is a quantile, and not beyond all rows";
  }
}

TEST(Naming, LeavesMostRowsWithoutANameWhereWordsAreShuffled) {
  const auto vocabulary = made_up_words(300, 1);
  const auto rows = planted(vocabulary, every_third(100), 0.5, 2);
  std::int64_t named = 0;
  for (std::uint64_t seed = 200; seed < 212; ++seed) {
    named += name_latents(rows, shuffled(vocabulary, seed), {.seed = seed}).named;
  }
  EXPECT_LE(named, by_chance(1200, 0.05));
}

TEST(Naming, TellsHowManyNonsensicalRowsItWouldName) {
  const auto vocabulary = made_up_words(300, 1);
  std::int64_t random_named = 0, shuffled_named = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto naming = name_latents(planted(vocabulary, every_third(100), 0.5, 2), vocabulary,
                                     {.chance = 0.2, .seed = seed});
    random_named += naming.random_named;
    shuffled_named += naming.shuffled_named;
  }
  EXPECT_LE(random_named, by_chance(500, 0.2));
  EXPECT_LE(shuffled_named, by_chance(500, 0.2));
  EXPECT_GT(random_named + shuffled_named, 0);
}

// Words differ in their first coordinates mostly. Rows of just these look like words by what coordinates are
// like, and so random rows are no measure; rows of the others look less like words than random ones do.
TEST(Naming, HoldsAgainstBothKindsOfNonsense) {
  auto vocabulary = made_up_words(200, 1);
  auto size = torch::ones({naming_dim});
  size.slice(0, 0, 4).fill_(6);
  vocabulary.embeddings = unit_of(random({200, naming_dim}, 3, torch::kFloat32) * size);
  for (const bool first : {false, true}) {
    auto rows = random({500, naming_dim}, 4, torch::kFloat32);
    (first ? rows.slice(1, 4) : rows.slice(1, 0, 4)).mul_(0.05);
    const auto naming = name_latents(rows, vocabulary);
    EXPECT_LE(naming.random_named, by_chance(500, 0.05)) << first;
    EXPECT_LE(naming.shuffled_named, by_chance(500, 0.05)) << first;
    EXPECT_LE(naming.named, by_chance(500, 0.05)) << first;
  }
}

TEST(Naming, OfMoreRowsThanAreCalibratedAtATime) {
  const auto naming = name_latents(random({4500, 8}, 3), made_up_words(30, 4, 8));
  EXPECT_EQ(naming.latents.size(), 4500u);
  EXPECT_LE(naming.named, by_chance(4500, 0.05));
  EXPECT_LE(naming.random_named, by_chance(4500, 0.05));
}

TEST(Naming, RanksWordsByCosine) {
  const auto dictionary = random({31, naming_dim}, 5) * 9;
  for (const std::int64_t count : {2, 3, 17, 150}) {
    const auto vocabulary = made_up_words(count, 6);
    const auto cosines =
        unit_of(dictionary).mm(unit_of(vocabulary.directions().to(torch::kFloat64)).t());  // [31, count]
    for (const std::int64_t words : {1, 2, 5, 1000}) {
      const auto naming = name_latents(dictionary, vocabulary, {.words = words});
      for (std::int64_t i = 0; i < 31; ++i) {
        const auto [sorted, place] = cosines[i].sort(0, /*descending=*/true);
        const auto& found = naming.latents[static_cast<std::size_t>(i)];
        ASSERT_EQ(static_cast<std::int64_t>(found.best.size()), std::min(words, count));
        for (std::int64_t k = 0; k < std::min(words, count); ++k) {
          const auto& [word, cosine] = found.best[static_cast<std::size_t>(k)];
          EXPECT_EQ(word, place[k].item<std::int64_t>());
          EXPECT_NEAR(cosine, sorted[k].item<double>(), 1e-5);
        }
        EXPECT_NEAR(found.margin, (sorted[0] - sorted[1]).item<double>(), 1e-5);
        EXPECT_EQ(found.cosine, found.best[0].cosine);
        EXPECT_EQ(found.word.has_value(), found.cosine >= naming.threshold);
        if (found.word) {
          EXPECT_EQ(*found.word, found.best[0].word);
        }
      }
    }
  }
}

/// The largest sum of what cosines [latents, words] exceed the threshold by, no word twice, of all
/// assignments.
double best_gain(const torch::Tensor& cosines, double threshold, std::int64_t latent,
                 std::set<std::int64_t> taken) {
  if (latent == cosines.size(0)) return 0;
  auto best = best_gain(cosines, threshold, latent + 1, taken);
  for (std::int64_t word = 0; word < cosines.size(1); ++word) {
    const auto gain = cosines[latent][word].item<double>() - threshold;
    if (gain <= 0 || taken.count(word)) continue;
    auto more = taken;
    more.insert(word);
    best = std::max(best, gain + best_gain(cosines, threshold, latent + 1, more));
  }
  return best;
}

TEST(Naming, UniquelyIsTheBestOfAllAssignments) {
  std::int64_t contested = 0, named = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto latents = static_cast<std::int64_t>(1 + seed % 5),
               words = static_cast<std::int64_t>(2 + seed % 4);
    const auto vocabulary = made_up_words(words, seed, 6);
    std::vector<std::int64_t> near(static_cast<std::size_t>(latents));
    for (std::size_t i = 0; i < near.size(); ++i) near[i] = static_cast<std::int64_t>((seed + i) / 2) % 2;
    const auto dictionary = planted(vocabulary, near, 1.2, seed);
    const auto naming = name_latents(dictionary, vocabulary, {.chance = 0.95, .unique = true});
    const auto freely = name_latents(dictionary, vocabulary, {.chance = 0.95});
    EXPECT_EQ(naming.threshold, freely.threshold);

    const auto cosines =
        unit_of(dictionary.to(torch::kFloat64)).mm(unit_of(vocabulary.directions().to(torch::kFloat64)).t());
    std::set<std::int64_t> used, wanted;
    double gain = 0;
    std::int64_t count = 0, free_count = 0;
    for (std::size_t i = 0; i < naming.latents.size(); ++i) {
      const auto& name = naming.latents[i];
      const auto& best = freely.latents[i].best.front();
      const bool has_best = !name.word || *name.word == best.word;
      EXPECT_EQ(name.margin, has_best ? freely.latents[i].margin : name.cosine - best.cosine);
      if (const auto& word = freely.latents[i].word) {
        wanted.insert(*word);
        ++free_count;
      }
      if (!name.word) {
        EXPECT_EQ(name.cosine, freely.latents[i].cosine);
        continue;
      }
      ++count;
      EXPECT_TRUE(used.insert(*name.word).second) << "twice";
      const auto cosine = cosines[static_cast<std::int64_t>(i)][*name.word].item<double>();
      EXPECT_NEAR(name.cosine, cosine, 1e-5);
      EXPECT_GE(name.cosine, naming.threshold);
      gain += cosine - naming.threshold;
    }
    EXPECT_NEAR(gain, best_gain(cosines, naming.threshold, 0, {}), 1e-5) << seed;
    EXPECT_EQ(naming.named, count);
    EXPECT_EQ(freely.named, free_count);
    contested += static_cast<std::int64_t>(wanted.size()) < free_count;
    named += count;
  }
  EXPECT_GT(contested, 10) << "words that two latents want";
  EXPECT_GT(named, 40);
}

TEST(Naming, ConsidersCandidatesAlone) {
  const auto vocabulary = made_up_words(300, 1);
  const auto rows = planted(vocabulary, every_third(60), 0.4, 2);
  const auto all = name_latents(rows, vocabulary);
  for (const auto type : {torch::kBool, torch::kUInt8}) {
    const auto chosen = (torch::arange(60) % 4 == 1).to(type);
    const auto some = name_latents(rows, vocabulary, {}, chosen);
    EXPECT_EQ(some.candidates, 15);
    EXPECT_EQ(some.named, 15);
    EXPECT_LE(some.random_named, 15);
    for (std::size_t i = 0; i < 60; ++i) {
      EXPECT_EQ(some.latents[i].word.has_value(), i % 4 == 1);
      EXPECT_EQ(some.latents[i].best[0].word, all.latents[i].best[0].word) << "told all the same";
    }
  }
  const auto none = name_latents(rows, vocabulary, {.unique = true}, torch::zeros({60}, torch::kBool));
  EXPECT_EQ(none.candidates, 0);
  EXPECT_EQ(none.named, 0);
  EXPECT_EQ(none.random_named + none.shuffled_named, 0);
  EXPECT_EQ(none.latents.size(), 60u);
  EXPECT_EQ(name_latents(rows.slice(0, 0, 0), vocabulary).latents.size(), 0u);
}

TEST(Naming, GivesNoNameToWhatHasNoDirection) {
  const auto vocabulary = made_up_words(20, 1);
  auto rows = planted(vocabulary, {3, 5, 7}, 0.1, 2);
  rows[1].zero_();
  for (const double chance : {0.05, 0.999}) {
    const auto naming = name_latents(rows, vocabulary, {.chance = chance});
    EXPECT_FALSE(naming.latents[1].word.has_value()) << chance;
    EXPECT_EQ(naming.latents[1].cosine, 0) << chance;
  }
  auto same = vocabulary;
  same.embeddings = vocabulary.embeddings.slice(0, 0, 1).expand({20, naming_dim}) * 0 + 0.25;
  EXPECT_EQ(name_latents(rows, same).named, 0) << "words that are all alike";
}

TEST(Naming, IsTheSameOfTheSameSeed) {
  const auto vocabulary = made_up_words(50, 1);
  const auto rows = random({80, naming_dim}, 8);
  const auto threshold = [&](std::uint64_t seed) {
    return name_latents(rows, vocabulary, {.seed = seed}).threshold;
  };
  const auto first = threshold(1);
  EXPECT_EQ(threshold(1), first);
  EXPECT_NE(threshold(2), first);
  EXPECT_NEAR(threshold(2), first, 0.1);
  const test::Threads three(3);
  EXPECT_NEAR(threshold(1), first, 1e-5);
}

TEST(Naming, TakesRowsOfAnyType) {
  const auto vocabulary = made_up_words(50, 1);
  auto rows = planted(vocabulary, {1, 2, 40}, 0.2, 3);
  const auto expected = name_latents(rows, vocabulary);
  const auto wide = name_latents(rows.to(torch::kFloat64).requires_grad_(), vocabulary);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(wide.latents[i].word, expected.latents[i].word);
}

TEST(Naming, RefusesTheImpossible) {
  const auto vocabulary = made_up_words(20, 1);
  const auto rows = random({4, naming_dim}, 2);
  const auto said = [&](const NamingOptions& options) {
    return error_of<std::invalid_argument>([&] { name_latents(rows, vocabulary, options); });
  };
  for (const double chance : {0.0, 1.0, -0.5, 2.0, double{NAN}}) {
    EXPECT_THAT(said({.chance = chance}), HasSubstr("chance: must be between 0 and 1, not "));
  }
  EXPECT_THAT(said({.words = 0}), HasSubstr("words: must be at least 1, not 0"));

  const auto mistaken = [&](const torch::Tensor& dictionary, const torch::Tensor& candidate = {}) {
    return error_of<c10::Error>([&] { name_latents(dictionary, vocabulary, {}, candidate); });
  };
  EXPECT_THAT(mistaken(random({4, 23}, 1)), HasSubstr("expected a dictionary [latents, 24], got [4, 23]"));
  EXPECT_THAT(mistaken(random({24}, 1)), HasSubstr("got [24]"));
  EXPECT_THAT(mistaken(rows, torch::ones({5})), HasSubstr("a candidate flag for each of 4 latents, got [5]"));
  EXPECT_THAT(mistaken(rows, torch::ones({4, 1})), HasSubstr("got [4, 1]"));
}

}  // namespace
}  // namespace msae::concepts
