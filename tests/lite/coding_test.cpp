// Codes by least squares beside what they are defined by, over a grid of kinds, options and operating points.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lite/hand_made.h"
#include "lite/naive.h"
#include "models/naive_codes.h"
#include "msae/lite/encoder.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

namespace msae::lite {
namespace {

using test::error_of;
using test::HandMade;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Encoder written(const HandMade& model) {
  const test::TempDir folder;
  test::write_model(model, folder.path());
  return Encoder(folder.path());
}

// Without ties, which rounding would settle.
HandMade without_ties(const io::ModelConfig& config) {
  auto made = test::hand_made(config);
  made.encoder = test::fractions(config.dim * config.latents, 3);
  made.decoder = test::fractions(config.dim * config.latents, 4);
  made.decoder_bias = test::fractions(config.dim, 5);
  made.latent_bias = test::fractions(config.latents, 6);
  made.config.mean = test::fractions(config.dim, 7);
  return made;
}

std::vector<OperatingPoint> some_points(const Encoder& model) {
  std::vector<OperatingPoint> points{OperatingPoint::trained(), OperatingPoint::all(), OperatingPoint::top(0),
                                     OperatingPoint::top(1),
                                     OperatingPoint::top(std::min<std::int64_t>(4, model.latents()))};
  for (std::int64_t i = 0; i < model.level_count(); ++i) points.push_back(OperatingPoint::level(i));
  return points;
}

std::vector<double> all_values(std::span<const ActiveLatent> code, std::int64_t latents) {
  std::vector<double> values(static_cast<std::size_t>(latents));
  for (std::size_t i = 0; i < code.size(); ++i) {
    EXPECT_NE(code[i].value, 0);
    EXPECT_TRUE(i == 0 || code[i - 1].latent < code[i].latent);
    values.at(static_cast<std::size_t>(code[i].latent)) = code[i].value;
  }
  return values;
}

std::vector<std::size_t> not_zero(const std::vector<double>& values) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) places.push_back(i);
  }
  return places;
}

void expect_near(const std::vector<double>& ours, const std::vector<double>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  double largest = 1e-6;
  for (const auto value : theirs) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < theirs.size(); ++i) ASSERT_NEAR(ours[i], theirs[i], 2e-3 * largest) << i;
}

double length_of(const test::Numbers& numbers) {
  return std::sqrt(test::product_of(numbers, numbers));
}

