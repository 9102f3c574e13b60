#include "msae/eval/evaluator.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "eval/small_model.h"
#include "msae/core/error.h"
#include "msae/eval/metrics.h"
#include "msae/eval/progressive.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

using models::Activation;
using models::OperatingPoint;
using test::dim;
using test::latents;
using test::make_model;
using test::operating_point;
using test::rows;
using test::rows_tensor;
using test::source;

// The metrics' definitions, on all rows at once.
Point naive(models::SparseAutoencoder& model, OperatingPoint at, models::Coding coding, bool centred) {
  const torch::NoGradGuard no_grad;
  const auto x = rows_tensor();
  const auto z = model.encode(x, at, coding);
  const auto y = model.decode(z, x).to(torch::kFloat64);
  const auto wide = x.to(torch::kFloat64);
  const auto shown = centred ? wide - model.mean : wide, shown_y = centred ? y - model.mean : y;
  Point p;
  p.active = (z != 0).sum().item<double>() / rows;
  p.sparsity = 1 - p.active / latents;
  p.fvu = ((wide - y).square().sum() / (wide - wide.mean(0)).square().sum()).item<double>();
  p.explained_variance = 1 - ((wide - y).var(0).sum() / wide.var(0).sum()).item<double>();
  p.fvu_per_sample = fvu_per_row(shown, shown_y).mean().item<double>();
  p.cosine = cosine_per_row(shown, shown_y).mean().item<double>();
  p.nmae = nmae_per_row(shown, shown_y).mean().item<double>();
  p.never_active = (z != 0).any(0).logical_not().sum().item<std::int64_t>();
  p.mean_magnitude = z.masked_select(z != 0).abs().to(torch::kFloat64).mean().item<double>();
  p.dead_fraction = (z != 0).any(0).logical_not().to(torch::kFloat64).mean().item<double>();
  return p;
}

void expect_near(const Point& ours, const Point& expected) {
  EXPECT_NEAR(ours.active, expected.active, 1e-12) << ours.label;
  EXPECT_NEAR(ours.sparsity, expected.sparsity, 1e-12) << ours.label;
  constexpr double nothing = 1e-9;  // as many latents as a row has numbers leave hardly that of it
  EXPECT_NEAR(ours.fvu, expected.fvu, 1e-5 * expected.fvu + nothing) << ours.label;
  EXPECT_NEAR(ours.explained_variance, expected.explained_variance, 1e-5) << ours.label;
  EXPECT_EQ(ours.never_active, expected.never_active) << ours.label;
  EXPECT_NEAR(ours.mean_magnitude, expected.mean_magnitude, 1e-5 * expected.mean_magnitude) << ours.label;
  EXPECT_NEAR(ours.fvu_per_sample, expected.fvu_per_sample, 1e-5 * expected.fvu_per_sample + nothing)
      << ours.label;
  EXPECT_NEAR(ours.cosine, expected.cosine, 1e-5) << ours.label;
  EXPECT_NEAR(ours.nmae, expected.nmae, 1e-5) << ours.label;
  EXPECT_NEAR(ours.dead_fraction, expected.dead_fraction, 1e-12) << ours.label;
}

void expect_definitions(models::SparseAutoencoder& model, models::Coding coding = {}) {
  const auto data = source(rows_tensor());
  for (const bool centred : {false, true}) {
    for (const std::int64_t batch_size : {1, 10, 53, 4096}) {
      const auto evaluation = evaluate(
          model, *data, {.k = {1, 7, 25}, .centred = centred, .batch_size = batch_size, .coding = coding});
      EXPECT_EQ(evaluation.codes, coding.name());
      for (const auto& point : evaluation.points) {
        const bool is_wide = model.top_k(operating_point(point)).value_or(0) > dim;
        EXPECT_EQ(point.codes, is_wide ? "encoder" : coding.name()) << point.label;
        expect_near(point, naive(model, operating_point(point), test::coding(point), centred));
      }
      EXPECT_NEAR(evaluation.dead_fraction, naive(model, OperatingPoint::all(), {}, centred).dead_fraction,
                  1e-12);
    }
  }
}

TEST(Evaluate, FollowsTheDefinitionsAtEveryPointInAnyBatches) {
  for (const auto& activation : test::every_kind()) {
    auto model = make_model(activation);
    for (const auto& coding : test::every_coding()) {
      SCOPED_TRACE(models::kind(activation) + ", " + coding.name());
      expect_definitions(model, coding);
    }
  }
}

