#include "msae/data/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "msae/core/error.h"
#include "support/embeddings.h"
#include "support/warnings.h"

namespace msae::data {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t streamed = 1;  // bytes of memory: no set fits
constexpr std::uint64_t resident = std::uint64_t{1} << 40;

/// Row i is {i, -i}; counts and, when asked, delays or fails its reads.
class Numbered final : public EmbeddingSource {
 public:
  explicit Numbered(std::int64_t rows) : rows_(rows) {}

  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return 2; }
  std::string name() const override { return "numbered"; }

  std::vector<std::pair<std::int64_t, std::int64_t>> reads;  ///< {first, count}
  std::int64_t bad_row = -1;
  std::chrono::milliseconds delay{0};

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    std::this_thread::sleep_for(delay);
    reads.emplace_back(first, count);
    for (std::int64_t i = 0; i < count; ++i) {
      if (first + i == bad_row) throw IoError("the disk is gone");
      out[static_cast<std::size_t>(2 * i)] = static_cast<float>(first + i);
      out[static_cast<std::size_t>(2 * i + 1)] = -static_cast<float>(first + i);
    }
  }

  std::int64_t rows_;
};

std::vector<std::int64_t> rows_of(const Batch& batch) {
  EXPECT_EQ(batch.values.size(), static_cast<std::size_t>(2 * batch.rows));
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < batch.values.size(); i += 2) {
    EXPECT_EQ(batch.values[i + 1], -batch.values[i]);
    rows.push_back(static_cast<std::int64_t>(batch.values[i]));
  }
  return rows;
}

/// The rows of the next `count` batches, one after the other.
std::vector<std::int64_t> next_rows(BatchLoader& loader, std::int64_t count) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto more = rows_of(loader.next());
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

std::vector<std::int64_t> first_rows(const LoaderOptions& options, std::int64_t batches) {
  Numbered source(103);
  BatchLoader loader(source, options);
  return next_rows(loader, batches);
}

struct Way {
  const char* name;
  std::uint64_t memory;
  std::int64_t shuffle_rows;
};

/// Everything below holds for sets held in memory, those read batch by batch, and those that come through a
/// pool.
class Loader : public ::testing::TestWithParam<Way> {
 protected:
  LoaderOptions options_{
      .batch_size = 10, .memory = GetParam().memory, .shuffle_rows = GetParam().shuffle_rows};
};

INSTANTIATE_TEST_SUITE_P(EveryWay, Loader,
                         ::testing::Values(Way{"InMemory", resident, 0}, Way{"Streamed", streamed, all_rows},
                                           Way{"Pooled", streamed, 17}, Way{"PooledByOne", streamed, 1},
                                           Way{"PooledByAllButOne", streamed, 102}),
                         [](const auto& way) { return way.param.name; });

TEST_P(Loader, GivesEachRowOncePerEpoch) {
  Numbered source(103);
  BatchLoader loader(source, options_);
  ASSERT_EQ(loader.batches_per_epoch(), 11);
  for (int epoch = 0; epoch < 3; ++epoch) {
    auto rows = next_rows(loader, 11);
    EXPECT_NE(rows, test::ascending(103));
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, test::ascending(103));
  }
}

TEST_P(Loader, NumbersItsBatchesAndEndsAnEpochWithAShortOne) {
  Numbered source(23);
  BatchLoader loader(source, options_);
  for (std::int64_t i = 0; i < 7; ++i) {
    const auto batch = loader.next();
    EXPECT_EQ(batch.epoch, i / 3);
    EXPECT_EQ(batch.index, i % 3);
    EXPECT_EQ(batch.rows, i % 3 == 2 ? 3 : 10);
  }
}

TEST_P(Loader, TakesTheWholeSetAsOneBatchWhenThatIsSmaller) {
  Numbered source(7);
  BatchLoader loader(source, options_);
  EXPECT_EQ(loader.batches_per_epoch(), 1);
  EXPECT_EQ(loader.next().rows, 7);
  EXPECT_EQ(loader.next().epoch, 1);
}

TEST_P(Loader, OrdersAnEpochByItsSeedAlone) {
  EXPECT_EQ(first_rows(options_, 33), first_rows(options_, 33));
  auto other = options_;
  other.seed = 43;
  EXPECT_NE(first_rows(options_, 11), first_rows(other, 11));
  Numbered source(103);
  BatchLoader loader(source, options_);
  EXPECT_NE(next_rows(loader, 11), next_rows(loader, 11)) << "two epochs in the same order";
}

