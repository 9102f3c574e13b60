// What the encoder says about rows, points and latents that cannot be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lite/hand_made.h"
#include "msae/lite/encoder.h"
#include "support/temp_dir.h"

namespace msae::lite {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

template <typename Call>
void expect_refused(const Call& call, const std::string& sentence) {
  EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(sentence)));
}

// Of dimension 3 with 5 latents.
class LiteBadInput : public ::testing::Test {
 protected:
  LiteBadInput() : model_(read(models::Matryoshka{.levels = {2, 5}})) {}

  Encoder read(const models::Activation& activation) const {
    test::write_model(test::hand_made({.dim = 3, .latents = 5, .activation = activation}), folder_.path());
    return Encoder(folder_.path());
  }

  test::TempDir folder_;
  Encoder model_;
  const std::vector<float> row_{1, 2, 3}, two_{1, 2, 3, 4, 5, 6};
};

TEST_F(LiteBadInput, RowsAreOfAnotherLength) {
  const std::vector<float> shorter{1, 2}, longer{1, 2, 3, 4};
  expect_refused([&] { model_.encode(shorter); }, "row: has 2 numbers, but the model takes 3");
  expect_refused([&] { model_.encode(longer); }, "row: has 4 numbers");
  expect_refused([&] { model_.encode({}); }, "row: has 0 numbers");
  expect_refused([&] { model_.encode_rows(longer); }, "rows: 4 numbers are no whole rows of 3");
  expect_refused([&] { model_.encode_dense(longer); }, "rows: 4 numbers are no whole rows of 3");
  expect_refused([&] { model_.decode({}, shorter); }, "row: has 2 numbers");
  expect_refused([&] { model_.decode_dense(longer); }, "latents: 4 numbers are no whole rows of 5");
}

TEST_F(LiteBadInput, RowsHoldNaNOrInf) {
  using Float = std::numeric_limits<float>;
  for (const float bad : {Float::quiet_NaN(), Float::infinity(), -Float::infinity()}) {
    auto row = row_, two = two_;
    row[1] = bad;
    two[5] = bad;
    expect_refused([&] { model_.encode(row); }, "row: holds NaN or Inf, first at 1");
    expect_refused([&] { model_.encode_rows(two); }, "row 1: holds NaN or Inf, first at 2");
    expect_refused([&] { model_.encode_dense(two); }, "row 1: holds NaN or Inf, first at 2");
    expect_refused([&] { model_.decode({}, row); }, "row: holds NaN or Inf, first at 1");
  }
}

TEST_F(LiteBadInput, RowsAreTooLargeForFloat32) {
  auto row = row_, two = two_;
  row[0] = row[1] = row[2] = two[3] = two[4] = two[5] = std::numeric_limits<float>::max();
  expect_refused([&] { model_.encode(row); }, "row: its numbers are so large");
  expect_refused([&] { model_.encode_rows(two); }, "row 1: its numbers are so large");
}

TEST_F(LiteBadInput, ModelsHaveNoSuchPoint) {
  expect_refused([&] { model_.encode(row_, OperatingPoint::top(-1)); }, "k: must be from 0 to 5, not -1");
  expect_refused([&] { model_.encode(row_, OperatingPoint::top(6)); }, "k: must be from 0 to 5, not 6");
  expect_refused([&] { model_.encode_rows({}, OperatingPoint::level(2)); },
                 "level: must be from 0 to 1, not 2");
  expect_refused([&] { model_.encode_dense({}, OperatingPoint::level(-1)); },
                 "level: must be from 0 to 1, not -1");
  expect_refused([&] { read(models::TopK{2}).encode(row_, OperatingPoint::level(1)); },
                 "level: must be 0 for a topk model, not 1");
}

TEST_F(LiteBadInput, LatentsDoNotExist) {
  for (const std::int32_t latent : {-1, 5}) {
    const std::vector<ActiveLatent> code{{0, 1}, {latent, 1}};
    expect_refused([&] { model_.decode(code); },
                   "latent: must be from 0 to 4, not " + std::to_string(latent));
  }
}

TEST_F(LiteBadInput, RowsAndTheirLatentsAreNotAsMany) {
  const auto codes = model_.encode_rows(two_);
  expect_refused([&] { model_.decode_rows(codes, row_); }, "rows: there are 1, but latents of 2");
  expect_refused([&] { model_.decode_dense(std::vector<float>(5), two_); },
                 "rows: there are 2, but latents of 1");
}

TEST_F(LiteBadInput, SparseRowsAreNoneOfOurs) {
  const std::vector<ActiveLatent> entries{{0, 1}, {1, 1}};
  for (const auto& starts : std::vector<std::vector<std::size_t>>{{}, {0}, {1, 2}, {0, 3}, {0, 2, 1, 2}}) {
    expect_refused([&] { model_.decode_rows({starts, entries}); }, "codes: starts must ascend");
  }
}

}  // namespace
}  // namespace msae::lite
