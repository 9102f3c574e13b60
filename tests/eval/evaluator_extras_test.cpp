// What evaluate() takes where it is asked to.
#include <gtest/gtest.h>

#include <algorithm>

#include "eval/small_model.h"
#include "msae/eval/metrics.h"
#include "support/error_of.h"

namespace msae::eval {
namespace {

using test::dim;
using test::latents;
using test::make_model;
using test::operating_point;
using test::rows;
using test::rows_tensor;
using test::source;

TEST(Evaluate, KeepsTheActivityOfEveryPointWhereAsked) {
  for (const auto& activation : test::every_kind()) {
    auto model = make_model(activation);
    const auto data = source(rows_tensor());
    for (const auto& coding : test::every_coding()) {
      const auto evaluation =
          evaluate(model, *data, {.k = {1, 7}, .batch_size = 10, .activity = true, .coding = coding});
      for (const auto& point : evaluation.points) {
        Activity expected(latents);
        const torch::NoGradGuard no_grad;
        expected.add(model.encode(rows_tensor(), operating_point(point), test::coding(point)));
        ASSERT_TRUE(point.activity) << point.label;
        EXPECT_EQ(point.activity->rows(), rows);
        EXPECT_TRUE(point.activity->counts().equal(expected.counts())) << point.label << coding.name();
        EXPECT_CLOSE(point.activity->maximum_magnitude(), expected.maximum_magnitude(), 1e-4);
        EXPECT_NEAR(point.activity->mean(), point.mean_magnitude, 1e-12);
      }
    }
    EXPECT_FALSE(evaluate(model, *data).points.front().activity);
  }
}

TEST(Evaluate, TakesCknnaOnEvenlySpacedRowsInAnyBatches) {
  for (const auto& activation : test::every_kind()) {
    auto model = make_model(activation);
    const auto data = source(rows_tensor());
    for (const auto& [asked, centred] :
         {std::pair<std::int64_t, bool>{20, false}, {20, true}, {53, true}, {1000, false}}) {
      const auto count = std::min(asked, rows);
      const torch::NoGradGuard no_grad;
      const auto sample = rows_tensor().index_select(
          0, torch::div(torch::arange(count) * rows, count, "floor").to(torch::kInt64));
      for (const std::int64_t batch_size : {1, 10, 4096}) {
        const auto evaluation = evaluate(
            model, *data, {.k = {7}, .centred = centred, .batch_size = batch_size, .cknna_rows = asked});
        for (const auto& point : evaluation.points) {
          const double expected =
              cknna(centred ? model.normalise(sample) : sample, model.encode(sample, operating_point(point)));
          ASSERT_TRUE(point.cknna);
          EXPECT_NEAR(*point.cknna, expected, 1e-4) << point.label << " in batches of " << batch_size;
        }
      }
    }
    for (const auto& coding : test::every_coding()) {
      const torch::NoGradGuard no_grad;
      for (const auto& point : evaluate(model, *data, {.cknna_rows = 53, .coding = coding}).points) {
        const double expected =
            cknna(rows_tensor(), model.encode(rows_tensor(), operating_point(point), test::coding(point)));
        EXPECT_NEAR(*point.cknna, expected, 1e-4) << point.label << " by " << point.codes;
      }
    }
    EXPECT_FALSE(evaluate(model, *data).points.front().cknna);
  }
}

TEST(Evaluate, TakesMonosemanticityAsTrainedAndOfAll) {
  auto model = make_model(models::TopK{3});
  const auto data = source(rows_tensor());
  const torch::NoGradGuard no_grad;
  for (const auto& [centred, coding] :
       {std::pair{false, models::Coding{}}, {true, models::Coding{}}, {false, models::Coding::pursuit()}}) {
    const auto points =
        evaluate(
            model, *data,
            {.k = {3, 7}, .centred = centred, .batch_size = 10, .monosemanticity = true, .coding = coding})
            .points;
    for (const auto& point : points) {
      if (point.label == "k=7") {
        EXPECT_FALSE(point.monosemanticity);
        continue;
      }
      Monosemanticity expected(latents, dim);
      expected.add(model.encode(rows_tensor(), operating_point(point), test::coding(point)),
                   centred ? model.normalise(rows_tensor()) : rows_tensor());
      const auto scores = expected.scores();
      ASSERT_TRUE(point.monosemanticity) << point.label;
      EXPECT_NEAR(*point.monosemanticity,
                  scores.masked_select(scores.isnan().logical_not()).mean().item<double>(), 1e-6);
    }
  }
  EXPECT_FALSE(evaluate(model, *data).points.front().monosemanticity);
}

TEST(Evaluate, RefusesTheMonosemanticityOfSignedLatents) {
  auto model = make_model(models::TopK{3}, {.ranking = models::Ranking::magnitude});
  EXPECT_EQ(test::error_of([&] { evaluate(model, *source(rows_tensor()), {.monosemanticity = true}); }),
            "monosemanticity: is for models whose latents are not negative, not for one that ranks them by "
            "magnitude");
}

}  // namespace
}  // namespace msae::eval
