#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "msae/data/batch_loader.h"
#include "support/embeddings.h"

namespace msae::data {
namespace {

using ::testing::ElementsAre;

TEST(Permutation, HoldsEachRowOnce) {
  auto order = permutation(10'000, 3);
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, test::ascending(10'000));
}

TEST(Permutation, IsTheOneThatTorchDraws) {
  // torch.randperm(10, generator=torch.Generator().manual_seed(42))
  EXPECT_THAT(permutation(10, 42), ElementsAre(2, 6, 1, 8, 4, 5, 0, 9, 3, 7));
}

TEST(Permutation, IsAFunctionOfTheSeed) {
  EXPECT_EQ(permutation(1000, 5), permutation(1000, 5));
  EXPECT_NE(permutation(1000, 5), permutation(1000, 6));
}

TEST(Permutation, OfNoRowsOrOneIsItself) {
  EXPECT_TRUE(permutation(0, 1).empty());
  EXPECT_THAT(permutation(1, 1), ElementsAre(0));
  EXPECT_THROW(permutation(-1, 1), std::invalid_argument);
}

}  // namespace
}  // namespace msae::data
