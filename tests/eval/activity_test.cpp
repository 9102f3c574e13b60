#include "msae/eval/activity.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "eval/metrics_golden.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

using testing::Each;
using testing::ElementsAre;

Activity activity(const torch::Tensor& latents, std::int64_t batch = 1 << 20) {
  Activity result(latents.size(1));
  for (const auto& part : latents.split(batch)) result.add(part);
  return result;
}

// Of 300 rows and 20 latents; the last one is never active.
torch::Tensor latents() {
  auto z = test::random({300, 20}, 1, torch::kFloat32) - 1;
  z = z.relu() * torch::logspace(-4, 4, 20, 10.0, torch::kFloat32);
  z.select(1, 19).zero_();
  return z;
}

std::vector<double> list(const torch::Tensor& values) {
  const auto wide = values.to(torch::kFloat64).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

TEST(Activity, OfALittleDoneByHand) {
  const auto found = activity(torch::tensor({{0.0, 2.0, 0.0}, {-1.0, 4.0, 0.0}}, torch::kFloat64));
  EXPECT_EQ(found.rows(), 2);
  EXPECT_THAT(list(found.counts()), ElementsAre(1, 2, 0));
  EXPECT_THAT(list(found.frequency()), ElementsAre(0.5, 1, 0));
  EXPECT_THAT(list(found.never_active()), ElementsAre(0, 0, 1));
  EXPECT_THAT(list(found.dead()), ElementsAre(0, 0, 1));
  EXPECT_THAT(list(found.maximum_magnitude()), ElementsAre(1, 4, 0));
  EXPECT_THAT(list(found.mean_magnitude()), ElementsAre(1, 3, testing::IsNan()));
  EXPECT_NEAR(found.mean(), 7.0 / 3, 1e-15);
  // one latent of frequency 1/2, one of 1: both in [10^-0.5, 1]
  EXPECT_THAT(found.histogram().counts, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2));
}

TEST(Activity, IsWhatThePlainFormulasSay) {
  const auto z = latents();
  const auto found = activity(z, 70);
  const auto wide = z.to(torch::kFloat64);
  const auto counts = (wide != 0).sum(0);
  EXPECT_TRUE(found.counts().equal(counts));
  EXPECT_TRUE(found.frequency().equal(counts.to(torch::kFloat64) / 300));
  EXPECT_TRUE(found.maximum_magnitude().equal(std::get<0>(wide.max(0))));
  const auto ever = counts > 0;
  EXPECT_EQ(ever.sum().item<int>(), 19);
  EXPECT_CLOSE(found.mean_magnitude().index({ever}), (wide.sum(0) / counts).index({ever}), 1e-13);
  const auto active = wide.masked_select(wide != 0);
  EXPECT_NEAR(found.mean(), active.mean().item<double>(), 1e-13 * active.mean().item<double>());
}

TEST(Activity, QuantilesAreWithinOne256thOfTheExactOnes) {
  const auto z = latents().to(torch::kFloat64);
  const auto found = activity(z.to(torch::kFloat32));
  auto values = list(z.masked_select(z != 0));
  std::sort(values.begin(), values.end());
  const auto entries = static_cast<double>(values.size());
  for (const double share : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.9999}) {
    const auto rank = std::max(1.0, std::ceil(share * entries));
    const double exact = values[static_cast<std::size_t>(rank) - 1];
    EXPECT_NEAR(found.quantile(share), exact, exact / 256) << share;
  }
  EXPECT_EQ(found.quantile(1), values.back());
  EXPECT_THROW(found.quantile(-0.1), c10::Error);
  EXPECT_THROW(found.quantile(1.1), c10::Error);
  EXPECT_THROW(found.quantile(NAN), c10::Error);
}

TEST(Activity, QuantilesOfOneValueAreNeverAboveIt) {
  for (const double value : {1e-30, 1.0, 1.003, 3e38, 1e300}) {
    const auto found = activity(torch::full({3, 2}, value, torch::kFloat64));
    EXPECT_LE(found.quantile(0.5), value);
    EXPECT_EQ(found.quantile(1), value);
  }
}

void expect_same(const Activity& a, const Activity& b) {
  EXPECT_TRUE(a.counts().equal(b.counts()));
  EXPECT_TRUE(a.maximum_magnitude().equal(b.maximum_magnitude()));
  EXPECT_EQ(a.histogram().counts, b.histogram().counts);
  for (const double share : {0.0, 0.3, 0.7, 1.0}) EXPECT_EQ(a.quantile(share), b.quantile(share));
  EXPECT_NEAR(a.mean(), b.mean(), 1e-13 * a.mean());
  EXPECT_CLOSE(a.mean_magnitude().nan_to_num(), b.mean_magnitude().nan_to_num(), 1e-13);
}

