#include "msae/models/activation.h"

#include <gmock/gmock.h>

#include <cmath>
#include <stdexcept>

#include "support/error_of.h"

namespace msae::models {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(DoublingLevels, EndWithAllLatents) {
  EXPECT_THAT(doubling_levels(64, 512), ElementsAre(64, 128, 256, 512));
  EXPECT_THAT(doubling_levels(64, 300), ElementsAre(64, 128, 256, 300));
  EXPECT_THAT(doubling_levels(7, 7), ElementsAre(7));
  EXPECT_THAT(doubling_levels(4, 5), ElementsAre(4, 5));
  EXPECT_THAT(error_of<std::invalid_argument>([] { doubling_levels(64, 63); }), HasSubstr("63"));
  EXPECT_THAT(error_of<std::invalid_argument>([] { doubling_levels(0, 63); }), HasSubstr("not 0"));
}

TEST(DefaultLevels, StartAtEightAndStopDoublingAt512) {
  EXPECT_THAT(default_levels(4096), ElementsAre(8, 16, 32, 64, 128, 256, 512));
  EXPECT_THAT(default_levels(513), ElementsAre(8, 16, 32, 64, 128, 256, 512));
  EXPECT_THAT(default_levels(512), ElementsAre(8, 16, 32, 64, 128, 256, 512));
  EXPECT_THAT(default_levels(20), ElementsAre(8, 16, 20));
  EXPECT_THAT(default_levels(3), ElementsAre(3));
}

TEST(TrapezoidWeights, AreTheMeanOverTheLogarithmOfK) {
  EXPECT_THAT(trapezoid_weights({8, 16, 32, 64}), ElementsAre(0.5, 1, 1, 0.5));
  EXPECT_THAT(trapezoid_weights({1, 2, 16}), ElementsAre(0.5, 2, 1.5));
  EXPECT_THAT(trapezoid_weights({16, 32}), ElementsAre(0.5, 0.5));
  EXPECT_THAT(trapezoid_weights({64}), ElementsAre(1));
}

TEST(ReverseWeights, WeighTheSparsestLevelMost) {
  EXPECT_THAT(reverse_weights(4), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(level_weights(Matryoshka{.levels = {2, 4, 8}}), ElementsAre(1, 1, 1));
  EXPECT_THAT(level_weights(Matryoshka{.levels = {2, 4}, .weights = {3, 0}}), ElementsAre(3, 0));
}

TEST(DefaultPrefixes, HalveTheDictionaryThreeTimes) {
  EXPECT_THAT(default_prefixes(4096), ElementsAre(512, 1024, 2048, 4096));
  EXPECT_THAT(default_prefixes(20), ElementsAre(2, 5, 10, 20));
  EXPECT_THAT(default_prefixes(5), ElementsAre(1, 2, 5)) << "an eighth of 5 holds none";
  EXPECT_THAT(default_prefixes(8), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(default_prefixes(1), ElementsAre(1));
  for (const std::int64_t latents : {1, 2, 3, 7, 8, 9, 100}) {
    EXPECT_NO_THROW(validate(PrefixMatryoshka{.k = 1, .sizes = default_prefixes(latents)}, latents));
  }
}

TEST(LevelWeights, AreOnePerLevelForEveryKind) {
  EXPECT_THAT(level_weights(Relu{}), ElementsAre(1));
  EXPECT_THAT(level_weights(JumpRelu{}), ElementsAre(1));
  EXPECT_THAT(level_weights(PrefixMatryoshka{.sizes = {2, 4}}), ElementsAre(1, 1));
  EXPECT_THAT(level_weights(PrefixMatryoshka{.sizes = {2, 4}, .weights = {0, 2}}), ElementsAre(0, 2));
}

TEST(LevelCount, IsThatOfLevelsOrPrefixes) {
  EXPECT_EQ(level_count(Relu{}), 1);
  EXPECT_EQ(level_count(TopK{}), 1);
  EXPECT_EQ(level_count(BatchTopK{}), 1);
  EXPECT_EQ(level_count(JumpRelu{}), 1);
  EXPECT_EQ(level_count(Matryoshka{.levels = {1, 2, 3}}), 3);
  EXPECT_EQ(level_count(Matryoshka{.levels = {1, 2}, .batch = true}), 2);
  EXPECT_EQ(level_count(PrefixMatryoshka{.sizes = {1, 2, 4, 8}}), 4);
}

TEST(ChoosesOverBatch, TellsWhichKindsHaveLearntThresholds) {
  EXPECT_TRUE(chooses_over_batch(BatchTopK{}));
  EXPECT_TRUE(chooses_over_batch(Matryoshka{.levels = {1}, .batch = true}));
  EXPECT_TRUE(chooses_over_batch(PrefixMatryoshka{}));
  EXPECT_FALSE(chooses_over_batch(Matryoshka{.levels = {1}}));
  EXPECT_FALSE(chooses_over_batch(Relu{}));
  EXPECT_FALSE(chooses_over_batch(TopK{}));
  EXPECT_FALSE(chooses_over_batch(JumpRelu{}));
}

TEST(Ranking, HasTheNameUsersType) {
  EXPECT_EQ(ranking_name(Ranking::positive), "positive");
  EXPECT_EQ(ranking_name(Ranking::value), "value");
  EXPECT_EQ(ranking_name(Ranking::magnitude), "magnitude");
  for (const auto ranking : {Ranking::positive, Ranking::value, Ranking::magnitude}) {
    EXPECT_EQ(ranking_named(ranking_name(ranking)), ranking);
  }
  for (const auto* name : {"", "Value", "abs"}) {
    EXPECT_EQ(error_of<std::invalid_argument>([&] { ranking_named(name); }),
              std::string("ranking: must be positive, value or magnitude, not ") + name);
  }
}

TEST(Activation, HasTheNameUsersType) {
  EXPECT_EQ(kind(Relu{}), "relu");
  EXPECT_EQ(kind(TopK{}), "topk");
  EXPECT_EQ(kind(BatchTopK{}), "batch-topk");
  EXPECT_EQ(kind(Matryoshka{}), "matryoshka");
  EXPECT_EQ(kind(JumpRelu{}), "jump-relu");
  EXPECT_EQ(kind(PrefixMatryoshka{}), "prefix-matryoshka");
}

TEST(Activation, RefusesWhatADictionaryCannotDo) {
  EXPECT_THAT(error_of<std::invalid_argument>([] { validate(TopK{0}, 8); }),
              HasSubstr("k: must be from 1 to the number of latents, 8, not 0"));
  EXPECT_THAT(error_of<std::invalid_argument>([] { validate(TopK{9}, 8); }), HasSubstr("not 9"));
  EXPECT_THAT(error_of<std::invalid_argument>([] { validate(BatchTopK{-3}, 8); }), HasSubstr("not -3"));
  EXPECT_THAT(error_of<std::invalid_argument>([] { validate(Matryoshka{{}}, 8); }),
              HasSubstr("at least one"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{0, 4}}, 8);
              }),
              HasSubstr("0 is the first"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 4}}, 8);
              }),
              HasSubstr("4 follows 4"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 9}}, 8);
              }),
              HasSubstr("9 is more than"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 8}, {1}}, 8);
              }),
              HasSubstr("2 levels, not 1"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 8}, {1, -1}}, 8);
              }),
              HasSubstr("not negative"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 8}, {1, NAN}}, 8);
              }),
              HasSubstr("finite"));
  EXPECT_THAT(error_of<std::invalid_argument>([] {
                validate(Matryoshka{{4, 8}, {0, 0}}, 8);
              }),
              HasSubstr("positive"));
}

