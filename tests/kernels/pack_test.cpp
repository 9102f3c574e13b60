#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Table;

template <typename T>
class Pack : public testing::Test {};
TYPED_TEST_SUITE(Pack, test::Precisions);

TYPED_TEST(Pack, CutsColumnsIntoSlicesAndFillsUpTheLastOne) {
  using T = TypeParam;
  for (const std::int64_t dim : {1, 5, 63, 64, 65, 128, 130, 257}) {
    for (const std::int64_t rows : {1, 2, 129}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << dim);
      test::Random random(1);
      Table<T> from(rows, dim, 0, 3);
      from.fill_with(random);
      Sliced<T> sliced, expected;
      sliced.resize(rows, dim);
      test::fill_with_nan(sliced);
      pack<T>(std::as_const(from).matrix(), 0, rows, sliced);
      test::slice_up(from, expected);
      EXPECT_EQ(sliced.slices(), (dim * std::int64_t{sizeof(T)} + 511) / 512);
      EXPECT_TRUE(test::same_bits(test::unpack(sliced), test::unpack(expected)));
    }
  }
}

TYPED_TEST(Pack, LeavesOtherRowsAlone) {
  using T = TypeParam;
  test::Random random(2);
  const auto from = Table<T>(9, 130).fill_with(random);
  Sliced<T> sliced;
  sliced.resize(9, 130);
  test::fill_with_nan(sliced);
  pack<T>(from.matrix(), 3, 7, sliced);
  const auto rows = test::unpack(sliced);
  for (std::int64_t i = 0; i < 9; ++i) {
    for (std::int64_t d = 0; d < rows.columns(); ++d) {
      if (i < 3 || i >= 7) {
        EXPECT_TRUE(std::isnan(rows(i, d)));
      } else {
        EXPECT_EQ(rows(i, d), d < 130 ? from(i, d) : 0);
      }
    }
  }
}

}  // namespace
}  // namespace msae::kernels