TEST(Activity, DoesNotDependOnOrderBatchesOrThreads) {
  const auto z = latents();
  const auto whole = activity(z);
  for (const std::int64_t batch : {1, 7, 300}) expect_same(activity(z, batch), whole);
  expect_same(activity(z.flip(0), 11), whole);
  for (const int threads : {1, 3}) {
    const test::Threads some(threads);
    expect_same(activity(z), whole);
  }
}

TEST(Activity, OfACopyIsItsOwn) {
  const auto z = latents();
  auto first = activity(z);
  const auto copy = first;
  first.add(z * 2);
  expect_same(copy, activity(z));
  EXPECT_EQ(first.rows(), 600);
}

TEST(Activity, WithoutARowOrAnActiveEntryHasNoValue) {
  Activity none(3);
  none.add(torch::empty({0, 3}));
  EXPECT_EQ(none.rows(), 0);
  EXPECT_THAT(list(none.frequency()), Each(testing::IsNan()));
  const auto silent = activity(torch::zeros({5, 3}));
  for (const auto& found : {none, silent}) {
    EXPECT_TRUE(std::isnan(found.mean()));
    EXPECT_TRUE(std::isnan(found.quantile(0.5)));
    EXPECT_THAT(list(found.never_active()), Each(1));
    EXPECT_THAT(found.histogram().counts, Each(0));
  }
}

TEST(Activity, RefusesWhatDoesNotFitAndKeepsWhatItHas) {
  EXPECT_THROW(Activity(0), c10::Error);
  auto found = activity(latents());
  EXPECT_THROW(found.add(torch::zeros({2, 19})), c10::Error);
  EXPECT_THROW(found.add(torch::zeros({20})), c10::Error);
  EXPECT_THROW(found.add(torch::zeros({2, 20}, torch::kInt64)), c10::Error);
  for (const double value :
       {static_cast<double>(NAN), static_cast<double>(INFINITY), -static_cast<double>(INFINITY)})
    EXPECT_THROW(found.add(torch::full({2, 20}, value)), c10::Error);
  expect_same(found, activity(latents()));
  EXPECT_EQ(found.rows(), 300);
}

TEST(FrequencyHistogram, HasItsEdgesAtHalfDecades) {
  EXPECT_EQ(FrequencyHistogram::log10_from(1), -5.5);
  EXPECT_EQ(FrequencyHistogram::log10_from(FrequencyHistogram::bins - 1), -0.5);
  EXPECT_EQ(dead_frequency, std::pow(10, -5.5));
  // Frequencies 0.1, which begins a bin, 0.099 and 0.001.
  auto z = torch::zeros({1000, 4});
  z.slice(0, 0, 100).select(1, 0).fill_(1);
  z.slice(0, 0, 99).select(1, 1).fill_(1);
  z[0][2] = 1;
  EXPECT_THAT(activity(z).histogram().counts, ElementsAre(0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0));
}

TEST(DeadLatents, AreThePublishedOnes) {
  const auto frequency = test::metric("dead/frequency").to(torch::kFloat32);
  EXPECT_EQ(test::metric("dead/threshold_default").item<double>(), dead_frequency);
  EXPECT_EQ(list(dead_latents(frequency).nonzero()), list(test::metric("dead/dead_default")));
  EXPECT_EQ(list(dead_latents(frequency, 0.001).nonzero()), list(test::metric("dead/dead_0.001")));
}

// Counts of the published statistics, of 400,000 rows.
TEST(DeadLatents, AreThePublishedOnesOfCounts) {
  const auto counts = test::metric("dead/stats_count").to(torch::kInt64);
  const auto z = (torch::arange(400000).unsqueeze(1) < counts).to(torch::kFloat32);
  const auto found = activity(z, 1 << 16);
  EXPECT_TRUE(found.counts().equal(counts));
  EXPECT_EQ(list(found.dead().nonzero()), list(test::metric("dead/stats_dead")));
  EXPECT_CLOSE(found.frequency(), test::metric("dead/stats_frequency"), 1e-6);
}

TEST(Activity, CountsAsThePublishedCodes) {
  const auto z = test::metric("codes/z");
  const auto found = activity(z);
  EXPECT_EQ(list(found.never_active().nonzero()), list(test::metric("codes/never_active")));
  // The published L0 of a row is its share of zeros.
  const double sparsity = 1 - found.frequency().mean().item<double>();
  EXPECT_NEAR(sparsity, test::metric("codes/l0_messure_rows").mean().item<double>(), 1e-6);
}

}  // namespace
}  // namespace msae::eval
