#include "msae/eval/cosine.h"

#include <gtest/gtest.h>

#include "eval/metrics_golden.h"
#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(CosinePerRow, IsTheCosine) {
  const auto cosine = cosine_per_row(torch::tensor({{3.0, 4.0}, {1.0, 0.0}}, torch::kFloat64),
                                     torch::tensor({{4.0, 3.0}, {0.0, 5.0}}, torch::kFloat64));
  EXPECT_NEAR(cosine[0].item<double>(), 0.96, 1e-14);
  EXPECT_EQ(cosine[1].item<double>(), 0);
}

TEST(CosinePerRow, IsNanWhereEitherIsZero) {
  const auto zero = torch::zeros({1, 3}, torch::kFloat64), one = torch::ones({1, 3}, torch::kFloat64);
  EXPECT_TRUE(cosine_per_row(zero, one).isnan().item<bool>());
  EXPECT_TRUE(cosine_per_row(one, zero).isnan().item<bool>());
  EXPECT_THROW(cosine_per_row(zero, zero[0]), c10::Error);
}

TEST(CosinePerRow, IsThePublishedOne) {
  for (const auto* kind : {"f64", "f32", "perfect", "constant_row"}) {
    const auto ours = cosine_per_row(test::reconstruction(kind, "x"), test::reconstruction(kind, "y"));
    EXPECT_CLOSE(ours, test::reconstruction(kind, "cosine_rows_torch"), 1e-6);
    EXPECT_CLOSE(ours.mean(), test::reconstruction(kind, "cosine_mean"), 1e-6);
  }
}

// Torch calls the cosine of a zero row 0; the published mean has none.
TEST(CosinePerRow, IsThePublishedOneBesideAZeroRow) {
  const auto x = test::reconstruction("zero_row", "x");
  const auto ours = cosine_per_row(x, test::reconstruction("zero_row", "y"));
  const auto exists = x.abs().amax(1) > 0;
  EXPECT_EQ(exists.logical_not().sum().item<int>(), 1);
  EXPECT_TRUE(ours.isnan().equal(exists.logical_not()));
  EXPECT_CLOSE(ours.index({exists}), test::reconstruction("zero_row", "cosine_rows_torch").index({exists}),
               1e-6);
}

}  // namespace
}  // namespace msae::eval
