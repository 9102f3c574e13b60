// Rows near a query, without a model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "concepts/expect_hits.h"
#include "msae/concepts/search.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::expect_hits;
using test::place;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<data::EmbeddingSource> rows_to_search(const torch::Tensor& rows) {
  const auto flat = rows.to(torch::kFloat32).contiguous();
  const auto* values = flat.const_data_ptr<float>();
  return data::in_memory({values, values + flat.numel()}, rows.size(1), "rows");
}

std::vector<double> plain_cosines(const torch::Tensor& rows, const torch::Tensor& query,
                                  const torch::Tensor& centre) {
  const auto a = rows.to(torch::kFloat64) - centre, b = query.to(torch::kFloat64) - centre;
  const auto lengths = a.square().sum(1).sqrt() * b.square().sum().sqrt();
  const auto cosines = (a * b).sum(1) / torch::where(lengths > 0, lengths, torch::ones_like(lengths));
  return {cosines.const_data_ptr<double>(), cosines.const_data_ptr<double>() + cosines.numel()};
}

TEST(NearestRows, AreWhatLookingAtEachFinds) {
  for (const std::int64_t count : {1, 7, 211}) {
    auto rows = test::random({count, 13}, 1, torch::kFloat32) + 0.4;
    if (count > 3) rows[2].zero_();
    auto queries = test::random({5, 13}, 2, torch::kFloat32);
    queries[1] = rows[count / 2];
    queries[3].zero_();
    const auto centre = rows.mean(0);
    for (const bool centred : {false, true}) {
      for (const std::int64_t wanted : {1, 4, 1000}) {
        std::vector<double> shares;
        const auto found =
            nearest_rows(*rows_to_search(rows), queries, wanted, centred ? centre : torch::Tensor(),
                         [&](double share) { shares.push_back(share); });
        ASSERT_EQ(found.size(), 5u);
        for (std::int64_t q = 0; q < 5; ++q) {
          const auto around = centred ? centre.to(torch::kFloat64) : torch::zeros({13}, torch::kFloat64);
          // around the mean of one row nothing is left but rounding
          if (centred && count == 1) continue;
          expect_hits(found[place(q)], plain_cosines(rows, queries[q], around), wanted, 2e-6);
        }
        EXPECT_EQ(shares.back(), 1);
      }
    }
  }
}

// A block has about 4 MB.
TEST(NearestRows, AreFoundInEveryBlockWhateverTheThreads) {
  const auto rows = test::random({9000, 300}, 1, torch::kFloat32);
  const auto queries = torch::stack({rows[1], rows[4500], rows[8999]});
  for (const int threads : {1, 3}) {
    const test::Threads with(threads);
    const auto found = nearest_rows(*rows_to_search(rows), queries, 20);
    for (std::int64_t q = 0; q < 3; ++q) {
      expect_hits(found[place(q)], plain_cosines(rows, queries[q], torch::zeros({300}, torch::kFloat64)), 20,
                  2e-6);
    }
    EXPECT_EQ(found[0][0].row, 1);
    EXPECT_EQ(found[1][0].row, 4500);
    EXPECT_EQ(found[2][0].row, 8999);
  }
}

TEST(NearestRows, ThatAreAlikeComeInTheirOrder) {
  const auto once = test::random({7, 13}, 3, torch::kFloat32);
  const auto rows = once.repeat({30, 1});
  const auto found = nearest_rows(*rows_to_search(rows), once, 12);
  for (std::int64_t q = 0; q < 7; ++q) {
    std::vector<std::int64_t> places;
    for (const auto& hit : found[place(q)]) places.push_back(hit.row);
    for (std::size_t i = 0; i < places.size(); ++i) {
      EXPECT_EQ(places[i], q + 7 * static_cast<std::int64_t>(i));
    }
  }
}

TEST(NearestRows, RefuseTheImpossible) {
  const auto rows = test::random({7, 13}, 3, torch::kFloat32);
  const auto source = rows_to_search(rows);
  EXPECT_THAT(error_of<std::invalid_argument>([&] { nearest_rows(*source, rows, 0); }),
              HasSubstr("count: must be at least 1, not 0"));
  const auto said = [&](const torch::Tensor& queries, const torch::Tensor& centre = {}) {
    return error_of<c10::Error>([&] { nearest_rows(*source, queries, 1, centre); });
  };
  EXPECT_THAT(said(rows.slice(1, 0, 12)), HasSubstr("expected queries [queries, 13], got [7, 12]"));
  EXPECT_THAT(said(rows[0]), HasSubstr("got [13]"));
  EXPECT_THAT(said(rows, rows), HasSubstr("expected a centre [13], got [7, 13]"));
  EXPECT_THAT(said(rows, rows[0].slice(0, 1)), HasSubstr("expected a centre [13], got [12]"));
  auto bad = rows.clone();
  bad[2][5] = NAN;
  EXPECT_THAT(said(bad), HasSubstr("queries or centre hold NaN or Inf"));
  EXPECT_THAT(said(rows, bad[2]), HasSubstr("queries or centre hold NaN or Inf"));
  EXPECT_THAT(error_of<IoError>([&] { nearest_rows(*rows_to_search(bad), rows, 1); }),
              HasSubstr("row 2 holds NaN"));
  EXPECT_THAT(nearest_rows(*source, rows.slice(0, 0, 0), 1), IsEmpty());
  EXPECT_EQ(
      error_of<Error>([&] { nearest_rows(*source, rows, 1, {}, [](double) { throw Error("enough"); }); }),
      "enough");
}

}  // namespace
}  // namespace msae::concepts