TEST_P(Loader, TakesThePermutationOfTheSeedItIsGiven) {
  options_.epoch_seed = [](std::int64_t epoch) { return static_cast<std::uint64_t>(1000 + epoch); };
  if (options_.shuffle_rows != 0 && options_.shuffle_rows != all_rows) {
    const auto by_seed = first_rows(options_, 22);
    options_.epoch_seed = [](std::int64_t epoch) { return static_cast<std::uint64_t>(999 + epoch); };
    const auto by_others = first_rows(options_, 33);
    EXPECT_EQ(std::vector(by_others.begin() + 103, by_others.end()), by_seed);
    return;
  }
  Numbered source(103);
  BatchLoader loader(source, options_);
  EXPECT_EQ(next_rows(loader, 11), permutation(103, 1000));
  EXPECT_EQ(next_rows(loader, 11), permutation(103, 1001));
}

TEST_P(Loader, WithoutShufflingKeepsTheOrderOfTheFile) {
  options_.shuffle = false;
  Numbered source(103);
  BatchLoader loader(source, options_);
  EXPECT_EQ(next_rows(loader, 11), test::ascending(103));
  EXPECT_EQ(next_rows(loader, 11), test::ascending(103));
}

TEST_P(Loader, GoesOnWhereAnInterruptedOneWas) {
  const auto uninterrupted = first_rows(options_, 30);
  Numbered source(103);
  BatchLoader loader(source, options_);
  loader.seek(1, 4);  // the fifteenth
  const auto batch = loader.next();
  EXPECT_EQ(batch.epoch, 1);
  EXPECT_EQ(batch.index, 4);
  auto rows = rows_of(batch);
  const auto rest = next_rows(loader, 14);
  rows.insert(rows.end(), rest.begin(), rest.end());
  EXPECT_EQ(rows, std::vector<std::int64_t>(uninterrupted.begin() + 103 + 40, uninterrupted.end()));
}

TEST_P(Loader, CanBeSentBackWhileItReadsAhead) {
  Numbered source(103);
  BatchLoader loader(source, options_);
  const auto begin = next_rows(loader, 5);
  loader.seek(0, 0);
  EXPECT_EQ(next_rows(loader, 5), begin);
}

TEST_P(Loader, TakesTheEndOfAnEpochForTheBeginningOfTheNext) {
  Numbered source(103);
  BatchLoader loader(source, options_);
  loader.seek(2, 11);
  const auto batch = loader.next();
  EXPECT_EQ(batch.epoch, 3);
  EXPECT_EQ(batch.index, 0);
}

TEST_P(Loader, GivesTheSameBatchesHoweverManyItKeepsReady) {
  auto few = options_, many = options_;
  few.prefetch = 1;
  many.prefetch = 4;
  EXPECT_EQ(first_rows(few, 25), first_rows(many, 25));
}

TEST_P(Loader, RethrowsWhatReadingThrew) {
  Numbered source(103);
  source.bad_row = 50;
  options_.shuffle = false;
  BatchLoader loader(source, options_);
  const auto read_everything = [&] { next_rows(loader, 11); };
  EXPECT_THROW(read_everything(), IoError);
  EXPECT_THROW(loader.next(), IoError) << "and again";
  source.bad_row = -1;
  loader.seek(0, 5);
  EXPECT_EQ(next_rows(loader, 6).front(), 50);
}

TEST_P(Loader, NamesTheBadRowOfItsSource) {
  std::vector<float> values(200, 1);
  values[2 * 77] = NAN;
  const auto source = in_memory(values, 2);
  BatchLoader loader(*source, options_);
  try {
    for (int i = 0; i < 10; ++i) loader.next();
    FAIL() << "read NaN";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("row 77 holds NaN or Inf"));
  }
}

TEST_P(Loader, CanBeDroppedUnused) {
  Numbered source(103);
  { BatchLoader loader(source, options_); }
  EXPECT_TRUE(source.reads.empty());
}

