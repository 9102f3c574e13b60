#include "msae/eval/cknna.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "eval/neighbours.h"
#include "msae/data/source.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

using test::comparison;
using torch::indexing::Slice;

const std::vector<std::int64_t> tops{2, 5, 10, 20};

torch::Tensor sparse_codes(std::int64_t rows, std::uint64_t seed) {
  return (test::random({rows, 30}, seed) - 1).relu();
}

/// The definition, with matrices of all pairs.
namespace naive {

/// [rows, rows]; equal products for the lower index.
torch::Tensor mask(const torch::Tensor& products, std::int64_t k) {
  const auto others = products.clone().fill_diagonal_(-INFINITY);
  const auto order = std::get<1>(others.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true));
  return torch::zeros_like(products).scatter_(1, order.slice(1, 0, k), 1);
}

double hsic(torch::Tensor k, torch::Tensor l) {
  k = k.clone().fill_diagonal_(0);
  l = l.clone().fill_diagonal_(0);
  const auto n = static_cast<double>(k.size(0));
  const auto sum = (k * l.t()).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * k.mm(l).sum() / (n - 2);
  return sum.item<double>() / (n * (n - 3));
}

double cknna(const torch::Tensor& a, const torch::Tensor& b, std::int64_t count) {
  const auto k = a.mm(a.t()), l = b.mm(b.t());
  const auto in_k = mask(k, count), in_l = mask(l, count), both = in_k * in_l;
  return hsic(both * k, both * l) / (std::sqrt(hsic(in_k * k, in_k * k) * hsic(in_l * l, in_l * l)) + 1e-6);
}

}  // namespace naive

TEST(NearestNeighbours, AreThoseOfASortOfAllProducts) {
  for (const auto& rows :
       {test::random({37, 5}, 1), sparse_codes(37, 2), test::random({37, 19}, 3) * 1e-30}) {
    const auto products = rows.mm(rows.t()).fill_diagonal_(-INFINITY);
    for (const std::int64_t k : {1, 7, 36}) {
      const auto sorted = products.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true);
      const auto found = nearest_neighbours(rows, k);
      EXPECT_TRUE(found.index.equal(std::get<1>(sorted).slice(1, 0, k))) << k;
      EXPECT_CLOSE(found.value, std::get<0>(sorted).slice(1, 0, k), 1e-14);
    }
  }
}

TEST(NearestNeighbours, GiveTiesToTheLowerIndex) {
  const auto twins = test::random({1, 33}, 1, torch::kFloat32).expand({40, 33});
  const auto zeros = torch::zeros({40, 3});
  for (const auto& rows : {twins, zeros}) {
    const auto found = nearest_neighbours(rows, 2);
    EXPECT_TRUE(found.index[0].equal(torch::tensor({1, 2}, torch::kInt64)));
    EXPECT_TRUE(found.index[1].equal(torch::tensor({0, 2}, torch::kInt64)));
    EXPECT_TRUE(found.index[39].equal(torch::tensor({0, 1}, torch::kInt64)));
  }
}

TEST(NearestNeighbours, DoNotDependOnBlocksOrThreads) {
  const auto some = test::random({60, 70}, 1, torch::kFloat32);
  const auto codes = sparse_codes(180, 2).to(torch::kFloat32);
  for (const auto& rows : {torch::cat({some, some, some}), torch::cat({codes, codes})}) {
    const auto whole = detail::nearest_neighbours(rows, 5, {.rows = 1000, .columns = 1000});
    for (const auto& blocks : std::vector<detail::NeighbourBlocks>{{1, 1000}, {7, 3}, {64, 1}, {1000, 50}}) {
      for (const int threads : {1, 3}) {
        const test::Threads running(threads);
        const auto found = detail::nearest_neighbours(rows, 5, blocks);
        EXPECT_TRUE(found.index.equal(whole.index)) << blocks.rows << " by " << blocks.columns;
        EXPECT_TRUE(found.value.equal(whole.value)) << blocks.rows << " by " << blocks.columns;
      }
    }
  }
}

