// The order of rows of a source that is larger than memory.
#include "data/pool_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "data/epoch_order.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/data/batch_loader.h"
#include "support/embeddings.h"
#include "support/error_of.h"

namespace msae::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Row i is {i}, or so many of them that nothing holds them all.
class Counted final : public EmbeddingSource {
 public:
  explicit Counted(std::int64_t rows, std::int64_t dim = 1, std::int64_t together = 1)
      : rows_(rows), dim_(dim), together_(together) {}
  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return dim_; }
  std::int64_t rows_together() const override { return together_; }
  std::string name() const override { return "counted"; }

 private:
  void read_rows(std::int64_t first, std::int64_t, std::span<float> out) override {
    std::iota(out.begin(), out.end(), static_cast<float>(first));
  }
  std::int64_t rows_, dim_, together_;
};

/// The plain twin of the loader's pools: what an epoch's rows are, one after the other.
std::vector<std::int64_t> whole_order(const PoolOrder& order, std::uint64_t seed) {
  std::vector<std::int64_t> rows;
  for (std::int64_t pool = 0; pool < order.pools(); ++pool) {
    std::vector<std::int64_t> read;
    for (const auto& [first, count] : order.ranges(pool, seed)) {
      for (std::int64_t i = 0; i < count; ++i) read.push_back(first + i);
    }
    for (const auto at : order.order(pool, seed)) rows.push_back(read.at(static_cast<std::size_t>(at)));
  }
  return rows;
}

TEST(PoolOrder, HasEachRowOnceWhateverTheSizes) {
  for (const std::int64_t rows : {1, 2, 7, 103, 1000}) {
    for (const std::int64_t pool : {1, 2, 17, 102, 103, 1000}) {
      for (const std::int64_t piece : {1, 3, 16, 5000}) {
        const PoolOrder order(rows, std::min(pool, rows), piece);
        auto all = whole_order(order, 7);
        std::sort(all.begin(), all.end());
        EXPECT_EQ(all, test::ascending(rows)) << rows << " " << pool << " " << piece;
        EXPECT_EQ(order.begin(0), 0);
        EXPECT_EQ(order.begin(order.pools()), rows);
        for (std::int64_t place = 0; place < rows; ++place) {
          const auto at = order.pool_at(place);
          EXPECT_LE(order.begin(at), place);
          EXPECT_GT(order.begin(at + 1), place);
          EXPECT_LE(order.size(at), pool);
        }
      }
    }
  }
}

TEST(PoolOrder, IsWhatTheLoaderGives) {
  for (const std::int64_t pool : {1, 17, 64, 102}) {
    for (const std::int64_t batch : {1, 10, 50, 103}) {
      Counted source(103);
      const LoaderOptions options{.batch_size = batch, .seed = 5, .memory = 1, .shuffle_rows = pool};
      BatchLoader loader(source, options);
      const PoolOrder order(103, pool, piece_rows(source, pool));
      for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::int64_t> rows;
        for (std::int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
          for (const auto value : loader.next().values) rows.push_back(static_cast<std::int64_t>(value));
        }
        EXPECT_EQ(rows, whole_order(order, seed_of_epoch(options, epoch))) << pool << " " << batch;
      }
    }
  }
}

TEST(PoolOrder, DiffersFromSeedToSeed) {
  const PoolOrder order(1000, 100, 10);
  EXPECT_EQ(whole_order(order, 1), whole_order(order, 1));
  EXPECT_NE(whole_order(order, 1), whole_order(order, 2));
  EXPECT_NE(order.order(0, 1), order.order(1, 1));
  EXPECT_NE(order.ranges(0, 1), order.ranges(0, 2));
}

