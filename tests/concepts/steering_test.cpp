#include "msae/concepts/steering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/random_model.h"
#include "models/every_model.h"
#include "support/error_of.h"
#include "support/tensors.h"

namespace msae::concepts {
namespace {

using models::OperatingPoint;
using test::error_of;
using testing::HasSubstr;

torch::Tensor rows_to_steer(std::int64_t rows = 9) {
  return test::random({rows, 12}, 9, torch::kFloat32);
}

TEST(Steering, WithoutAnEditGivesRowsBack) {
  for (const auto& options : test::some_models(12, 40)) {
    auto model = test::random_model(options);
    const auto x = rows_to_steer() + 50;
    const auto same = steer(model, x, {});
    EXPECT_TRUE(torch::equal(same.embeddings, x)) << test::name(options);
    EXPECT_TRUE(torch::equal(same.after, same.before));
    EXPECT_TRUE(torch::equal(steer(model, x, {LatentEdit::scale(3, 1)}).embeddings, x));
    const auto decoded = steer(model, x, {}, {.keep_residual = false});
    const torch::NoGradGuard no_grad;
    EXPECT_CLOSE(decoded.embeddings, model.decode(model.encode(x, OperatingPoint::all()), x), 1e-6);
  }
}

TEST(Steering, IsTheFormula) {
  const std::vector<LatentEdit> edits{LatentEdit::set(5, 2.5),
                                      LatentEdit::scale(7, -3),
                                      LatentEdit::remove(0),
                                      {.latent = 11, .factor = 0.5, .offset = 0.25}};
  for (const auto& options : test::some_models(12, 40)) {
    auto model = test::random_model(options);
    const auto x = rows_to_steer();
    for (const auto point : {OperatingPoint::all(), OperatingPoint::trained(), OperatingPoint::top(4)}) {
      SCOPED_TRACE(test::name(options) + ", " + point.label());
      const auto steered = steer(model, x, edits, {.point = point});
      const torch::NoGradGuard no_grad;
      const auto before = model.encode(x, point);
      auto after = before.clone();
      for (std::int64_t row = 0; row < x.size(0); ++row) {
        after[row][5] = 2.5;
        after[row][7] = before[row][7] * -3;
        after[row][0] = 0;
        after[row][11] = before[row][11] * 0.5 + 0.25;
      }
      EXPECT_TRUE(torch::equal(steered.before, before));
      EXPECT_CLOSE(steered.after, after, 1e-6);
      EXPECT_CLOSE(steered.embeddings, model.decode(after, x) + (x - model.decode(before, x)), 1e-5);
      EXPECT_CLOSE(steer(model, x, edits, {.point = point, .keep_residual = false}).embeddings,
                   model.decode(after, x), 1e-5);
      const auto coding = models::Coding::pursuit();
      EXPECT_TRUE(torch::equal(steer(model, x, edits, {.point = point, .coding = coding}).before,
                               model.encode(x, point, coding)));
    }
  }
}

// In raw embeddings, as the statistics and each row's own deviation scale what is decoded.
TEST(Steering, MovesARowAlongTheDictionary) {
  for (const bool normalise_rows : {false, true}) {
    auto model = test::random_model(
        {.dim = 12, .latents = 40, .activation = models::TopK{5}, .normalise_rows = normalise_rows});
    const auto x = rows_to_steer();
    const auto steered = steer(model, x, {{.latent = 8, .factor = 1, .offset = 1.5}}).embeddings - x;
    const torch::NoGradGuard no_grad;
    auto step = (model.decoder[8] * 1.5 / model.scale).expand({9, 12});
    if (normalise_rows) step = step * model.normalise(x).std(1).unsqueeze(1);
    EXPECT_CLOSE(steered, step, 1e-4) << normalise_rows;
  }
}

TEST(Steering, TakesEditsOneAfterTheOther) {
  auto model = test::random_model(models::TopK{5});
  const auto x = rows_to_steer();
  const auto value = [&](const std::vector<LatentEdit>& edits) {
    const auto all = steer(model, x, edits).after.select(1, 2);
    EXPECT_TRUE((all == all[0]).all().item<bool>());
    return all[0].item<double>();
  };
  EXPECT_EQ(value({LatentEdit::set(2, 3), LatentEdit::scale(2, 2)}), 6);
  EXPECT_EQ(value({LatentEdit::scale(2, 2), LatentEdit::set(2, 3)}), 3);
  EXPECT_EQ(
      value({LatentEdit::set(2, 3), {.latent = 2, .factor = -1, .offset = 1}, LatentEdit::scale(2, 10)}),
      -20);
  EXPECT_EQ(value({LatentEdit::set(2, 3), LatentEdit::remove(2)}), 0);
}

TEST(Steering, LeavesWhatItWasGivenAsItIs) {
  auto model = test::random_model(models::Relu{});
  const auto x = rows_to_steer();
  const auto kept = x.clone(), decoder = model.decoder.detach().clone();
  const auto steered = steer(model, x, {LatentEdit::set(1, 9)});
  EXPECT_TRUE(torch::equal(x, kept));
  EXPECT_TRUE(torch::equal(model.decoder, decoder));
  EXPECT_FALSE(steered.embeddings.requires_grad());
  EXPECT_EQ(steer(model, rows_to_steer(1), {LatentEdit::set(1, 9)}).embeddings.size(0), 1);
  EXPECT_EQ(steer(model, rows_to_steer(0), {LatentEdit::set(1, 9)}).embeddings.size(0), 0);
}

TEST(Steering, RefusesTheImpossible) {
  auto model = test::random_model(models::TopK{5});
  const auto x = rows_to_steer();
  const auto said = [&](const LatentEdit& edit) {
    return error_of<std::invalid_argument>([&] { steer(model, x, {LatentEdit::remove(0), edit}); });
  };
  EXPECT_THAT(said(LatentEdit::remove(40)), HasSubstr("latent: must be from 0 to 39, not 40"));
  EXPECT_THAT(said(LatentEdit::remove(-1)), HasSubstr("latent: must be from 0 to 39, not -1"));
  EXPECT_THAT(said(LatentEdit::set(1, NAN)), HasSubstr("a factor or value is NaN or Inf"));
  EXPECT_THAT(said(LatentEdit::scale(1, INFINITY)), HasSubstr("a factor or value is NaN or Inf"));
  EXPECT_NE(error_of<c10::Error>([&] { steer(model, test::random({3, 11}, 1), {}); }), "no error");
  EXPECT_NE(error_of<c10::Error>([&] { steer(model, x, {}, {.point = OperatingPoint::level(3)}); }),
            "no error");
}

}  // namespace
}  // namespace msae::concepts