TEST(NearestNeighbours, TakeRowsOfAnyPrecisionAndLayout) {
  const auto rows = test::random({6, 20}, 1).to(torch::kBFloat16);
  const auto wide = nearest_neighbours(rows.to(torch::kFloat64), 3);
  EXPECT_TRUE(nearest_neighbours(rows, 3).index.equal(wide.index));
  EXPECT_TRUE(nearest_neighbours(rows.t().contiguous().t().requires_grad_(), 3).value.equal(wide.value));
}

TEST(NearestNeighbours, RefuseWhatHasNone) {
  using testing::HasSubstr;
  const auto refusal = [](const torch::Tensor& rows, std::int64_t k) {
    return test::error_of<c10::Error>([&] { nearest_neighbours(rows, k); });
  };
  const auto rows = test::random({5, 3}, 1);
  EXPECT_THAT(refusal(rows, 5), HasSubstr("5 neighbours need more than 5 rows, got 5"));
  EXPECT_THAT(refusal(rows, INT64_MAX), HasSubstr("got 5"));
  EXPECT_THAT(refusal(rows, 0), HasSubstr("at least 1, got 0"));
  EXPECT_THAT(refusal(rows[0], 1), HasSubstr("[rows, dim]"));
  EXPECT_THAT(refusal(rows.to(torch::kInt64), 1), HasSubstr("floating-point"));
  EXPECT_THAT(refusal(rows * 1e200, 1), HasSubstr("overflow"));
  for (const double bad : {NAN, INFINITY}) {
    auto damaged = rows.clone();
    damaged[4][2] = bad;
    EXPECT_THAT(refusal(damaged, 1), HasSubstr("NaN or Inf"));
  }
}

TEST(Hsic, IsThePublishedOne) {
  for (const std::string kind : {"f64", "f32"}) {
    const auto all_others = [&](const std::string& name) {
      const auto kernel = comparison("hsic/" + kind + "/" + name);
      const auto n = kernel.size(0);
      const auto off_diagonal = torch::eye(n).eq(0);
      const auto index = torch::arange(n).expand({n, n}).masked_select(off_diagonal).reshape({n, n - 1});
      return Neighbours{index, kernel.masked_select(off_diagonal).reshape({n, n - 1})};
    };
    EXPECT_NEAR(detail::masked_hsic(all_others("K"), all_others("L")),
                comparison("hsic/" + kind + "/unbiased").item<double>(), 1e-6);
  }
}

TEST(Cknna, IsThePublishedOne) {
  for (const std::string kind : {"f64", "f32", "self"}) {
    const auto a = comparison("cknna/" + kind + "/a"), b = comparison("cknna/" + kind + "/b");
    for (const auto k : tops) {
      const auto top = "_top" + std::to_string(k);
      EXPECT_NEAR(cknna(a, b, k), comparison("cknna/" + kind + "/unbiased" + top).item<double>(), 1e-6);
      const auto found = std::get<0>(nearest_neighbours(b, k).index.sort(1));
      const auto stored = comparison("cknna/" + kind + "/neighbours_b" + top).to(torch::kInt64);
      EXPECT_TRUE(found.equal(std::get<0>(stored.sort(1)))) << kind << k;
    }
  }
}

TEST(Cknna, IsThePublishedOneWithThePublishedChoiceOfTies) {
  for (const auto k : tops) {
    const auto stored = [&](const std::string& side) {
      const auto rows = comparison("cknna/sparse_codes/" + side);
      const auto index = comparison("cknna/sparse_codes/neighbours_" + side + "_top" + std::to_string(k));
      const auto wide = index.to(torch::kInt64);
      return Neighbours{wide, rows.mm(rows.t()).gather(1, wide)};
    };
    const auto expected = comparison("cknna/sparse_codes/unbiased_top" + std::to_string(k)).item<double>();
    EXPECT_NEAR(cknna(stored("a"), stored("b")), expected, 1e-6) << k;
  }
}