TEST(Evaluate, FollowsTheDefinitionsForLatentsOfEitherSignCapsAndNormalisedRows) {
  for (const auto ranking : {models::Ranking::positive, models::Ranking::value, models::Ranking::magnitude}) {
    for (const Activation& activation :
         {Activation(models::TopK{3}), Activation(models::Matryoshka{{2, 5}})}) {
      auto model = make_model(activation, {.normalise_rows = true, .soft_cap = 1.5, .ranking = ranking});
      expect_definitions(model);
      expect_definitions(model, models::Coding::refit());
      expect_definitions(model, models::Coding::pursuit());
    }
  }
}

TEST(Evaluate, LeavesPointsThatKeepMoreThanTheCandidatesToTheEncoder) {
  auto model = make_model(models::Matryoshka{{2, 5, 25}});
  const auto data = source(rows_tensor());
  const auto points = evaluate(model, *data, {.k = {3}, .coding = models::Coding::pursuit(3)}).points;
  std::vector<std::string> codes;
  for (const auto& point : points) codes.push_back(point.label + ": " + point.codes);
  EXPECT_THAT(codes,
              testing::ElementsAre("trained: pursuit among 3", "level 1: pursuit among 3", "level 2: encoder",
                                   "level 3: encoder", "all: encoder", "k=3: pursuit among 3"));
  const auto said = [&](const EvalOptions& options) {
    return test::error_of<std::invalid_argument>([&] { evaluate(model, *data, options); });
  };
  EXPECT_EQ(said({.k = {4}, .coding = models::Coding::pursuit(3)}),
            "candidates: must be at least k, 4, or 0 for all, not 3");
  EXPECT_EQ(said({.k = {8}, .coding = models::Coding::pursuit(3)}), "no error")
      << "which is wider than a row";
  EXPECT_EQ(said({.coding = {models::Coding::Kind::refit, 3}}),
            "candidates: are for pursuit, which alone chooses among latents, not for refit");
}

std::vector<std::string> labels(const Evaluation& evaluation) {
  std::vector<std::string> result;
  for (const auto& point : evaluation.points) result.push_back(point.label);
  return result;
}

TEST(Evaluate, NamesItsPoints) {
  const auto data = source(rows_tensor());
  auto nested = make_model(models::Matryoshka{{2, 5}});
  EXPECT_THAT(labels(evaluate(nested, *data, {.k = {4}})),
              testing::ElementsAre("trained", "level 1", "level 2", "all", "k=4"));
  auto relu = make_model(models::Relu{});
  const auto evaluation = evaluate(relu, *data);
  EXPECT_THAT(labels(evaluation), testing::ElementsAre("trained", "all"));
  EXPECT_EQ(evaluation.model, "relu");
  EXPECT_EQ(evaluation.rows, rows);
  EXPECT_EQ(evaluation.data, "rows");
}

TEST(Evaluate, DoesNotDependOnTheOrderOfRows) {
  auto model = make_model(models::TopK{3});
  const auto x = rows_tensor();
  const auto a = evaluate(model, *source(x)), b = evaluate(model, *source(x.flip(0)));
  EXPECT_NEAR(a.points[0].fvu, b.points[0].fvu, 1e-12);
  EXPECT_NEAR(a.points[0].explained_variance, b.points[0].explained_variance, 1e-12);
  EXPECT_NEAR(a.points[0].cosine, b.points[0].cosine, 1e-12);
}

TEST(Evaluate, ProgressBeginsWithTheBiasAlone) {
  for (const bool normalise_rows : {false, true}) {
    models::SparseAutoencoder model({.dim = dim,
                                     .latents = latents,
                                     .activation = models::Matryoshka{{2, 5, 25}},
                                     .decoder_norm = 0.2,
                                     .normalise_rows = normalise_rows});
    const torch::NoGradGuard no_grad;
    model.pre_bias.copy_(test::random({dim}, 4) * 0.2);
    model.encoder.copy_(model.decoder * 5);
    const auto x = rows_tensor();
    model.set_statistics(x.mean(0), 0.7);
    const auto evaluation = evaluate(model, *source(x), {.batch_size = 10});
    const auto bias = model.decode(torch::zeros({rows, latents}), x);
    const double none = ((x - bias).square().sum() / (x - x.mean(0)).square().sum()).item<double>();
    EXPECT_NEAR(evaluation.fvu_without_latents, none, 1e-5 * none);
    const auto steps = progressive_recovery(evaluation);
    ASSERT_EQ(steps.size(), 3u);
    const double all = evaluation.points[4].fvu;
    ASSERT_GT(none, all);
    EXPECT_NEAR(steps[0].gain, (none - steps[0].fvu) / (none - all), 1e-4);
    EXPECT_EQ(steps[2].gain, 1);
  }
}

