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
  EXPECT_THAT(default_levels(4096), ElementsAre(8, 16, 32, 64, 128, 256, 512, 4096));
  EXPECT_THAT(default_levels(512), ElementsAre(8, 16, 32, 64, 128, 256, 512));
  EXPECT_THAT(default_levels(20), ElementsAre(8, 16, 20));
  EXPECT_THAT(default_levels(3), ElementsAre(3));
}

TEST(ReverseWeights, WeighTheSparsestLevelMost) {
  EXPECT_THAT(reverse_weights(4), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(level_weights(Matryoshka{.levels = {2, 4, 8}}), ElementsAre(1, 1, 1));
  EXPECT_THAT(level_weights(Matryoshka{.levels = {2, 4}, .weights = {3, 0}}), ElementsAre(3, 0));
}

TEST(Activation, HasTheNameUsersType) {
  EXPECT_EQ(kind(Relu{}), "relu");
  EXPECT_EQ(kind(TopK{}), "topk");
  EXPECT_EQ(kind(BatchTopK{}), "batch-topk");
  EXPECT_EQ(kind(Matryoshka{}), "matryoshka");
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

TEST(Activation, AcceptsTheEdges) {
  EXPECT_NO_THROW(validate(Relu{}, 1));
  EXPECT_NO_THROW(validate(TopK{8}, 8));
  EXPECT_NO_THROW(validate(Matryoshka{{1, 8}, {0, 1}}, 8));
}

}  // namespace
}  // namespace msae::models
