#include "train/choice.h"

#include <gmock/gmock.h>

#include <limits>

#include "models/every_model.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

using models::Matryoshka;
using models::Ranking;
using testing::ElementsAre;

struct Awkward {
  const char* name;
  torch::Tensor pre;
};

std::vector<Awkward> awkward_batches() {
  const auto plain = test::random({rows, latents}, 11);
  return {{"plain", plain},
          {"ties", (plain * 1.5).round()},
          {"few positives", plain - 1.5},
          {"no positives", -plain.abs() - 1},
          {"one row", plain.slice(0, 0, 1)},
          {"all equal", torch::ones_like(plain)},
          {"all zero", torch::zeros_like(plain)}};
}

// Every kind with every ranking; nothing else changes a choice.
std::vector<models::SparseAutoencoderOptions> every_choice() {
  std::vector<models::SparseAutoencoderOptions> all;
  for (const auto& options : test::every_model(dim, latents)) {
    if (!options.tied && !options.normalise_rows && options.soft_cap == 0) all.push_back(options);
  }
  return all;
}

// What a choice keeps by its own account, latents that are zero anyhow left out.
torch::Tensor kept(const models::SparseAutoencoder& model, const torch::Tensor& pre, const Choice& choice,
                   std::int64_t level) {
  return (choice.level <= level).logical_and(model.passing(pre));
}

TEST(Choice, KeepsWhatTheDefinitionSaysAtEveryLevel) {
  for (const auto& options : every_choice()) {
    if (std::holds_alternative<models::JumpRelu>(options.activation)) continue;
    const auto model = random_model(options);
    for (const auto& [name, pre] : awkward_batches()) {
      const auto choice = choose(model, pre);
      // Levels that keep everything may be joined into the last one.
      ASSERT_LE(choice.count(), model.level_count());
      for (std::int64_t i = 0; i < model.level_count(); ++i) {
        const auto at = std::min(i, choice.count() - 1);
        EXPECT_TRUE(torch::equal(kept(model, pre, choice, at), naive_kept(model, pre, i)))
            << test::name(options) << ", " << name << ", level " << i;
      }
    }
  }
}

TEST(Choice, HasWeightsThatSumToOne) {
  for (const auto& options : every_choice()) {
    const auto model = random_model(options);
    for (const auto& [name, pre] : awkward_batches()) {
      const auto choice = choose(model, pre);
      EXPECT_NEAR(std::accumulate(choice.weights.begin(), choice.weights.end(), 0.0), 1, 1e-15);
      EXPECT_EQ(choice.level.scalar_type(), torch::kUInt8);
      EXPECT_EQ(choice.level.sizes(), pre.sizes());
      EXPECT_LE(choice.level.max().item<int>(), choice.count()) << test::name(options) << ", " << name;
    }
  }
}

TEST(Choice, TellsTheSmallestScoreKeptOfModelsThatChooseOverBatches) {
  for (const auto& options : every_choice()) {
    const auto model = random_model(options);
    const bool thresholds = models::chooses_over_batch(options.activation);
    for (const auto& [name, pre] : awkward_batches()) {
      const auto smallest = choose(model, pre).smallest_kept;
      ASSERT_EQ(smallest.defined(), thresholds) << test::name(options);
      if (!thresholds) continue;
      ASSERT_EQ(smallest.sizes(), model.threshold.sizes());
      const bool prefix = std::holds_alternative<models::PrefixMatryoshka>(options.activation);
      for (std::int64_t i = 0; i < smallest.size(0); ++i) {
        const auto mask = naive_kept(model, pre, prefix ? model.level_count() - 1 : i);
        double expected = std::numeric_limits<double>::infinity();
        for (std::int64_t e = 0; e < pre.numel(); ++e) {
          const double p = pre.flatten()[e].item<double>();
          if (!mask.flatten()[e].item<bool>()) continue;
          expected = std::min(expected, options.ranking == Ranking::magnitude ? std::abs(p) : p);
        }
        EXPECT_EQ(smallest[i].item<double>(), expected) << test::name(options) << ", " << name << " " << i;
      }
    }
  }
}

TEST(Choice, OfAPrefixIsTheFirstPrefixThatHoldsTheLatent) {
  const auto model = model_of(models::PrefixMatryoshka{.k = latents, .sizes = {2, 5, latents}});
  const auto choice = choose(model, torch::ones({1, latents}, torch::kFloat64));
  EXPECT_TRUE(torch::equal(choice.level[0],
                           torch::tensor({0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2}, torch::kUInt8)));
  EXPECT_EQ(choice.trained, 2) << "the whole dictionary";
}

TEST(Choice, LeavesJumpReluToItsThresholds) {
  const auto choice = choose(model_of(models::JumpRelu{}), test::random({rows, latents}, 11));
  EXPECT_EQ(choice.level.max().item<int>(), 0);
  EXPECT_THAT(choice.weights, ElementsAre(1));
}

TEST(Choice, OfAllOtherKindsTrainsTheFirstLevel) {
  for (const auto& options : every_choice()) {
    if (std::holds_alternative<models::PrefixMatryoshka>(options.activation)) continue;
    EXPECT_EQ(choose(random_model(options), test::random({rows, latents}, 11)).trained, 0);
  }
}

TEST(Choice, KeepsLevelsOverBatchesApartHoweverFewArePositive) {
  const auto model = model_of(Matryoshka{{1, 3, latents}, {}, /*batch=*/true});
  EXPECT_EQ(choose(model, -torch::ones({rows, latents}, torch::kFloat64)).count(), 3)
      << "each has a threshold to learn";
}

TEST(Collapse, JoinsLevelsThatKeepEveryPositiveLatent) {
  const auto effective = collapse({1, 3, 6, 9, 14}, {1, 1, 1, 1, 4}, 5, 14);
  EXPECT_THAT(effective.levels, ElementsAre(1, 3, 14));
  EXPECT_THAT(effective.weights, ElementsAre(1.0 / 8, 1.0 / 8, 6.0 / 8));
  EXPECT_THAT(collapse({1, 3}, {1, 1}, 5, 14).levels, ElementsAre(1, 3));
  EXPECT_THAT(collapse({1, 3}, {1, 1}, 3, 14).levels, ElementsAre(1, 14));
  EXPECT_THAT(collapse({1, 3}, {1, 1}, 0, 14).levels, ElementsAre(14));
  EXPECT_THAT(collapse({1, 3}, {1, 1}, 0, 14).weights, ElementsAre(1));
  EXPECT_THAT(collapse({1, 14}, {0, 2}, 14, 14).weights, ElementsAre(0, 1));
}

}  // namespace
}  // namespace msae::train