TEST_P(Loader, CanBeDroppedWhileItWaitsForRoom) {
  Numbered source(103);
  BatchLoader loader(source, options_);
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

TEST_P(Loader, CanBeDroppedWhileItReads) {
  Numbered source(103);
  source.delay = std::chrono::milliseconds(10);
  BatchLoader loader(source, options_);
  loader.next();
}

TEST(BatchLoader, GivesTheSameBatchesInMemoryAndStreamed) {
  const LoaderOptions options{.batch_size = 10};
  auto in_file = options, in_memory = options;
  in_file.memory = streamed;
  in_file.shuffle_rows = all_rows;
  in_memory.memory = resident;
  EXPECT_EQ(first_rows(in_file, 33), first_rows(in_memory, 33));
  EXPECT_EQ(first_rows(options, 33), first_rows(in_memory, 33));
}

TEST(BatchLoader, HoldsASetInMemoryUpToTheGivenSize) {
  constexpr std::uint64_t bytes = 103 * 2 * sizeof(float);
  for (const auto memory : {bytes, bytes - 1}) {
    Numbered source(103);
    {
      BatchLoader loader(source, {.batch_size = 10, .memory = memory, .shuffle_rows = all_rows});
      next_rows(loader, 22);
    }
    if (memory == bytes) {
      EXPECT_EQ(source.reads.size(), 1u);
    } else {
      EXPECT_GT(source.reads.size(), 22u);
    }
  }
}

TEST(BatchLoader, SaysWhenRowsThatAreShuffledTogetherDoNotFit) {
  Numbered source(100);
  const auto said = [&](const LoaderOptions& options) {
    const test::Warnings warnings;
    { BatchLoader(source, options).next(); }
    return warnings.lines();
  };
  EXPECT_THAT(
      said({.batch_size = 10, .memory = streamed, .shuffle_rows = all_rows}),
      ::testing::ElementsAre(::testing::HasSubstr("read from the file batch by batch, which is slow")));
  EXPECT_THAT(said({.batch_size = 10}), ::testing::IsEmpty());
  EXPECT_THAT(said({.batch_size = 10, .shuffle = false, .memory = streamed}), ::testing::IsEmpty());
  EXPECT_THAT(said({.batch_size = 10, .memory = streamed, .shuffle_rows = 50}), ::testing::IsEmpty());
}

TEST(BatchLoader, ReadsAscendingAndNeighboursTogether) {
  Numbered source(40);
  {
    BatchLoader loader(source,
                       {.batch_size = 40, .prefetch = 1, .memory = streamed, .shuffle_rows = all_rows});
    loader.next();
  }
  EXPECT_EQ(source.reads.front(), (std::pair<std::int64_t, std::int64_t>{0, 40}));

  Numbered larger(1000);
  {
    BatchLoader loader(larger,
                       {.batch_size = 500, .prefetch = 1, .memory = streamed, .shuffle_rows = all_rows});
    loader.next();
  }
  const auto end = std::adjacent_find(larger.reads.begin(), larger.reads.end(), [](auto a, auto b) {
    return b.first <= a.first + a.second;  // the next batch begins anew, neighbours would have been one read
  });
  const auto sum =
      std::accumulate(larger.reads.begin(), end == larger.reads.end() ? end : end + 1, std::int64_t{0},
                      [](std::int64_t rows, auto read) { return rows + read.second; });
  EXPECT_EQ(sum, 500);
}

TEST(BatchLoader, KeepsNoMoreReadyThanAsked) {
  Numbered source(1000);
  {
    BatchLoader loader(source, {.batch_size = 10, .shuffle = false, .prefetch = 3, .memory = streamed});
    loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_LE(source.reads.size(), 4u);
}

TEST(BatchLoader, RefusesImpossibleOptions) {
  Numbered source(10);
  const auto message = [&](LoaderOptions options) -> std::string {
    try {
      BatchLoader loader(source, options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message({.batch_size = 0}), "batch_size: must be at least 1, not 0");
  EXPECT_EQ(message({.shuffle_rows = -1}), "shuffle_rows: must not be negative, not -1");
  EXPECT_EQ(message({.prefetch = -1}), "prefetch: must be at least 1, not -1");
  Numbered none(0);
  EXPECT_THROW(BatchLoader(none, {}), std::invalid_argument);
  BatchLoader loader(source, {});
  EXPECT_THROW(loader.seek(-1, 0), std::invalid_argument);
  EXPECT_THROW(loader.seek(0, -1), std::invalid_argument);
}

}  // namespace
}  // namespace msae::data
