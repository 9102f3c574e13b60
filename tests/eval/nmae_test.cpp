#include "msae/eval/nmae.h"

#include <gtest/gtest.h>

#include "eval/metrics_golden.h"
#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(NmaePerRow, IsRelativeToTheRow) {
  EXPECT_NEAR(nmae_per_row(torch::tensor({{1.0, -3.0}}, torch::kFloat64),
                           torch::tensor({{2.0, -1.0}}, torch::kFloat64))
                  .item<double>(),
              0.75, 1e-14);
}

TEST(NmaePerRow, IsNanWhereTheRowIsZero) {
  const auto zero = torch::zeros({1, 3}, torch::kFloat64), one = torch::ones({1, 3}, torch::kFloat64);
  EXPECT_TRUE(nmae_per_row(zero, one).isnan().item<bool>());
  EXPECT_EQ(nmae_per_row(one, zero).item<double>(), 1);
  EXPECT_THROW(nmae_per_row(zero, zero[0]), c10::Error);
}

TEST(NmaePerRow, IsThePublishedOne) {
  for (const auto* kind : {"f64", "f32", "perfect", "constant_row", "zero_row"}) {
    const auto expected = test::reconstruction(kind, "nmae_rows");
    const auto ours = nmae_per_row(test::reconstruction(kind, "x"), test::reconstruction(kind, "y"));
    const auto exists = expected.isfinite();
    EXPECT_TRUE(ours.isnan().equal(exists.logical_not())) << kind;
    EXPECT_CLOSE(ours.index({exists}), expected.index({exists}), 1e-6);
  }
}

}  // namespace
}  // namespace msae::eval
