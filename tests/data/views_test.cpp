#include "msae/data/views.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>

#include "data/holdout.h"
#include "data/random.h"
#include "msae/core/error.h"
#include "msae/data/statistics.h"
#include "support/error_of.h"

namespace msae::data {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

/// Rows that know their number, and a count of the reads.
class Numbered final : public EmbeddingSource {
 public:
  Numbered(std::int64_t rows, std::int64_t dim, std::set<std::int64_t> bad = {})
      : rows_(rows), dim_(dim), bad_(std::move(bad)) {}
  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return dim_; }
  std::string name() const override { return "numbers"; }

  std::int64_t reads = 0;
  std::int64_t most = 0;  ///< rows of the largest read

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    ++reads;
    most = std::max(most, count);
    for (std::int64_t i = 0; i < count * dim_; ++i) {
      const auto row = first + i / dim_;
      out[static_cast<std::size_t>(i)] =
          bad_.count(row) > 0 ? nan : static_cast<float>(row * dim_ + i % dim_);
    }
  }

  std::int64_t rows_, dim_;
  std::set<std::int64_t> bad_;
};

std::vector<float> read(EmbeddingSource& source, std::int64_t first, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count * source.dim()));
  source.read(first, count, values);
  return values;
}

std::vector<std::int64_t> original_rows(const EmbeddingSource& source) {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < source.rows(); ++row) rows.push_back(source.original_row(row));
  return rows;
}

/// Stratum by stratum, as the definition reads.
std::vector<std::int64_t> naive_held_out(std::int64_t rows, double share) {
  std::vector<std::int64_t> found;
  for (std::int64_t k = 0;; ++k) {
    const auto begin = std::ceil(static_cast<double>(k) / share);
    const auto end = std::ceil(static_cast<double>(k + 1) / share);
    if (end > static_cast<double>(rows)) return found;
    Random random(static_cast<std::uint64_t>(k) * 0x9e3779b97f4a7c15u);
    found.push_back(static_cast<std::int64_t>(begin) +
                    static_cast<std::int64_t>(random.bits() % static_cast<std::uint64_t>(end - begin)));
  }
}

TEST(Holdout, IsTheNaiveSplitForEveryShareAndSize) {
  for (const double share : {1e-3, 0.01, 0.05, 0.07, 0.1, 0.2, 0.25, 0.3, 1.0 / 3, 0.5, 0.6, 2.0 / 3, 0.7,
                             0.9, 0.95, 0.99, 0.999, std::nextafter(0.5, 0), std::nextafter(0.1, 1)}) {
    for (const std::int64_t rows : {1, 2, 3, 7, 10, 11, 99, 100, 101, 640, 1000, 4097}) {
      const auto expected = naive_held_out(rows, share);
      const Holdout split(rows, share);
      std::vector<std::int64_t> held_out, kept, all;
      for (std::int64_t i = 0; i < split.held_out_rows(); ++i) held_out.push_back(split.held_out_row(i));
      for (std::int64_t i = 0; i < split.kept_rows(); ++i) kept.push_back(split.kept_row(i));
      ASSERT_EQ(held_out, expected) << share << " of " << rows;
      std::merge(held_out.begin(), held_out.end(), kept.begin(), kept.end(), std::back_inserter(all));
      std::vector<std::int64_t> each(static_cast<std::size_t>(rows));
      std::iota(each.begin(), each.end(), 0);
      ASSERT_EQ(all, each) << "every row in exactly one part: " << share << " of " << rows;
    }
  }
}

TEST(Holdout, PutsEveryRowOfABillionIntoOnePart) {
  for (const double share : {1e-6, 0.1, 0.3, 0.5, 0.9, 0.999}) {
    const std::int64_t rows = 3'000'000'019;
    const Holdout split(rows, share);
    EXPECT_NEAR(static_cast<double>(split.held_out_rows()), static_cast<double>(rows) * share, 1.01) << share;
    // Around places far inside, both parts interleave without a gap.
    for (const std::int64_t at : {split.kept_rows() / 7, split.kept_rows() / 2, split.kept_rows() - 3000}) {
      const auto from = split.kept_row(at);
      const auto to = split.kept_row(at + 1000);
      std::int64_t between = 0;
      auto k = static_cast<std::int64_t>(static_cast<double>(from) * share) - 3;
      for (k = std::max<std::int64_t>(0, k); k < split.held_out_rows() && split.held_out_row(k) < to; ++k) {
        between += split.held_out_row(k) > from ? 1 : 0;
      }
      EXPECT_EQ(to - from, 1000 + between) << share;
    }
    EXPECT_LT(std::max(split.kept_row(split.kept_rows() - 1), split.held_out_row(split.held_out_rows() - 1)),
              rows);
  }
}