// Of a million rows in the order of their classes, neighbours in the order of an epoch shall be about as far
// from each other as those of a full permutation, of which the mean distance is a third of all rows; and a
// batch shall have rows of nearly as many classes.
TEST(PoolOrder, IsNearlyAsRandomAsAFullPermutation) {
  constexpr std::int64_t rows = 1'000'000, pool = 1 << 18, classes = 1000, batch = 4096;
  const Counted source(rows, 768);
  const PoolOrder order(rows, pool, piece_rows(source, pool));
  const auto pooled = whole_order(order, 3), full = permutation(rows, 3);
  const auto distance = [&](const std::vector<std::int64_t>& all) {
    double sum = 0;
    for (std::size_t i = 1; i < all.size(); ++i) sum += static_cast<double>(std::abs(all[i] - all[i - 1]));
    return sum / static_cast<double>(all.size() - 1) / static_cast<double>(rows);
  };
  EXPECT_NEAR(distance(full), 1.0 / 3, 0.002);
  EXPECT_NEAR(distance(pooled), 1.0 / 3, 0.002);
  const auto classes_in_batches = [&](const std::vector<std::int64_t>& all) {
    double sum = 0;
    for (std::int64_t first = 0; first + batch <= rows; first += batch) {
      std::vector<bool> seen(classes);
      for (std::int64_t i = first; i < first + batch; ++i) {
        seen[static_cast<std::size_t>(all[static_cast<std::size_t>(i)] / (rows / classes))] = true;
      }
      sum += static_cast<double>(std::count(seen.begin(), seen.end(), true));
    }
    return sum / std::floor(static_cast<double>(rows) / batch);
  };
  EXPECT_GT(classes_in_batches(full), 950);
  EXPECT_GT(classes_in_batches(pooled), 0.99 * classes_in_batches(full));
}

// As sizes divide here, what a pool reads is one piece of every group, in the order of the file.
TEST(PoolOrder, HasInEveryPoolOneOfThePiecesThatLieTogether) {
  constexpr std::int64_t pools = 5, piece = 4, groups = 60;
  const PoolOrder order(pools * piece * groups, piece * groups, piece);
  ASSERT_EQ(order.pools(), pools);
  std::vector<std::vector<std::int64_t>> drawn(groups);
  for (std::int64_t pool = 0; pool < pools; ++pool) {
    const auto ranges = order.ranges(pool, 11);
    ASSERT_EQ(ranges.size(), static_cast<std::size_t>(groups));
    for (std::int64_t g = 0; g < groups; ++g) {
      const auto [first, count] = ranges[static_cast<std::size_t>(g)];
      EXPECT_EQ(first / (pools * piece), g);
      EXPECT_EQ(first % piece, 0);
      EXPECT_EQ(count, piece);
      drawn[static_cast<std::size_t>(g)].push_back(first / piece % pools);
    }
  }
  std::sort(drawn.begin(), drawn.end());
  EXPECT_GT(std::unique(drawn.begin(), drawn.end()) - drawn.begin(), 30);  // of 120 orders
}

TEST(Pieces, AreSomeThousandValuesInWholeChunksAndASmallPartOfThePool) {
  EXPECT_EQ(piece_rows(Counted(1 << 20, 1024), 1 << 18), 32);
  EXPECT_EQ(piece_rows(Counted(1 << 20, 1024, 10), 1 << 18), 30);
  EXPECT_EQ(piece_rows(Counted(1 << 20, 1024, 5000), 1 << 18), 5000);
  EXPECT_EQ(piece_rows(Counted(1 << 20, 1024), 1600), 6);
  EXPECT_EQ(piece_rows(Counted(1 << 20, 1024, 5000), 1600), 1600);
  EXPECT_EQ(piece_rows(Counted(1 << 20, 5'000'000), 20), 1);
  EXPECT_EQ(piece_rows(Counted(10), 1), 1);
}

TEST(ShuffledRows, AreAllWhereTheyFit) {
  const Counted source(1000, 8);
  EXPECT_EQ(shuffled_rows(source, 32'000), all_rows);
  EXPECT_EQ(shuffled_rows(source), all_rows);
  EXPECT_THAT(
      test::error_of<std::invalid_argument>([&] { shuffled_rows(source, 31'999); }),
      HasSubstr("memory: 32.0 kB hold two pools of 399 rows of counted, too few to shuffle them well; "
                "give at least 34.0 kB, or"));
}

TEST(ShuffledRows, AreTwoPoolsInMemoryElse) {
  const Counted source(100'000'000, 768);
  const std::uint64_t row = 2 * (768 * 4 + 8);
  EXPECT_EQ(shuffled_rows(source, 2'000'000'000), static_cast<std::int64_t>(2'000'000'000 / row));
  EXPECT_EQ(shuffled_rows(source, row << 18), 1 << 18);
  EXPECT_THAT(test::error_of<std::invalid_argument>([&] { shuffled_rows(source, (row << 18) - 1); }),
              AllOf(HasSubstr("memory: 1.6 GB hold two pools of 262143 rows of counted, too few"),
                    HasSubstr("give at least 1.7 GB")));
}

}  // namespace
}  // namespace msae::data
