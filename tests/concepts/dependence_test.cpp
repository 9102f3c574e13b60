// What a classifier of an attribute loses with some concepts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "concepts/small_codes.h"
#include "msae/concepts/bias.h"
#include "msae/eval/probe.h"
#include "support/error_of.h"
#include "support/tensors.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::place;
using testing::HasSubstr;

using Attribute = std::vector<std::uint8_t>;

/// Rows that are made of latents, and noise: latent 0 is the attribute, latent 4 is on no row.
struct PlantedAttribute {
  static constexpr std::int64_t rows = 300, latents = 8, dim = 12;
  torch::Tensor dictionary, embeddings;
  Codes codes;
  Attribute flags;

  explicit PlantedAttribute(bool also_in_one = false) {
    dictionary =
        torch::eye(dim).slice(0, 0, latents) * 0.5 + test::random({latents, dim}, 1, torch::kFloat32) * 0.05;
    data::Random random(5);
    auto z = torch::zeros({rows, latents});
    auto at = z.accessor<float, 2>();
    for (std::int64_t row = 0; row < rows; ++row) {
      flags.push_back(random.uniform() < 0.4);
      for (std::int64_t latent = 1; latent < latents; ++latent) {
        if (latent != 4 && random.uniform() < 0.5)
          at[row][latent] = static_cast<float>(0.5 + random.uniform());
      }
      if (flags.back()) at[row][0] = static_cast<float>(2 + random.uniform());
      if (also_in_one) at[row][1] = flags.back() ? 2 : 0;
    }
    codes = test::codes_of(z);
    embeddings = z.mm(dictionary) + test::random({rows, dim}, 2, torch::kFloat32) * 0.1;
  }

  Dependence study(const std::vector<std::int64_t>& removed, const DependenceOptions& options = {}) const {
    return attribute_dependence(embeddings, codes, dictionary, flags, removed, options);
  }
};

TEST(AttributeDependence, IsLostWithTheLatentThatCarriesTheAttribute) {
  const PlantedAttribute planted;
  const auto found = planted.study({0});
  EXPECT_GT(found.auc, 0.99);
  EXPECT_NEAR(found.steered, 0.5, 0.12) << "three standard errors of an area by chance are 0.10";
  EXPECT_NEAR(found.retrained, 0.5, 0.12);
  const auto kept = planted.study({2, 3});
  EXPECT_GT(kept.steered, 0.95);
  EXPECT_GT(kept.retrained, 0.99);
  EXPECT_EQ(kept.auc, found.auc);
}

TEST(AttributeDependence, IsRegainedByTrainingWhereAnotherLatentTellsIt) {
  const PlantedAttribute planted(/*also_in_one=*/true);
  const auto found = planted.study({0});
  EXPECT_GT(found.retrained, 0.99);
  EXPECT_NEAR(planted.study({0, 1}).retrained, 0.5, 0.12);
  EXPECT_LE(found.steered, found.auc);
}

TEST(AttributeDependence, OfNothingRemovedIsNone) {
  const PlantedAttribute planted;
  const auto found = planted.study({});
  EXPECT_EQ(found.steered, found.auc);
  EXPECT_EQ(found.retrained, found.auc);
  const auto inactive = planted.study({4});
  EXPECT_EQ(inactive.steered, found.auc);
  ASSERT_EQ(found.without.size(), 8u);
  EXPECT_EQ(found.without[4], found.auc);
}

/// The folds: dealt out by turns within both groups, in an order drawn by the seed.
torch::Tensor plain_folds(const Attribute& flags, std::int64_t count, std::uint64_t seed) {
  const auto order =
      torch::randperm(static_cast<std::int64_t>(flags.size()), at::detail::createCPUGenerator(seed));
  auto folds = torch::zeros({static_cast<std::int64_t>(flags.size())}, torch::kInt64);
  std::int64_t dealt[2] = {0, 0};
  for (std::int64_t i = 0; i < order.numel(); ++i) {
    const auto row = order[i].item<std::int64_t>();
    folds[row] = dealt[flags[place(row)]]++ % count;
  }
  return folds;
}

/// Each row scored by the classifier of the other folds: fitted to `seen`, asked about `asked`.
double plain_dependence(const torch::Tensor& seen, const torch::Tensor& asked, const Attribute& flags,
                        const DependenceOptions& options) {
  const auto folds = plain_folds(flags, options.folds, options.seed);
  const auto labels = torch::tensor(std::vector<std::int64_t>(flags.begin(), flags.end()));
  std::vector<double> scores(flags.size());
  for (std::int64_t fold = 0; fold < options.folds; ++fold) {
    const auto others = folds != fold;
    const auto probe = eval::fit_probe(seen.index({others}), labels.index({others}), {.l2 = options.l2});
    for (std::int64_t row = 0; row < asked.size(0); ++row) {
      if (folds[row].item<std::int64_t>() != fold) continue;
      const auto unit = asked[row] / asked[row].norm();
      scores[place(row)] =
          ((probe.weight[1] - probe.weight[0]).dot(unit) + probe.bias[1] - probe.bias[0]).item<double>();
    }
  }
  return area_under_roc(scores, flags);
}

