#include "data/read_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "msae/core/error.h"
#include "support/error_of.h"

namespace msae::data {
namespace {

using ::testing::ElementsAre;

/// Row i is {i, i}; the rows from `broken` on cannot be read.
class Numbered final : public EmbeddingSource {
 public:
  explicit Numbered(std::int64_t rows, std::int64_t broken = 1'000'000) : rows_(rows), broken_(broken) {}
  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return 2; }
  std::string name() const override { return "numbered"; }
  std::atomic<std::int64_t> read_rows_ = 0;

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    if (first + count > broken_) throw IoError("the disk is gone");
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<float>(first) + static_cast<float>(i / 2);
    read_rows_ += count;
  }
  std::int64_t rows_, broken_;
};

TEST(ReadBlocks, GivesEveryRowInOrder) {
  for (const std::int64_t rows : {1, 2, 7, 64, 65}) {
    for (const std::int64_t step : {1, 3, 64, 1000}) {
      Numbered source(rows);
      std::vector<float> seen;
      std::vector<double> told;
      read_blocks(
          source, step, [&](double share) { told.push_back(share); },
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
  Numbered source((1 << 19) + 1);
  std::vector<std::size_t> sizes;
  read_blocks(source, {}, [&](std::int64_t, std::span<float> values) { sizes.push_back(values.size()); });
  EXPECT_THAT(sizes, ElementsAre(1 << 20, 2));
}

TEST(ReadBlocks, ReadsNoMoreThanOneBlockAhead) {
  Numbered source(100);
  read_blocks(source, 10, {},
              [&](std::int64_t first, std::span<float>) { EXPECT_LE(source.read_rows_, first + 20); });
  EXPECT_EQ(source.read_rows_, 100);
}

TEST(ReadBlocks, RethrowsWhatReadingThrewAfterTheRowsBefore) {
  Numbered source(100, 35);
  std::vector<std::int64_t> visited;
  const auto error = test::error_of<IoError>([&] {
    read_blocks(source, 10, {}, [&](std::int64_t first, std::span<float>) { visited.push_back(first); });
  });
  EXPECT_EQ(error, "the disk is gone");
  EXPECT_THAT(visited, ElementsAre(0, 10, 20));
}

TEST(ReadBlocks, EndsWhenTheVisitorOrTheProgressThrows) {
  Numbered source(1000);
  EXPECT_THROW(
      read_blocks(source, 10, {}, [](std::int64_t, std::span<float>) { throw std::domain_error(""); }),
      std::domain_error);
  EXPECT_THROW(
      read_blocks(
          source, 10, [](double) { throw std::domain_error(""); }, [](std::int64_t, std::span<float>) {}),
      std::domain_error);
  EXPECT_LE(source.read_rows_, 80);
}

}  // namespace
}  // namespace msae::data
