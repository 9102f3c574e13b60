// The pursuit of many rows beside its definition, one row and one latent at a time.
#include "models/pursuit.h"

#include <gtest/gtest.h>

#include "kernels/threads.h"
#include "models/pursuit_problem.h"

namespace msae::models {
namespace {

using test::Code;
using test::codes_of_problem;
using test::Kind;
using test::least_squares_on;
using test::left_of;
using test::Problem;
using test::Rows;
using test::Vector;

/// The definition: everything from scratch for each latent that joins.
class Naive {
 public:
  /// \param margin of a choice, over the target's norm, below which it may be another one
  Naive(Rows decoder, Vector target, bool any_sign, double margin)
      : decoder_(std::move(decoder)), target_(std::move(target)), any_sign_(any_sign), margin_(margin) {}

  /// The next latent joins. \return false where there is none
  bool join(const std::vector<std::int32_t>& candidates) {
    const auto left = left_of(decoder_, target_, code);
    const double norm = target_.norm();
    double best = 0, second = 0;
    std::int32_t next = -1;
    for (const auto latent : candidates) {
      if (code.count(latent) != 0 || decoder_.row(latent).norm() == 0) continue;
      const double signed_product = decoder_.row(latent).dot(left) / decoder_.row(latent).norm();
      const double product = any_sign_ ? std::abs(signed_product) : signed_product;
      if (product > best) {
        second = best;
        best = product;
        next = latent;
      } else {
        second = std::max(second, product);
      }
    }
    // It ends where the target is met, which is close to zero of either sign; else by margin.
    if (next < 0 || best <= 1e-12 * norm) return false;
    if (best < margin_ * norm || best - second < margin_ * norm) is_clear = false;
    if (share_outside(next) < std::sqrt(margin_)) is_clear = false;
    code[next] = 0;
    solve();
    return true;
  }

  Code code;
  bool is_clear = true;  ///< every choice was by margin
  std::size_t departures = 0;

 private:
  std::vector<std::int32_t> members() const {
    std::vector<std::int32_t> latents;
    for (const auto& [latent, _] : code) latents.push_back(latent);
    return latents;
  }

  // Of a decoder row's square, what sticks out of the span of the members': the less, the more rounding
  // matters.
  double share_outside(std::int32_t latent) const {
    const auto latents = members();
    Vector rest = decoder_.row(latent);
    const double square = rest.squaredNorm();
    if (latents.empty()) return 1;
    const auto values = least_squares_on(decoder_, rest, latents);
    for (std::size_t i = 0; i < latents.size(); ++i) {
      rest -= values[static_cast<std::int64_t>(i)] * decoder_.row(latents[i]).transpose();
    }
    return rest.squaredNorm() / square;
  }

  void solve() {
    while (true) {
      const auto latents = members();
      const auto solved = least_squares_on(decoder_, target_, latents);
      double share = 1;
      std::int32_t gone = -1;
      for (std::size_t i = 0; i < latents.size() && !any_sign_; ++i) {
        const double from = code[latents[i]], to = solved[static_cast<std::int64_t>(i)];
        if (std::abs(to) * decoder_.row(latents[i]).norm() < margin_ * target_.norm()) is_clear = false;
        if (to > 0 || from / (from - to) >= share) continue;
        share = from / (from - to);
        gone = latents[i];
      }
      for (std::size_t i = 0; i < latents.size(); ++i) {
        auto& value = code[latents[i]];
        value += share * (solved[static_cast<std::int64_t>(i)] - value);
      }
      if (gone < 0) return;
      code.erase(gone);
      ++departures;
    }
  }