TEST(Activation, RefusesThresholdsAndBandwidthsThatAreNotPositive) {
  for (const double value : {0.0, -1.0, double{NAN}, double{INFINITY}, 1e-60, 1e60}) {
    EXPECT_THAT(error_of<std::invalid_argument>([&] { validate(JumpRelu{.threshold = value}, 8); }),
                HasSubstr("threshold: must be positive and finite in float32, not "));
    EXPECT_THAT(error_of<std::invalid_argument>([&] { validate(JumpRelu{.bandwidth = value}, 8); }),
                HasSubstr("bandwidth: must be positive and finite in float32, not "));
  }
}

TEST(Activation, RefusesPrefixesThatDoNotEndWithAll) {
  const auto refusal = [](PrefixMatryoshka nested) {
    return error_of<std::invalid_argument>([&] { validate(nested, 8); });
  };
  EXPECT_EQ(refusal({.k = 2, .sizes = {2, 4}}),
            "sizes: the last one must be the number of latents, 8, not 4");
  EXPECT_THAT(refusal({.k = 2, .sizes = {}}), HasSubstr("sizes: at least one"));
  EXPECT_THAT(refusal({.k = 2, .sizes = {0, 8}}), HasSubstr("sizes: must ascend from 1 or more, but 0"));
  EXPECT_THAT(refusal({.k = 2, .sizes = {4, 4, 8}}), HasSubstr("4 follows 4"));
  EXPECT_THAT(refusal({.k = 2, .sizes = {4, 9}}), HasSubstr("sizes: 9 is more than"));
  EXPECT_THAT(refusal({.k = 0, .sizes = {8}}), HasSubstr("k: must be from 1"));
  EXPECT_THAT(refusal({.k = 9, .sizes = {8}}), HasSubstr("not 9"));
  EXPECT_THAT(refusal({.k = 2, .sizes = {4, 8}, .weights = {1}}), HasSubstr("2 levels, not 1"));
  EXPECT_THAT(refusal({.k = 2, .sizes = {4, 8}, .weights = {0, 0}}), HasSubstr("positive"));
}

TEST(Activation, AcceptsTheEdges) {
  EXPECT_NO_THROW(validate(Relu{}, 1));
  EXPECT_NO_THROW(validate(TopK{8}, 8));
  EXPECT_NO_THROW(validate(Matryoshka{{1, 8}, {0, 1}}, 8));
  EXPECT_NO_THROW(validate(Matryoshka{{1, 8}, {0, 1}, true}, 8));
  EXPECT_NO_THROW(validate(JumpRelu{}, 1));
  EXPECT_NO_THROW(validate(PrefixMatryoshka{.k = 8, .sizes = {1, 8}, .weights = {0, 1}}, 8));
  EXPECT_NO_THROW(validate(PrefixMatryoshka{.k = 1, .sizes = {1}}, 1));
}

}  // namespace
}  // namespace msae::models