TEST(Holdout, DrawsRowsFromAllOverTheirStrata) {
  const Holdout split(100'000, 0.1);
  std::vector<int> places(10);
  for (std::int64_t k = 0; k < split.held_out_rows(); ++k)
    ++places[static_cast<std::size_t>(split.held_out_row(k) % 10)];
  for (const auto count : places) EXPECT_NEAR(count, 1000, 150);
}

TEST(Holdout, RefusesSharesThatAreNone) {
  for (const double share : {0.0, 1.0, -0.1, 1.5, static_cast<double>(nan), std::nextafter(1.0, 0)}) {
    EXPECT_THROW(Holdout(1000, share), std::invalid_argument) << share;
  }
}

TEST(Views, BlocksOfAnySizeEqualRowByRowReads) {
  for (const double share : {0.001, 0.1, 0.5, 0.95}) {
    const auto source = std::make_shared<Numbered>(3000, 2, std::set<std::int64_t>{0, 5, 6, 7, 1500, 2999});
    const auto good = skip_bad_rows(source).rows;
    for (const auto& view : {good, held_out(good, share), without_held_out(good, share),
                             unit_rows(without_held_out(good, share))}) {
      std::vector<float> rows;
      for (std::int64_t row = 0; row < view->rows(); ++row) {
        const auto one = read(*view, row, 1);
        rows.insert(rows.end(), one.begin(), one.end());
      }
      for (const std::int64_t size : {2, 7, 64, 1000, 3000}) {
        std::vector<float> blocks;
        for (std::int64_t first = 0; first < view->rows(); first += size) {
          const auto block = read(*view, first, std::min(size, view->rows() - first));
          blocks.insert(blocks.end(), block.begin(), block.end());
        }
        ASSERT_EQ(blocks, rows) << view->name() << " in blocks of " << size;
      }
    }
  }
}

TEST(Views, GiveTheRowsThatTheySayTheyGive) {
  const auto source = std::make_shared<Numbered>(500, 3, std::set<std::int64_t>{3, 77, 499});
  const auto view = held_out(skip_bad_rows(source).rows, 0.2);
  for (std::int64_t row = 0; row < view->rows(); ++row) {
    EXPECT_EQ(read(*view, row, 1).front(), static_cast<float>(3 * view->original_row(row)));
  }
  EXPECT_EQ(view->rows(), 99);  // 497 rows: 99 whole strata of 5
  EXPECT_EQ(view->original_rows(), 500);
}

TEST(Views, ReadFewLargePieces) {
  const auto source = std::make_shared<Numbered>(100'000, 64);
  const auto rest = without_held_out(source, 0.1);
  read(*rest, 0, rest->rows());
  EXPECT_LE(source->reads, 10);     // 26 MB in pieces of 4 MB
  EXPECT_LE(source->most, 16'384);  // which bounds the buffer
  source->reads = 0;
  const auto part = held_out(source, 0.1);
  read(*part, 0, part->rows());
  EXPECT_LE(source->reads, 10);
}

TEST(Views, DoNotReadWhatLiesBetweenRowsFarApart) {
  const auto source = std::make_shared<Numbered>(1'000'000, 64);
  const auto part = held_out(source, 1e-4);
  read(*part, 0, part->rows());
  EXPECT_EQ(source->most, 1);
}

TEST(Views, BadRowsAreSkippedAndCounted) {
  const std::shared_ptr<EmbeddingSource> source =
      in_memory({1, 2, nan, 1, 3, 4, 5, -infinity, infinity, nan, 6, 7}, 2, "data");
  const auto good = skip_bad_rows(source);
  EXPECT_EQ(good.skipped, 3);
  EXPECT_EQ(good.first_skipped, 1);
  EXPECT_EQ(read(*good.rows, 0, 3), (std::vector<float>{1, 2, 3, 4, 6, 7}));
  EXPECT_THAT(original_rows(*good.rows), ElementsAre(0, 2, 5));
  EXPECT_EQ(good.rows->name(), "data (3 bad rows skipped)");
  EXPECT_EQ(statistics(*good.rows).rows, 3);
  EXPECT_THAT(error_of<IoError>([&] { read(*source, 0, 6); }), HasSubstr("data: row 1 holds NaN or Inf"));
}

TEST(Views, WithoutBadRowsTheSourceItselfIsGiven) {
  const std::shared_ptr<EmbeddingSource> source = in_memory({1, 2, 3, 4}, 2);
  const auto good = skip_bad_rows(source);
  EXPECT_EQ(good.rows, source);
  EXPECT_EQ(good.skipped, 0);
  EXPECT_EQ(good.first_skipped, -1);
}

TEST(Views, OnlyBadRowsAreTooFew) {
  EXPECT_THAT(error_of<IoError>([] {
                skip_bad_rows(in_memory({nan, 1, 2, nan}, 2, "data"));
              }),
              HasSubstr("data: every row holds NaN or Inf"));
}

TEST(Views, AScanTellsHowFarItIsAndCanBeStopped) {
  const auto source = std::make_shared<Numbered>(100'000, 64);
  std::vector<double> shares;
  skip_bad_rows(source, [&](double share) { shares.push_back(share); });
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
  source->reads = 0;
  const auto stop = [](double) { throw Error("enough"); };
  EXPECT_EQ(error_of<Error>([&] { skip_bad_rows(source, stop); }), "enough");
  EXPECT_EQ(source->reads, 1);
  EXPECT_EQ(error_of<Error>([&] { statistics(*source, stop); }), "enough");
}

TEST(Views, UnitRowsHaveNormOneAndZeroStaysZero) {
  const auto rows = unit_rows(in_memory({3, 4, 0, 0, -2, 0, 1e-40f, 0, 3e38f, 3e38f}, 2, "data"));
  const auto values = read(*rows, 0, 5);
  EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 6),
            (std::vector<float>{0.6f, 0.8f, 0, 0, -1, 0}));
  EXPECT_FLOAT_EQ(values[6], 1);  // denormal
  EXPECT_FLOAT_EQ(values[8], std::sqrt(0.5f));
  EXPECT_EQ(rows->name(), "data (unit rows)");
}

TEST(Views, ABadRowIsNamedByItsNumberInTheFile) {
  const std::shared_ptr<EmbeddingSource> source =
      std::make_shared<Numbered>(50, 2, std::set<std::int64_t>{31});
  const auto parts = prepare(source, {.unit_rows = true, .holdout = 0.5});
  const auto read_all = [](EmbeddingSource& part) { read(part, 0, part.rows()); };
  const auto said = error_of<std::exception>([&] { read_all(*parts.rows); }) +
                    error_of<std::exception>([&] { read_all(*parts.held_out); });
  EXPECT_THAT(said, HasSubstr("): row 31 holds NaN or Inf"));
}

TEST(Views, InfinityDoesNotBecomeAUnitRow) {
  const auto rows = unit_rows(in_memory({infinity, 1, 1, 1}, 2));
  EXPECT_THAT(error_of<IoError>([&] { read(*rows, 0, 2); }), HasSubstr("row 0 holds NaN or Inf"));
}

TEST(Views, OfNothingAreRefused) {
  const auto said = [](const auto& call) { return error_of<std::invalid_argument>(call); };
  EXPECT_EQ(said([] { unit_rows(nullptr); }), "source: must not be null");
  EXPECT_EQ(said([] { skip_bad_rows(nullptr); }), "source: must not be null");
  EXPECT_EQ(said([] { held_out(nullptr, 0.5); }), "source: must not be null");
  EXPECT_EQ(said([] { without_held_out(nullptr, 0.5); }), "source: must not be null");
  EXPECT_EQ(said([] { prepare(nullptr, {}); }), "source: must not be null");
}

TEST(Views, BothPartsMustHaveARow) {
  const std::shared_ptr<EmbeddingSource> source = std::make_shared<Numbered>(5, 2);
  EXPECT_THAT(error_of<IoError>([&] { held_out(source, 0.1); }),
              HasSubstr("numbers: holding out 10 % of its 5 rows leaves none to evaluate on"));
  EXPECT_THAT(error_of<IoError>([&] { without_held_out(source, 0.1); }), HasSubstr("none to evaluate on"));
  EXPECT_THAT(error_of<IoError>([&] { held_out(std::make_shared<Numbered>(1, 2), 0.999); }),
              HasSubstr("its 1 rows leaves none"));
  EXPECT_EQ(without_held_out(source, 0.999)->rows(), 1);
  EXPECT_EQ(held_out(source, 0.2)->rows(), 1);
  EXPECT_EQ(without_held_out(source, 0.8)->rows(), 1);
}

TEST(Views, AreMadeInOneOrder) {
  const std::shared_ptr<EmbeddingSource> source =
      std::make_shared<Numbered>(101, 2, std::set<std::int64_t>{0});
  const auto parts = prepare(source, {.unit_rows = true, .skip_bad_rows = true, .holdout = 0.1});
  EXPECT_EQ(parts.skipped, 1);
  EXPECT_EQ(parts.first_skipped, 0);
  EXPECT_EQ(parts.rows->rows(), 90);
  EXPECT_EQ(parts.held_out->rows(), 10);
  EXPECT_EQ(parts.rows->name(), "numbers (1 bad row skipped, without the 10 % held out, unit rows)");
  EXPECT_EQ(parts.held_out->name(), "numbers (1 bad row skipped, the 10 % held out, unit rows)");
  EXPECT_EQ(parts.held_out->origin(), "numbers");
  EXPECT_EQ(parts.held_out->treatment(), "1 bad row skipped, the 10 % held out, unit rows");
  EXPECT_EQ(parts.evaluated(), parts.held_out);
  EXPECT_EQ(prepare(source, {}).rows, source);
  EXPECT_EQ(prepare(source, {}).evaluated(), source);
}

TEST(Views, OneScanServesBothParts) {
  const auto source = std::make_shared<Numbered>(100, 2);
  prepare(source, {.skip_bad_rows = true, .holdout = 0.1});
  EXPECT_EQ(source->reads, 1);
}

TEST(ReadOptions, NameTheShareThatIsNone) {
  for (const double share : {-0.1, 1.0, 2.0, static_cast<double>(nan)}) {
    EXPECT_THAT(error_of<std::invalid_argument>([&] { ReadOptions{.holdout = share}.validate(); }),
                HasSubstr("holdout: must be a share between 0 and 1"));
  }
}

}  // namespace
}  // namespace msae::data