// Where as many latents as a row has numbers leave nothing of it, float32 knows several that do so.
void expect_same_code(const std::vector<test::Numbers>& dictionary, const test::Numbers& target,
                      const test::Numbers& ours, const test::Numbers& theirs, bool has_one_answer) {
  if (has_one_answer) return expect_near(ours, theirs);
  std::vector<std::size_t> all(dictionary.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto left = length_of(test::residual_of(dictionary, target, all, ours)),
             expected = length_of(test::residual_of(dictionary, target, all, theirs));
  ASSERT_NEAR(left, expected, 5e-3 * length_of(target));
}

void expect_as_defined(const HandMade& made) {
  const auto model = written(made);
  const test::Naive naive(made);
  const bool any_sign = made.config.ranking != models::Ranking::positive;
  const auto dictionary = naive.dictionary();
  for (const unsigned seed : {11, 12}) {
    const auto row = test::fractions(made.config.dim, seed);
    const auto target = naive.target(row);
    for (const auto point : some_points(model)) {
      SCOPED_TRACE(io::model_text(made.config) + " at " + point.label());
      const auto support = not_zero(naive.encode(row, point));
      const auto refit = all_values(model.encode(test::floats(row), point, Coding::refit()), model.latents());
      ASSERT_LT(test::distance_from_optimum(dictionary, target, support, refit, any_sign), 5e-3);
      for (const auto latent : not_zero(refit)) ASSERT_THAT(support, testing::Contains(latent));
      const auto most = std::min<std::size_t>(naive.most(row, point), static_cast<std::size_t>(model.dim()));
      for (const std::int64_t candidates : {0, 8}) {
        const auto found =
            all_values(model.encode(test::floats(row), point, Coding::pursuit(candidates)), model.latents());
        const auto expected =
            test::naive_pursuit(dictionary, target, naive.best(row, point, candidates), most, any_sign);
        ASSERT_NO_FATAL_FAILURE(expect_same_code(dictionary, target, found, expected,
                                                 most < static_cast<std::size_t>(model.dim())));
      }
    }
  }
}

TEST(LiteCoding, IsAsDefinedForEveryModelAtEveryPoint) {
  for (const auto& [dim, latents] : {std::pair<std::int64_t, std::int64_t>{7, 17}, {6, 4}, {2, 3}, {5, 30}}) {
    for (const auto& config : test::every_config(dim, latents)) {
      if (config.tied && config.soft_cap > 0) continue;  // neither says anything of these codes
      ASSERT_NO_FATAL_FAILURE(expect_as_defined(without_ties(config)));
    }
  }
}

// More rows than a pursuit takes at a time.
TEST(LiteCoding, GivesABlockWhatItGivesEachRow) {
  constexpr std::size_t count = 66, dim = 5, latents = 17;
  for (const auto& config : test::every_config(dim, latents)) {
    if (config.tied || config.soft_cap > 0) continue;
    const auto made = without_ties(config);
    const auto model = written(made);
    const test::Naive naive(made);
    const auto dictionary = naive.dictionary();
    auto numbers = test::fractions(count * dim, 21);
    std::fill_n(numbers.begin() + 2 * dim, dim, 0);
    const auto rows = test::floats(numbers);
    for (const auto& coding : {Coding::refit(), Coding::pursuit(), Coding::pursuit(6)}) {
      for (const auto point : some_points(model)) {
        SCOPED_TRACE(io::model_text(config) + " at " + point.label() + " by " + coding.name());
        const auto codes = model.encode_rows(rows, point, coding);
        const auto all = model.encode_dense(rows, point, coding);
        ASSERT_EQ(codes.rows(), count);
        for (std::size_t i = 0; i < count; ++i) {
          const auto first = numbers.begin() + static_cast<std::ptrdiff_t>(i * dim);
          const std::vector<double> row(first, first + dim);
          const auto alone = all_values(
              model.encode(std::span<const float>(rows).subspan(i * dim, dim), point, coding), latents);
          const auto block = all_values(codes[i], latents);
          ASSERT_NO_FATAL_FAILURE(
              expect_same_code(dictionary, naive.target(row), block, alone, naive.most(row, point) < dim));
          const auto from = all.begin() + static_cast<std::ptrdiff_t>(i * latents);
          const std::vector<double> dense(from, from + latents);
          ASSERT_NO_FATAL_FAILURE(expect_near(dense, block));
        }
      }
    }
  }
}

TEST(LiteCoding, OfNoRowsAndOfNothingToExplain) {
  const auto made = without_ties({.dim = 5, .latents = 17, .activation = models::TopK{3}});
  const auto model = written(made);
  EXPECT_EQ(model.encode_rows({}, {}, Coding::pursuit()).rows(), 0u);
  EXPECT_THAT(model.encode_dense({}, {}, Coding::refit()), IsEmpty());
  const auto bias = test::floats(made.decoder_bias);
  EXPECT_THAT(model.encode(bias, {}, Coding::pursuit()), IsEmpty());
}

TEST(LiteCoding, RefusesWhatCannotBe) {
  const auto model = written(without_ties({.dim = 5, .latents = 17, .activation = models::TopK{3}}));
  std::vector<float> row(5, 1.f);
  const auto said = [&](OperatingPoint point, Coding coding) {
    return error_of<std::invalid_argument>([&] { model.encode_rows(row, point, coding); });
  };
  EXPECT_THAT(said({}, Coding::pursuit(2)), "candidates: must be at least k, 3, or 0 for all, not 2");
  EXPECT_THAT(said(OperatingPoint::all(), Coding::pursuit(4)),
              "candidates: must be at least k, 5, or 0 for all, not 4");
  EXPECT_THAT(said({}, {Coding::Kind::refit, 4}), HasSubstr("candidates: are for pursuit"));
  row[2] = 1e30f;
  EXPECT_EQ(said({}, Coding::pursuit()),
            "row 0: its numbers are so large that latents are not finite in float32");
  EXPECT_EQ(error_of<std::invalid_argument>([&] { model.encode(row, {}, Coding::refit()); }),
            "row: its numbers are so large that latents are not finite in float32");
}

}  // namespace
}  // namespace msae::lite
