#include "data/read_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/watched_source.h"

namespace msae::data {
namespace {

using ::testing::ElementsAre;

/// Row i is {i, i}.
std::unique_ptr<EmbeddingSource> numbered(std::int64_t rows) {
  std::vector<float> values(static_cast<std::size_t>(2 * rows));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / 2);
  return in_memory(std::move(values), 2);
}

TEST(ReadBlocks, GivesEveryRowInOrder) {
  for (const std::int64_t rows : {1, 2, 7, 64, 65}) {
    for (const std::int64_t step : {1, 3, 64, 1000}) {
      const auto source = numbered(rows);
      std::vector<float> seen;
      std::vector<double> told;
      read_blocks(
          *source, step, [&](double share) { told.push_back(share); },
          [&](std::int64_t first, std::span<float> values) {
            EXPECT_EQ(first * 2, static_cast<std::int64_t>(seen.size()));
            EXPECT_LE(values.size(), static_cast<std::size_t>(2 * step));
            seen.insert(seen.end(), values.begin(), values.end());
          });
      ASSERT_EQ(seen.size(), static_cast<std::size_t>(2 * rows)) << rows << " " << step;
      for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<float>(i / 2));
      EXPECT_EQ(told.size(), static_cast<std::size_t>((rows - 1) / step + 1));
      EXPECT_EQ(told.back(), 1);
    }
  }
}

TEST(ReadBlocks, TakesAboutFourMegabytesUnlessTold) {
  const auto source = numbered((1 << 19) + 1);
  std::vector<std::size_t> sizes;
  read_blocks(*source, {}, [&](std::int64_t, std::span<float> values) { sizes.push_back(values.size()); });
  EXPECT_THAT(sizes, ElementsAre(1 << 20, 2));
}

TEST(ReadBlocks, ReadsNoMoreThanOneBlockAhead) {
  const auto whole = numbered(100);
  std::atomic<std::int64_t> rows_read = 0;
  test::WatchedSource source(*whole, [&](std::int64_t count) { rows_read += count; });
  read_blocks(source, 10, {},
              [&](std::int64_t first, std::span<float>) { EXPECT_LE(rows_read, first + 20); });
  EXPECT_EQ(rows_read, 100);
}

TEST(ReadBlocks, RethrowsWhatReadingThrewAfterTheRowsBefore) {
  const auto whole = numbered(100);
  std::int64_t rows_left = 35;
  test::WatchedSource source(*whole, [&](std::int64_t count) {
    rows_left -= count;
    if (rows_left < 0) throw IoError("the disk is gone");
  });
  std::vector<std::int64_t> visited;
  const auto error = test::error_of<IoError>([&] {
    read_blocks(source, 10, {}, [&](std::int64_t first, std::span<float>) { visited.push_back(first); });
  });
  EXPECT_EQ(error, "the disk is gone");
  EXPECT_THAT(visited, ElementsAre(0, 10, 20));
}

TEST(ReadBlocks, EndsWhenTheVisitorOrTheProgressThrows) {
  const auto whole = numbered(1000);
  std::atomic<std::int64_t> rows_read = 0;
  test::WatchedSource source(*whole, [&](std::int64_t count) { rows_read += count; });
  EXPECT_THROW(
      read_blocks(source, 10, {}, [](std::int64_t, std::span<float>) { throw std::domain_error(""); }),
      std::domain_error);
  EXPECT_THROW(
      read_blocks(
          source, 10, [](double) { throw std::domain_error(""); }, [](std::int64_t, std::span<float>) {}),
      std::domain_error);
  EXPECT_LE(rows_read, 80);
}

}  // namespace
}  // namespace msae::data
