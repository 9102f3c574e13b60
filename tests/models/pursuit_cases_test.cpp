// What a pursuit does where something is odd: equal latents, sums of others, nothing to find, all there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/pursuit_problem.h"

namespace msae::models {
namespace {

using test::codes_of_problem;
using test::Kind;
using test::left_of;
using test::Problem;
using test::Vector;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

template <typename T>
class OddPursuit : public testing::Test {};
TYPED_TEST_SUITE(OddPursuit, kernels::test::Precisions);

// The first of those that join; later ones may differ by rounding. The other one is then its sum.
TYPED_TEST(OddPursuit, TakesTheLowerOfEqualLatentsAndNotBoth) {
  for (int options = 0; options < 8; ++options) {
    Problem<TypeParam> problem{.rows = 20, .dim = 8, .latents = 24};
    problem.any_sign = (options & 1) != 0;
    problem.prepared = (options & 2) != 0;
    problem.fill(Kind::plain, 9);
    std::copy_n(problem.dictionary.begin(), 12 * 8, problem.dictionary.begin() + 12 * 8);
    if ((options & 4) != 0) {  // from the last to the first
      problem.starts = {0};
      for (std::int64_t row = 0; row < problem.rows; ++row) {
        for (std::int32_t i = 24; i-- > 0;) problem.candidates.push_back(i);
        problem.starts.push_back(24 * (row + 1));
      }
    }
    problem.ks = {1, 7};
    for (const auto& codes : codes_of_problem(problem)) {
      ASSERT_EQ(codes[0].size(), 1u);
      EXPECT_LT(codes[0].begin()->first, 12);
      ASSERT_GE(codes[1].size(), 3u);
      for (const auto& [latent, _] : codes[1]) EXPECT_EQ(codes[1].count(latent + 12), 0u);
    }
  }
}

// Its value would be rounding, times much.
TYPED_TEST(OddPursuit, PassesOverALatentThatIsAlmostAMember) {
  constexpr auto apart = static_cast<TypeParam>(sizeof(TypeParam) == 8 ? 1e-5 : 3e-4);
  for (int options = 0; options < 4; ++options) {
    Problem<TypeParam> problem{.rows = 1, .dim = 3, .latents = 3, .any_sign = true};
    problem.prepared = (options & 1) != 0;
    problem.dictionary = {1, 0, 0, 1, apart, 0, 0, 0, 1};
    problem.targets = {1, 0.5, apart / 8};
    if ((options & 2) != 0) problem.choose(3, 1);
    problem.ks = {1, 3};
    const auto codes = codes_of_problem(problem);
    EXPECT_THAT(codes[0][0], UnorderedElementsAre(testing::Key(1)));
    EXPECT_THAT(codes[0][1], UnorderedElementsAre(testing::Key(1), testing::Key(2)));
  }
}

TYPED_TEST(OddPursuit, ASumOfFewLatentsIsFound) {
  for (int options = 0; options < 4; ++options) {
    Problem<TypeParam> problem{.rows = 65, .dim = 64, .latents = 100};
    problem.prepared = (options & 1) != 0;
    problem.fill(Kind::plain, 10);
    if ((options & 2) != 0) problem.choose(103, 11);
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      for (std::int64_t j = 0; j < 64; ++j) {
        const auto at = [&](std::int64_t latent) {
          return problem.dictionary[static_cast<std::size_t>(latent % 100 * 64 + j)];
        };
        problem.targets[static_cast<std::size_t>(row * 64 + j)] =
            3 * at(row) + 2 * at(row + 7) + 4 * at(row + 30);
      }
    }
    problem.ks = {10};
    const auto codes = codes_of_problem(problem);
    const double rounding = sizeof(TypeParam) == 8 ? 1e-12 : 1e-5;
    const auto about = [&](double value) { return testing::DoubleNear(value, rounding); };
    for (std::int32_t row = 0; row < 65; ++row) {
      if (problem.candidates_of(row).size() < 100) continue;
      EXPECT_THAT(codes[static_cast<std::size_t>(row)][0],
                  UnorderedElementsAre(Pair(row % 100, about(3)), Pair((row + 7) % 100, about(2)),
                                       Pair((row + 30) % 100, about(4))));
    }
  }
}

TYPED_TEST(OddPursuit, EndsWithAsManyLatentsAsTheyHaveDimensions) {
  for (int options = 0; options < 8; ++options) {
    Problem<TypeParam> problem{.rows = 10, .dim = 12, .latents = 40};
    problem.any_sign = (options & 1) != 0;
    problem.prepared = (options & 2) != 0;
    problem.fill(Kind::plain, 12);
    if ((options & 4) != 0) problem.choose(42, 13);
    // All in three dimensions.
    const auto decoder = problem.decoder();
    for (std::int64_t i = 3; i < 40; ++i) {
      for (std::int64_t j = 0; j < 12; ++j) {
        problem.dictionary[static_cast<std::size_t>(i * 12 + j)] = static_cast<TypeParam>(
            decoder(i, 0) * decoder(0, j) + decoder(i, 1) * decoder(1, j) + decoder(i, 2) * decoder(2, j));
      }
    }
    problem.ks = {5, 12, 1000};
    const auto codes = codes_of_problem(problem);
    for (std::int64_t row = 0; row < 10; ++row) {
      const auto& code = codes[static_cast<std::size_t>(row)][2];
      ASSERT_LE(code.size(), 3u);
      const Vector left = left_of(problem.decoder(), problem.target(row), code);
      for (const auto latent : problem.candidates_of(row)) {
        const double gain = problem.decoder().row(latent).dot(left);
        ASSERT_LE(problem.any_sign ? std::abs(gain) : gain, sizeof(TypeParam) == 8 ? 1e-12 : 1e-4);
      }
    }
  }
}

TYPED_TEST(OddPursuit, NothingIsFoundWhereThereIsNone) {
  for (const bool prepared : {false, true}) {
    Problem<TypeParam> problem{.rows = 3, .dim = 2, .latents = 3};
    problem.prepared = prepared;
    problem.dictionary = {1, 0, 0, 0, 1, 1};
    const auto nan = kernels::test::nan_of<TypeParam>;
    problem.targets = {-1, -2, 0, 0, nan, nan};
    problem.ks = {0, 1, 3};
    for (const auto& codes : codes_of_problem(problem)) EXPECT_THAT(codes, testing::Each(IsEmpty()));
    problem.any_sign = true;
    const auto codes = codes_of_problem(problem);
    EXPECT_THAT(codes[0][2], UnorderedElementsAre(Pair(0, testing::DoubleNear(1, 1e-6)),
                                                  Pair(2, testing::DoubleNear(-2, 1e-6))));
    EXPECT_THAT(codes[1][2], IsEmpty());
    EXPECT_THAT(codes[2][2], IsEmpty());
    problem.starts = {0, 1, 3, 6};
    problem.candidates = {1, 0, 2, 0, 1, 2};
    problem.ks = {3};
    for (const auto& own : codes_of_problem(problem)) EXPECT_THAT(own[0], IsEmpty());
  }
}

// The short way of a refit, and the long one, which a second k asks for.
TYPED_TEST(OddPursuit, ARefitIsNonNegativeLeastSquares) {
  constexpr bool wide = sizeof(TypeParam) == 8;
  for (int options = 0; options < 8; ++options) {
    Problem<TypeParam> problem{.rows = 40, .dim = 40, .latents = 90};
    problem.any_sign = (options & 1) != 0;
    problem.prepared = (options & 2) != 0;
    problem.fill(Kind::coherent, 14);
    problem.choose(30, 15);
    if ((options & 4) != 0) {  // each row's own number, as a k that is larger says nothing
      for (std::size_t i = 0; i + 1 < problem.starts.size(); ++i) {
        problem.limits.push_back(problem.starts[i + 1] - problem.starts[i]);
      }
    }
    problem.ks = {90};
    const auto short_way = codes_of_problem(problem);
    problem.ks = {90, 90};
    const auto long_way = codes_of_problem(problem);
    std::size_t without_value = 0;
    for (std::int64_t row = 0; row < problem.rows; ++row) {
      const auto& code = short_way[static_cast<std::size_t>(row)][0];
      const auto candidates = problem.candidates_of(row);
      const Vector left = left_of(problem.decoder(), problem.target(row), code);
      without_value += candidates.size() - code.size();
      for (const auto& [latent, value] : code) {
        ASSERT_TRUE(std::binary_search(candidates.begin(), candidates.end(), latent));
        ASSERT_TRUE(problem.any_sign || value > 0);
      }
      for (const auto latent : candidates) {
        const double gain = problem.decoder().row(latent).dot(left);
        const bool is_free = problem.any_sign || code.count(latent) != 0;
        ASSERT_LE(is_free ? std::abs(gain) : gain, wide ? 1e-10 : 2e-3) << "row " << row;
      }
      const Vector other =
          left_of(problem.decoder(), problem.target(row), long_way[static_cast<std::size_t>(row)][0]);
      ASSERT_LE((left - other).norm(), wide ? 1e-10 : 1e-3);
    }
    EXPECT_EQ(without_value == 0, problem.any_sign);
  }
}

TEST(Pursuit, PreparesWithinItsMemory) {
  Problem<float> problem{.rows = 1, .dim = 3, .latents = 10};
  problem.fill(Kind::plain, 16);
  std::size_t products = 0;
  const kernels::Product<float> counted{[&](bool, std::int64_t n, std::int64_t, const float*) {
    return
        [&products, n](std::int64_t m, const float*, float*) { products += static_cast<std::size_t>(m * n); };
  }};
  const kernels::Serial serial;
  Pursuit<float> pursuit({problem.dictionary.data(), 10, 3, false}, counted, serial);
  pursuit.prepare(399);
  EXPECT_EQ(products, 0u);
  pursuit.prepare(400);
  EXPECT_EQ(products, 100u);
}

}  // namespace
}  // namespace msae::models
