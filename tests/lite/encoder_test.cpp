// The encoder beside the formulas, over a grid of kinds, options, sizes and operating points.
#include "msae/lite/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "lite/hand_made.h"
#include "lite/naive.h"
#include "support/temp_dir.h"

namespace msae::lite {
namespace {

using test::HandMade;
using test::Naive;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

Encoder loaded(const HandMade& model, const std::string& dtype = "F32") {
  const test::TempDir folder;
  test::write_model(model, folder.path(), dtype);
  return Encoder(folder.path());
}

std::string name_of(const io::ModelConfig& config) {
  return io::model_text(config) + " " + std::to_string(config.dim) + " x " + std::to_string(config.latents);
}

std::vector<OperatingPoint> points_of(const Encoder& model) {
  std::vector<OperatingPoint> points{OperatingPoint::trained(), OperatingPoint::all(), OperatingPoint::top(0),
                                     OperatingPoint::top(1), OperatingPoint::top(model.latents())};
  if (model.latents() > 4) points.push_back(OperatingPoint::top(4));
  for (std::int64_t i = 0; i < model.level_count(); ++i) points.push_back(OperatingPoint::level(i));
  return points;
}

std::vector<double> dense(std::span<const ActiveLatent> code, std::int64_t latents) {
  std::vector<double> z(static_cast<std::size_t>(latents));
  for (const auto& [latent, value] : code) z.at(static_cast<std::size_t>(latent)) = value;
  return z;
}

std::vector<bool> active(const std::vector<double>& z) {
  std::vector<bool> is_active;
  for (const auto value : z) is_active.push_back(value != 0);
  return is_active;
}

// Ascending, without zeros.
void expect_tidy(std::span<const ActiveLatent> code) {
  for (std::size_t i = 0; i < code.size(); ++i) {
    ASSERT_NE(code[i].value, 0);
    if (i > 0) {
      ASSERT_LT(code[i - 1].latent, code[i].latent);
    }
  }
}

template <typename Values>
void expect_close(const Values& ours, const std::vector<double>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  double largest = 1;
  for (const auto value : theirs) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < theirs.size(); ++i) ASSERT_NEAR(ours[i], theirs[i], 1e-5 * largest) << i;
}

// One row at a time, and a row of zeros among them.
void expect_as_formulas(const HandMade& made, const std::string& dtype = "F32") {
  const auto model = loaded(made, dtype);
  const Naive naive(made);
  const auto numbers = made.config.normalise_rows ? test::fractions : test::quarters;
  for (const unsigned seed : {11, 12, 0}) {
    const auto row = seed == 0 ? std::vector<double>(static_cast<std::size_t>(made.config.dim))
                               : numbers(made.config.dim, seed);
    for (const auto point : points_of(model)) {
      SCOPED_TRACE(name_of(made.config) + " at " + point.label() + ", row " + std::to_string(seed));
      const auto code = model.encode(test::floats(row), point);
      ASSERT_NO_FATAL_FAILURE(expect_tidy(code));
      const auto z = dense(code, model.latents());
      const auto expected = naive.encode(row, point);
      ASSERT_EQ(active(z), active(expected));
      ASSERT_NO_FATAL_FAILURE(expect_close(z, expected));
      ASSERT_NO_FATAL_FAILURE(expect_close(model.decode(code), naive.decode(z, std::nullopt)));
      ASSERT_NO_FATAL_FAILURE(expect_close(model.decode(code, test::floats(row)), naive.decode(z, row)));
    }
  }
}

struct Size {
  std::int64_t dim, latents;
};

class LiteGrid : public ::testing::TestWithParam<Size> {};

TEST_P(LiteGrid, ComputesTheFormulasAtEveryPoint) {
  for (const auto& config : test::every_config(GetParam().dim, GetParam().latents)) {
    ASSERT_NO_FATAL_FAILURE(expect_as_formulas(test::hand_made(config)));
  }
}

TEST_P(LiteGrid, GivesABlockWhatItGivesEachRow) {
  const auto dim = GetParam().dim;
  for (const auto& config : test::every_config(dim, GetParam().latents)) {
    const auto model = loaded(test::hand_made(config));
    const auto numbers = config.normalise_rows ? test::fractions : test::quarters;
    auto rows = test::floats(numbers(7 * dim, 21));
    std::fill_n(rows.begin() + 2 * dim, dim, 0.f);
    for (const auto point : points_of(model)) {
      SCOPED_TRACE(name_of(config) + " at " + point.label());
      const auto codes = model.encode_rows(rows, point);
      const auto all = model.encode_dense(rows, point);
      const auto decoded = model.decode_rows(codes, rows), from_dense = model.decode_dense(all, rows);
      ASSERT_EQ(codes.rows(), 7u);
      for (std::size_t i = 0; i < 7; ++i) {
        const auto width = static_cast<std::size_t>(dim), height = static_cast<std::size_t>(model.latents());
        const auto row = std::span<const float>(rows).subspan(i * width, width);
        const auto code = model.encode(row, point);
        const auto z = dense(code, model.latents());
        ASSERT_NO_FATAL_FAILURE(expect_tidy(codes[i]));
        ASSERT_EQ(active(dense(codes[i], model.latents())), active(z));
        ASSERT_NO_FATAL_FAILURE(expect_close(dense(codes[i], model.latents()), z));
        ASSERT_NO_FATAL_FAILURE(expect_close(std::span(all).subspan(i * height, height), z));
        const auto alone = model.decode(code, row);
        const std::vector<double> expected(alone.begin(), alone.end());
        ASSERT_NO_FATAL_FAILURE(expect_close(std::span(decoded).subspan(i * width, width), expected));
        ASSERT_NO_FATAL_FAILURE(expect_close(std::span(from_dense).subspan(i * width, width), expected));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, LiteGrid,
                         ::testing::Values(Size{1, 1}, Size{5, 3}, Size{13, 7}, Size{3, 37}, Size{29, 101}),
                         [](const auto& size) {
                           return std::to_string(size.param.dim) + "x" + std::to_string(size.param.latents);
                         });

TEST(LiteEncoder, ReadsWeightsOfEveryPrecision) {
  for (const auto* dtype : {"F16", "BF16", "F32", "F64"}) {
    for (const auto& config : test::every_config(5, 9)) {
      if (config.normalise_rows) continue;  // whose weights are not exact in all of them
      ASSERT_NO_FATAL_FAILURE(expect_as_formulas(test::hand_made(config), dtype)) << dtype;
    }
  }
}

TEST(LiteEncoder, ReadsWeightsThatTakeSeveralBlocks) {
  const auto made = test::hand_made({.dim = 41, .latents = 60'001, .activation = models::Relu{}});
  const auto row = test::quarters(41, 11);
  const auto model = loaded(made);
  const auto z = dense(model.encode(test::floats(row)), model.latents());
  expect_close(z, Naive(made).encode(row, OperatingPoint::all()));
  expect_close(model.decode(model.encode(test::floats(row))), Naive(made).decode(z, std::nullopt));
}

TEST(LiteEncoder, EncodesMoreRowsThanAreHeldAtATime) {
  const auto model = loaded(test::hand_made({.dim = 2, .latents = 300'000, .activation = models::TopK{3}}));
  const auto rows = test::floats(test::quarters(2 * 8, 3));
  const auto codes = model.encode_rows(rows);
  ASSERT_EQ(codes.rows(), 8u);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_THAT(codes[i], ElementsAreArray(model.encode(std::span(rows).subspan(2 * i, 2))));
  }
}

// Three latents of the same direction, and one that is larger.
HandMade tied_latents(std::int64_t k) {
  auto made = test::hand_made({.dim = 1, .latents = 4, .activation = models::TopK{k}});
  made.config.scale = 1;
  made.config.mean = {0};
  made.encoder = {1, 1, 2, 1};
  made.decoder_bias = {0};
  made.latent_bias = {0, 0, 0, 0};
  return made;
}

TEST(LiteEncoder, GivesTiesToTheLowerIndex) {
  const std::vector<float> row{1.5};
  EXPECT_THAT(loaded(tied_latents(2)).encode(row), ElementsAre(ActiveLatent{0, 1.5}, ActiveLatent{2, 3}));
  EXPECT_THAT(loaded(tied_latents(3)).encode(row),
              ElementsAre(ActiveLatent{0, 1.5}, ActiveLatent{1, 1.5}, ActiveLatent{2, 3}));
}

TEST(LiteEncoder, KeepsFewerWhereFewerArePositive) {
  auto made = tied_latents(3);
  made.encoder = {-1, -1, 2, 0};
  EXPECT_THAT(loaded(made).encode(std::vector<float>{1}), ElementsAre(ActiveLatent{2, 2}));
  made.encoder = {-1, -1, -2, 0};
  EXPECT_THAT(loaded(made).encode(std::vector<float>{1}), IsEmpty());
}

TEST(LiteEncoder, ThresholdsBelowZeroKeepEveryPositiveLatent) {
  auto made = tied_latents(1);
  made.config.activation = models::JumpRelu{};
  made.encoder = {-0.5, 0.25, 2, 0};
  made.threshold = {-1, 0, 2, -3};
  EXPECT_THAT(loaded(made).encode(std::vector<float>{1}), ElementsAre(ActiveLatent{1, 0.25}));
}

TEST(LiteEncoder, EncodesNoRows) {
  const auto model = loaded(tied_latents(2));
  EXPECT_EQ(model.encode_rows({}).rows(), 0u);
  EXPECT_THAT(model.encode_dense({}), IsEmpty());
  EXPECT_THAT(model.decode_rows({}), IsEmpty());
  EXPECT_THAT(model.decode_dense({}), IsEmpty());
}

TEST(LiteEncoder, DecodesLatentsInAnyOrderAndSign) {
  auto made = tied_latents(2);
  made.decoder = {1, 2, 4, 8};
  const auto model = loaded(made);
  EXPECT_THAT(model.decode(std::vector<ActiveLatent>{{3, 1}, {0, -2}, {3, 0.5}}), ElementsAre(10));
  EXPECT_THAT(model.decode({}), ElementsAre(0));
}

TEST(LiteEncoder, ServesSeveralThreadsAtOnce) {
  const auto model = loaded(test::hand_made({.dim = 29, .latents = 101, .activation = models::TopK{5}}));
  const auto rows = test::floats(test::quarters(29 * 50, 3));
  const auto expected = model.encode_rows(rows);
  std::vector<SparseRows> codes(4);
  std::vector<std::thread> threads;
  for (auto& mine : codes) threads.emplace_back([&] { mine = model.encode_rows(rows); });
  for (auto& thread : threads) thread.join();
  for (const auto& mine : codes) EXPECT_EQ(mine.entries, expected.entries);
}

TEST(LiteEncoder, OutlivesItsFolderAndTheOneItWasCopiedFrom) {
  auto first = std::make_unique<Encoder>(loaded(tied_latents(2)));
  const auto copy = *first;
  first.reset();
  EXPECT_EQ(copy.encode(std::vector<float>{1}).size(), 2u);
}

}  // namespace
}  // namespace msae::lite
