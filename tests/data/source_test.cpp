#include "msae/data/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "msae/core/error.h"

namespace msae::data {
namespace {

using ::testing::HasSubstr;

TEST(InMemory, GivesItsRowsBack) {
  const auto source = in_memory({1, 2, 3, 4, 5, 6}, 2, "six numbers");
  EXPECT_EQ(source->rows(), 3);
  EXPECT_EQ(source->dim(), 2);
  EXPECT_EQ(source->name(), "six numbers");
  std::vector<float> out(4);
  source->read(1, 2, out);
  EXPECT_EQ(out, (std::vector<float>{3, 4, 5, 6}));
}

TEST(InMemory, RefusesWhatIsNoWholeNumberOfRows) {
  EXPECT_THROW(in_memory({1, 2, 3}, 2), std::invalid_argument);
  EXPECT_THROW(in_memory({}, 2), std::invalid_argument);
  EXPECT_THROW(in_memory({1, 2}, 0), std::invalid_argument);
  EXPECT_THROW(in_memory({1, 2}, -2), std::invalid_argument);
}

class Read : public ::testing::Test {
 protected:
  void expect_refused(std::int64_t first, std::int64_t count, std::size_t room) {
    std::vector<float> out(room);
    EXPECT_THROW(source_->read(first, count, out), std::invalid_argument)
        << first << " " << count << " " << room;
  }
  std::unique_ptr<EmbeddingSource> source_ = in_memory({1, 2, 3, 4, 5, 6}, 2);
};

TEST_F(Read, RefusesRowsThatAreNotThere) {
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  expect_refused(-1, 1, 2);
  expect_refused(0, -1, 0);
  expect_refused(2, 2, 4);
  expect_refused(4, 0, 0);
  expect_refused(1, largest, 2);
  expect_refused(largest, 1, 2);
}

TEST_F(Read, RefusesRoomOfAnotherSize) {
  expect_refused(0, 2, 3);
  expect_refused(0, 2, 5);
}

TEST_F(Read, TakesNothingFromTheEnd) {
  EXPECT_NO_THROW(source_->read(3, 0, {}));
}

TEST(ReadOfBadRows, NamesTheSourceAndTheFirstOfThem) {
  for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
    std::vector<float> values(20 * 5, 3e38f);
    values[13 * 5 + 4] = bad;
    values[17 * 5] = bad;
    const auto source = in_memory(std::move(values), 5, "ours");
    std::vector<float> out(15 * 5);
    try {
      source->read(5, 15, out);
      FAIL() << bad;
    } catch (const IoError& error) {
      EXPECT_THAT(error.what(), HasSubstr("ours: row 13 holds NaN or Inf"));
    }
    EXPECT_NO_THROW(source->read(0, 13, std::span(out).first(13 * 5)));
  }
}

}  // namespace
}  // namespace msae::data
