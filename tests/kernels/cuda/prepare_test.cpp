#include "kernels/cuda/prepare.h"

#include <gtest/gtest.h>

#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

template <typename F>
class CudaPrepare : public testing::Test {};
TYPED_TEST_SUITE(CudaPrepare, Factors);

template <typename F>
void expect_model_space(std::int64_t rows, std::int64_t dim) {
  SCOPED_TRACE(testing::Message() << rows << " x " << dim);
  Random random(static_cast<std::uint64_t>(rows + 100 * dim));
  auto raw = Table<float>(rows, dim).fill_with(random, 3);
  const auto mean = Table<float>(1, dim).fill_with(random), bias = Table<float>(1, dim).fill_with(random);
  const float scale = 0.7f;
  // A row that is the mean, and one that is not finite.
  if (rows > 1) std::copy_n(mean.data(), dim, &raw(1, 0));
  if (rows > 2) raw(2, dim - 1) = std::numeric_limits<float>::infinity();

  DeviceArray<float> device_raw(values_of(raw)), device_mean(values_of(mean)), device_bias(values_of(bias)),
      device_scale(1, scale), target(rows * padded(dim));
  DeviceArray<F> input(rows * padded(dim));
  DeviceArray<double> square(rows);
  prepare<F>(stream, {.rows = static_cast<int>(rows),
                      .dim = static_cast<int>(dim),
                      .raw = device_raw.data(),
                      .mean = device_mean.data(),
                      .scale = device_scale.data(),
                      .pre_bias = device_bias.data(),
                      .target = target.data(),
                      .input = input.data(),
                      .square = square.data()});
  const auto width = padded(dim);
  const auto x = from_rows(target.host(), rows, width, width),
             in = from_rows(input.host(), rows, width, width);
  const auto squares = square.host();
  for (std::int64_t b = 0; b < rows; ++b) {
    Sum sum;
    for (std::int64_t d = 0; d < width; ++d) {
      if (d >= dim) {
        EXPECT_EQ(x(b, d), 0) << "behind a row";
        EXPECT_EQ(in(b, d), 0) << "behind a row";
        continue;
      }
      const float expected = (raw(b, d) - mean(0, d)) * scale;
      ASSERT_EQ(x(b, d), expected) << b << ", " << d;
      sum.add(static_cast<double>(expected) * static_cast<double>(expected));
      if (std::isinf(expected)) {
        EXPECT_TRUE(std::isinf(in(b, d)));
      } else {
        const double value = static_cast<double>(expected) - static_cast<double>(bias(0, d));
        EXPECT_NEAR(in(b, d), value, (rounding<F> + 1e-6) * (1 + std::abs(value)));
      }
    }
    const auto found = squares[static_cast<std::size_t>(b)];
    if (std::isinf(sum.value)) {
      EXPECT_TRUE(std::isinf(found));
    } else {
      EXPECT_TRUE(close(found, sum, 1e-12)) << b;
    }
  }
}

TYPED_TEST(CudaPrepare, TakesRowsToModelSpace) {
  for (const std::int64_t rows : {1, 2, 3, 40}) {
    for (const std::int64_t dim : {1, 7, 8, 9, 63, 65, 129, 300, 2047})
      expect_model_space<TypeParam>(rows, dim);
  }
}

TYPED_TEST(CudaPrepare, CopiesParametersToFactors) {
  using F = TypeParam;
  for (const std::int64_t rows : {1, 3, 129, 5000}) {
    for (const std::int64_t columns : {1, 8, 13, 50}) {
      Random random(static_cast<std::uint64_t>(rows + columns));
      const auto table = Table<float>(rows, columns).fill_with(random);
      const DeviceArray<float> from(values_of(table));
      DeviceArray<F> to(rows * padded(columns));
      to_factors(stream, rows, static_cast<int>(columns), from.data(), to.data());
      const auto actual = to.host(), expected = padded_rows<F>(table);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(as_float(actual[i]), as_float(expected[i])) << rows << " x " << columns << ", " << i;
      }
    }
  }
}

TEST(CudaCountRows, CountsRowsThatAreNotZeroAndBeginsTotalsAnew) {
  for (const std::int64_t rows : {1, 5, 64, 65, 2100}) {
    std::vector<double> squares;
    double sum = 0;
    std::int64_t counted = 0;
    for (std::int64_t b = 0; b < rows; ++b) {
      squares.push_back(b % 3 == 1 ? 0 : 0.25 * static_cast<double>(b + 1));
      sum += squares.back();
      counted += squares.back() > 0 ? 1 : 0;
    }
    const DeviceArray<double> square(squares);
    DeviceArray<Totals> totals(1, Totals{.counted = 7, .left_over = 8, .dead = 9, .square = 10, .clip = 11});
    count_rows(stream, static_cast<int>(rows), square.data(), totals.data());
    const auto found = totals.host()[0];
    EXPECT_EQ(found.counted, counted);
    EXPECT_EQ(found.square, sum) << "sums of quarters are exact";
    EXPECT_EQ(found.left_over, 0);
    EXPECT_EQ(found.dead, 0u);
    EXPECT_EQ(found.clip, 1);
  }
}

TEST(CudaCountRows, DoesNotHideRowsThatAreNoNumbers) {
  const DeviceArray<double> square(std::vector<double>{1, kernels::test::nan_of<double>, 2});
  DeviceArray<Totals> totals(1);
  count_rows(stream, 3, square.data(), totals.data());
  EXPECT_TRUE(std::isnan(totals.host()[0].square));
  EXPECT_EQ(totals.host()[0].counted, 2);
}

TEST(CudaSet, CopiesWhatAStepDependsOn) {
  DeviceArray<Scalars> to(2);
  const Scalars from{.factor = 2, .loss_weight = 3, .decay = 4, .rate = 5, .correction = 6, .rows_seen = 7};
  set(stream, from, to.data());
  const auto found = to.host();
  EXPECT_EQ(found[0].factor, 2);
  EXPECT_EQ(found[0].loss_weight, 3);
  EXPECT_EQ(found[0].decay, 4);
  EXPECT_EQ(found[0].rate, 5);
  EXPECT_EQ(found[0].correction, 6);
  EXPECT_EQ(found[0].rows_seen, 7);
  EXPECT_EQ(found[1].rows_seen, -1) << "nothing else";
}

}  // namespace
}  // namespace msae::kernels::cuda