TEST(Cknna, IsThePublishedOneOfRealRows) {
  const char* real = std::getenv("MSAE_REAL_DATA");
  const char* golden = std::getenv("MSAE_GOLDEN");
  if (!real || !golden) GTEST_SKIP() << "needs the real embeddings and the published numbers";
  const auto file = test::Golden(std::string(golden) + "/metrics.h5");
  const auto source = data::open(std::string(real) + "/clip_vitb32_images.h5:/test/embeddings");
  std::vector<float> values(200 * 512);
  source->read(3000, 200, values);
  auto a = torch::tensor(values).reshape({200, 512});
  a = a - a.mean(0);
  const auto b = a.mm(file.tensor("cknna/clip_rows/projection").to(torch::kFloat32)).relu();
  for (const auto k : tops) {
    const auto expected = file.tensor("cknna/clip_rows/unbiased_top" + std::to_string(k));
    EXPECT_NEAR(cknna(a, b, k), expected.item<double>(), 1e-6) << k;
  }
}

TEST(Cknna, IsItsDefinition) {
  for (const std::int64_t rows : {4, 5, 50}) {
    const auto a = test::random({rows, 12}, 1);
    for (const auto& b : {test::random({rows, 7}, 2), sparse_codes(rows, 3), a.slice(1, 0, 6) * 3}) {
      for (const std::int64_t k : {std::int64_t{1}, std::int64_t{3}, rows - 1}) {
        const double expected = naive::cknna(a, b, k);
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(cknna(a, b, k))) << rows << " rows, k = " << k;
        } else {
          EXPECT_NEAR(cknna(a, b, k), expected, 1e-10) << rows << " rows, k = " << k;
        }
      }
    }
  }
}

TEST(Cknna, IsOneOfEqualSpaces) {
  const auto rows = test::random({80, 10}, 1);
  const auto rotation = std::get<0>(torch::linalg_qr(test::random({10, 10}, 2)));
  EXPECT_NEAR(cknna(rows, rows.mm(rotation) * 2), 1, 1e-5);
  EXPECT_LT(cknna(rows, test::random({80, 10}, 3)), 0.5);
  EXPECT_NEAR(cknna(rows * 1e30, rows * 1e30), 1, 1e-9);
}

TEST(Cknna, DoesNotDependOnTheOrderOfRowsOrNeighbours) {
  const auto a = test::random({60, 9}, 1), b = test::random({60, 14}, 2);
  const auto order = torch::arange(59, -1, -1);
  const double value = cknna(a, b, 6);
  EXPECT_NEAR(cknna(a.index_select(0, order), b.index_select(0, order), 6), value, 1e-12);
  const auto found = nearest_neighbours(a, 6);
  EXPECT_EQ(cknna({found.index.flip(1), found.value.flip(1)}, nearest_neighbours(b, 6)), value);
}

TEST(Cknna, RefusesWhatIsNoNeighbourhood) {
  using testing::HasSubstr;
  const auto rows = test::random({5, 3}, 1);
  const auto good = nearest_neighbours(rows, 2);
  const auto refusal = [&](std::int64_t neighbour, double value) {
    Neighbours bad{good.index.clone(), good.value.clone()};
    bad.index[3][0] = neighbour;
    bad.value[3][0] = value;
    return test::error_of<c10::Error>([&] { cknna(good, bad); });
  };
  EXPECT_THAT(refusal(3, 1), HasSubstr("row 3 of 5 has 3 as a neighbour"));
  EXPECT_THAT(refusal(5, 1), HasSubstr("has 5 as a neighbour"));
  EXPECT_THAT(refusal(-1, 1), HasSubstr("has -1 as a neighbour"));
  EXPECT_THAT(refusal(good.index[3][1].item<std::int64_t>(), 1), HasSubstr("twice"));
  EXPECT_THAT(refusal(good.index[3][0].item<std::int64_t>(), NAN), HasSubstr("NaN"));
  EXPECT_THROW(cknna(good, nearest_neighbours(rows, 3)), c10::Error);
  EXPECT_THROW(cknna(rows, test::random({6, 3}, 1), 2), c10::Error);
  const auto few = test::random({3, 3}, 1);
  EXPECT_THAT(test::error_of<c10::Error>([&] { cknna(few, few, 1); }), HasSubstr("more than 3 rows, got 3"));
  EXPECT_THAT(test::error_of<c10::Error>([&] { cknna(rows, rows); }), HasSubstr("more than 10 rows, got 5"));
}

}  // namespace
}  // namespace msae::eval