TEST(Evaluate, DoesNotDependOnThreadsButForRounding) {
  auto model = make_model(models::Matryoshka{{2, 5, 25}});
  const auto data = source(rows_tensor());
  const EvalOptions options{.activity = true, .cknna_rows = 30, .monosemanticity = true};
  const auto a = evaluate(model, *data, options);
  const test::Threads one(1);
  const auto b = evaluate(model, *data, options);
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    expect_near(a.points[i], b.points[i]);
    EXPECT_NEAR(*a.points[i].cknna, *b.points[i].cknna, 1e-5);
    EXPECT_EQ(a.points[i].activity->histogram().counts, b.points[i].activity->histogram().counts);
  }
  EXPECT_NEAR(*a.points[0].monosemanticity, *b.points[0].monosemanticity, 1e-6);
}

TEST(Evaluate, OfRowsThatAreAllOneHasNoExplainedVariance) {
  auto model = make_model(models::TopK{3});
  const auto evaluation = evaluate(model, *source(rows_tensor().slice(0, 0, 1)));
  for (const auto& point : evaluation.points) EXPECT_TRUE(std::isnan(point.explained_variance));
}

TEST(Evaluate, OfAModelThatIsSilentHasNoMagnitude) {
  auto model = make_model(models::Relu{});
  {
    const torch::NoGradGuard no_grad;
    model.latent_bias.fill_(-1e6);
  }
  const auto point = evaluate(model, *source(rows_tensor()), {.cknna_rows = 20}).points.front();
  EXPECT_EQ(point.never_active, latents);
  EXPECT_EQ(point.dead_fraction, 1);
  EXPECT_TRUE(std::isnan(point.mean_magnitude));
  EXPECT_EQ(*point.cknna, 0);
}

TEST(Evaluate, LeavesRowsWithoutARatioOutOfTheMean) {
  auto model = make_model(models::TopK{3});
  auto x = rows_tensor();
  const auto without = evaluate(model, *source(x.slice(0, 1)));
  x[0].zero_();
  const auto with_zero = evaluate(model, *source(x));
  EXPECT_NEAR(with_zero.points[0].cosine, without.points[0].cosine, 1e-12);
  EXPECT_NEAR(with_zero.points[0].fvu_per_sample, without.points[0].fvu_per_sample, 1e-12);
}

TEST(Evaluate, RefusesRowsThatOverflow) {
  auto model = make_model(models::Relu{});
  model.scale.fill_(1e30);
  EXPECT_THROW(evaluate(model, *source(rows_tensor() * 1e20)), Error);
  auto topk = make_model(models::TopK{3});
  topk.scale.fill_(1e30);
  for (const auto& coding : test::every_coding())
    EXPECT_THROW(evaluate(topk, *source(rows_tensor() * 1e20), {.coding = coding}), Error);
}

TEST(Evaluate, TellsHowFarItIs) {
  auto model = make_model(models::TopK{3});
  std::vector<double> shares;
  evaluate(model, *source(rows_tensor()), {.batch_size = 20}, [&](double share) { shares.push_back(share); });
  ASSERT_EQ(shares.size(), 3u);
  EXPECT_DOUBLE_EQ(shares.back(), 1);
  shares.clear();
  evaluate(model, *source(rows_tensor()), {.batch_size = 20, .cknna_rows = 20},
           [&](double share) { shares.push_back(share); });
  ASSERT_EQ(shares.size(), 5u);  // a share for each of "trained" and "all"
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_LT(shares[2], 1);
  EXPECT_DOUBLE_EQ(shares.back(), 1);
}

TEST(Evaluate, RefusesWhatCannotBe) {
  auto model = make_model(models::TopK{3});
  const auto data = source(rows_tensor());
  EXPECT_THROW(evaluate(model, *data, {.k = {0}}), std::invalid_argument);
  EXPECT_THROW(evaluate(model, *data, {.k = {26}}), std::invalid_argument);
  EXPECT_THROW(evaluate(model, *data, {.batch_size = 0}), std::invalid_argument);
  for (const std::int64_t few : {-1, 1, 10})
    EXPECT_THROW(evaluate(model, *data, {.cknna_rows = few}), std::invalid_argument);
  EXPECT_EQ(
      test::error_of([&] { evaluate(model, *source(rows_tensor().slice(0, 0, 10)), {.cknna_rows = 11}); }),
      "cknna_rows: needs at least 11 rows, but rows has 10");
  EXPECT_NO_THROW(evaluate(model, *source(rows_tensor().slice(0, 0, 11)), {.cknna_rows = 11}));
  EXPECT_THROW(evaluate(model, *source(test::random({4, 9}, 1, torch::kFloat32))), std::invalid_argument);
}

}  // namespace
}  // namespace msae::eval