// 300 rows have 21,600 pairs: a pair that rounding or the fit's tolerance turns round is 5e-5.
TEST(AttributeDependence, IsThatOfClassifiersFittedToTheOtherFolds) {
  const PlantedAttribute planted;
  const auto x = planted.embeddings.to(torch::kFloat64),
             z = test::dense_of(planted.codes).to(torch::kFloat64);
  const auto d = planted.dictionary.to(torch::kFloat64);
  const auto poorer_by = [&](const std::vector<std::int64_t>& latents) {
    auto rows = x.clone();
    for (const auto latent : latents) rows -= z.select(1, latent).unsqueeze(1) * d[latent];
    return rows;
  };
  for (const DependenceOptions& options :
       {DependenceOptions{}, DependenceOptions{.folds = 3, .l2 = 0.1, .seed = 9}}) {
    const auto found = planted.study({0, 5, 6}, options);
    const auto poorer = poorer_by({0, 5, 6});
    EXPECT_NEAR(found.auc, plain_dependence(x, x, planted.flags, options), 2e-4);
    EXPECT_NEAR(found.steered, plain_dependence(x, poorer, planted.flags, options), 2e-4);
    EXPECT_NEAR(found.retrained, plain_dependence(poorer, poorer, planted.flags, options), 2e-4);
    for (const std::int64_t latent : {0, 1, 4, 7}) {
      EXPECT_NEAR(found.without[place(latent)],
                  plain_dependence(x, poorer_by({latent}), planted.flags, options), 2e-4);
      EXPECT_NEAR(found.without[place(latent)], planted.study({latent}, options).steered, 1e-4);
    }
  }
}

TEST(AttributeDependence, TakesEveryFoldThatGroupsHaveRowsFor) {
  const auto dense = torch::tensor({{1.0, 0.0}, {0.0, 1.0}, {1.0, 0.0}, {0.0, 1.0}});
  const auto codes = test::codes_of(dense);
  std::vector<double> shares;
  const auto found = attribute_dependence(dense, codes, torch::eye(2), Attribute{1, 0, 1, 0}, {0},
                                          {.folds = 2}, [&](double share) { shares.push_back(share); });
  EXPECT_EQ(found.auc, 1);
  EXPECT_EQ(shares, (std::vector<double>{0.5, 1}));
}

TEST(AttributeDependence, RefusesTheImpossible) {
  const PlantedAttribute planted;
  const auto said = [&](const std::vector<std::int64_t>& removed, const DependenceOptions& options = {}) {
    return error_of<std::invalid_argument>([&] { planted.study(removed, options); });
  };
  EXPECT_THAT(said({8}), HasSubstr("removed: there is no latent 8"));
  EXPECT_THAT(said({-1}), HasSubstr("removed: there is no latent -1"));
  EXPECT_THAT(said({0}, {.folds = 1}), HasSubstr("folds: must be at least 2, not 1"));
  EXPECT_THAT(said({0}, {.folds = 290}),
              HasSubstr("folds: a group has fewer rows than there are folds, 290"));
  for (const double l2 : {0.0, -1.0, double{NAN}}) {
    EXPECT_THAT(said({0}, {.l2 = l2}), HasSubstr("l2: must be positive, not "));
  }
  EXPECT_THAT(error_of<std::invalid_argument>([&] {
                attribute_dependence(planted.embeddings, planted.codes, planted.dictionary, Attribute(300),
                                     {});
              }),
              HasSubstr("attribute: no row has it"));
  const auto mistaken = [&](const torch::Tensor& embeddings, const torch::Tensor& dictionary) {
    return error_of<c10::Error>(
        [&] { attribute_dependence(embeddings, planted.codes, dictionary, planted.flags, {}); });
  };
  const auto& x = planted.embeddings;
  const auto& d = planted.dictionary;
  EXPECT_THAT(mistaken(x.slice(0, 1), d),
              HasSubstr("expected embeddings [300, dim] and a dictionary [8, dim]"));
  EXPECT_THAT(mistaken(x, d.slice(0, 1)), HasSubstr("got [300, 12] and [7, 12]"));
  EXPECT_THAT(mistaken(x, d.slice(1, 1)), HasSubstr("got [300, 12] and [8, 11]"));
  EXPECT_THAT(mistaken(x[0], d), HasSubstr("got [12] and"));
}

}  // namespace
}  // namespace msae::concepts