  Rows decoder_;
  Vector target_;
  bool any_sign_;
  double margin_;
};

// What has been compared, so that a test that compares little fails.
struct Compared {
  std::size_t codes = 0, unclear = 0, departures = 0, largest = 0;
};

template <typename T>
void expect_as_defined(const Problem<T>& problem, Compared& compared) {
  constexpr bool wide = sizeof(T) == 8;
  const auto decoder = problem.decoder();
  const auto codes = codes_of_problem(problem);
  for (std::int64_t row = 0; row < problem.rows; ++row) {
    const auto target = problem.target(row);
    Naive naive(decoder, target, problem.any_sign, wide ? 1e-9 : 1e-4);
    const auto candidates = problem.candidates_of(row);
    for (std::size_t i = 0; i < problem.ks.size(); ++i) {
      auto most = problem.ks[i];
      if (!problem.limits.empty()) most = std::min(most, problem.limits[static_cast<std::size_t>(row)]);
      while (static_cast<std::int64_t>(naive.code.size()) < most && naive.join(candidates)) {
      }
      const auto& code = codes[static_cast<std::size_t>(row)][i];
      ASSERT_LE(static_cast<std::int64_t>(code.size()), std::max<std::int64_t>(0, most));
      if (!naive.is_clear) {
        ++compared.unclear;
        continue;
      }
      ++compared.codes;
      compared.largest = std::max(compared.largest, code.size());
      ASSERT_EQ(code.size(), naive.code.size()) << "row " << row << ", k " << problem.ks[i];
      for (const auto& [latent, _] : naive.code) ASSERT_EQ(code.count(latent), 1u) << "row " << row;
      const Vector apart = left_of(decoder, target, code) - left_of(decoder, target, naive.code);
      ASSERT_LE(apart.norm(), (wide ? 1e-10 : 1e-3) * target.norm());
    }
    if (naive.is_clear) compared.departures += naive.departures;
  }
}

template <typename T>
class PursuitOf : public testing::Test {};
TYPED_TEST_SUITE(PursuitOf, kernels::test::Precisions);

TYPED_TEST(PursuitOf, IsAsDefined) {
  struct Shape {
    std::int64_t rows, dim, latents;
  };
  Compared compared;
  std::uint64_t seed = 0;
  for (const auto [rows, dim, latents] : {Shape{0, 3, 4}, Shape{1, 1, 1}, Shape{63, 3, 7}, Shape{64, 5, 20},
                                          Shape{65, 4, 33}, Shape{130, 4, 11}, Shape{2, 33, 130}}) {
    for (const auto kind : {Kind::plain, Kind::coherent, Kind::odd}) {
      for (int options = 0; options < 16; ++options) {
        Problem<TypeParam> problem{.rows = rows, .dim = dim, .latents = latents};
        problem.any_sign = (options & 1) != 0;
        problem.prepared = (options & 2) != 0;
        problem.fill(kind, ++seed);
        if ((options & 4) != 0) problem.choose(std::max<std::int64_t>(1, latents / 2), seed);
        if ((options & 8) != 0) {
          for (std::int64_t i = 0; i < rows; ++i) problem.limits.push_back(i % (dim + 1));
        }
        // Beyond, what is left is of the size of rounding.
        const auto most = problem.any_sign ? dim - 1 : dim;
        problem.ks = {0, 1};
        for (const auto k : {std::int64_t{2}, dim / 2, most}) {
          if (k > problem.ks.back()) problem.ks.push_back(k);
        }
        SCOPED_TRACE(testing::Message() << rows << " x " << dim << ", " << latents << " latents, kind "
                                        << static_cast<int>(kind) << ", options " << options);
        ASSERT_NO_FATAL_FAILURE(expect_as_defined(problem, compared));
        problem.ks = {most};  // which has a shorter way where there are no more candidates
        ASSERT_NO_FATAL_FAILURE(expect_as_defined(problem, compared));
      }
    }
  }
  EXPECT_GT(compared.codes, 10000u);
  EXPECT_LT(compared.unclear, compared.codes / 10);
  EXPECT_GT(compared.departures, 500u);
  EXPECT_GT(compared.largest, 20u);
}

TYPED_TEST(PursuitOf, MeetsSmallerCodesOnTheWay) {
  for (int options = 0; options < 8; ++options) {
    Problem<TypeParam> problem{.rows = 66, .dim = 21, .latents = 80};
    problem.any_sign = (options & 1) != 0;
    problem.prepared = (options & 2) != 0;
    problem.fill(Kind::coherent, 5);
    if ((options & 4) != 0) problem.choose(60, 6);
    problem.ks = {0, 1, 3, 3, 4, 9, 15};
    const auto together = codes_of_problem(problem);
    for (std::size_t i = 0; i < problem.ks.size(); ++i) {
      auto alone = problem;
      alone.ks = {0, problem.ks[i]};
      const auto codes = codes_of_problem(alone);
      for (std::size_t row = 0; row < codes.size(); ++row) ASSERT_EQ(together[row][i], codes[row][1]);
    }
  }
}

TYPED_TEST(PursuitOf, DoesNotDependOnThreads) {
  for (int options = 0; options < 4; ++options) {
    Problem<TypeParam> problem{.rows = 200, .dim = 15, .latents = 50};
    problem.prepared = (options & 1) != 0;
    problem.fill(Kind::coherent, 7);
    if ((options & 2) != 0) problem.choose(20, 8);
    problem.ks = {2, 12};
    const auto expected = codes_of_problem(problem);
    EXPECT_EQ(codes_of_problem(problem, kernels::test::Threads(3)), expected);
    EXPECT_EQ(codes_of_problem(problem, kernels::test::TakingTurns(2)), expected);
  }
}

}  // namespace
}  // namespace msae::models
