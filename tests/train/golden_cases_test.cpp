// Forward, losses, gradients and ten steps of the published implementation, number for number: over all its
// cases where MSAE_GOLDEN names their folder, else over those kept in tests/golden.
//
// Not compared, as we have nothing like it:
// - training jump-relu: the published one trains on steps of 0 and 1 in the place of its latents;
// - what "abs" activations compute from latents without a sign (see GoldenCase::values_are_ours());
// - the projected gradient of tied weights: we project along unit rows, these are of any length;
// - steps whose L1 is over the norm of raw rows though the data has a mean (see GoldenCase::l1_is_ours()).
#include <gtest/gtest.h>

#include "train/golden_case.h"

namespace msae::train {
namespace {

using models::OperatingPoint;
using models::SparseAutoencoder;

class GoldenCases : public testing::TestWithParam<torch::ScalarType> {
 protected:
  GoldenCases() : file_(test::Golden::open("modules.h5")) {
    for (const auto& name : file_.names("cases")) cases_.emplace_back(file_, name, GetParam());
  }

  test::Golden file_;
  std::vector<GoldenCase> cases_;
};

/// Losses of a forward pass: the reconstruction's per level, and what sparse losses are made from.
struct Losses {
  torch::Tensor levels;  // [levels]
  torch::Tensor sparse;  // scalar
};

Losses losses(const GoldenCase& c, const SparseAutoencoder& model, const torch::Tensor& batch) {
  const auto f = forward(model, batch);
  return {c.reconstruction_loss(model, f.reconstructions, batch),
          c.sparsity(c.matryoshka() ? f.dense : f.latents[0], batch)};
}

torch::Tensor total_loss(const GoldenCase& c, SparseAutoencoder& model, const torch::Tensor& batch) {
  const auto options = c.options();
  if (c.l1_is_ours()) return training_loss(model, batch, options);
  const auto parts = losses(c, model, batch);
  return parts.levels[0] + options.l1 * parts.sparse;
}

TEST_P(GoldenCases, ForwardOfEveryKind) {
  const torch::NoGradGuard no_grad;
  ASSERT_GE(cases_.size(), 25U);
  for (const auto& c : cases_) {
    SCOPED_TRACE(c.name);
    auto model = c.model();
    const auto f = forward(model, c.batch(0));
    if (c.numbers.has("pre_act")) c.expect("pre_act", f.pre);
    if (c.jump_relu()) continue;
    c.expect("repr_all", c.dense_is_ours() ? f.dense : f.dense.abs());
    c.expect("level_latents", c.published(f.latents));
    if (c.values_are_ours()) c.expect("level_recons", f.reconstructions);
  }
}

TEST_P(GoldenCases, InferenceIsThatOfTraining) {
  const torch::NoGradGuard no_grad;
  for (const auto& c : cases_) {
    if (!c.dense_is_ours()) continue;
    SCOPED_TRACE(c.name);
    auto model = c.model();
    // The published "all" latents of jump-relu are those above their thresholds.
    const auto all = c.jump_relu() ? OperatingPoint::trained() : OperatingPoint::all();
    const auto latents = model.encode(c.batch(0), all);
    c.expect("repr_all", latents);
    c.expect("recons_all", model.decode(latents, c.batch(0)));
    if (c.jump_relu() || models::chooses_over_batch(model.activation())) continue;
    c.expect("level_recons", model.levels(c.batch(0)));
  }
}

TEST_P(GoldenCases, JumpReluAfterTraining) {
  const torch::NoGradGuard no_grad;
  for (const auto& c : cases_) {
    if (!c.jump_relu()) continue;
    SCOPED_TRACE(c.name);
    auto model = c.model();
    c.load_step10(model);
    c.expect("eval_recons_last_level", model.forward(c.batch(0)));
  }
}

TEST_P(GoldenCases, CountsOfActiveLatents) {
  const torch::NoGradGuard no_grad;
  for (const auto& c : cases_) {
    SCOPED_TRACE(c.name);
    const auto model = c.model();
    const auto f = forward(model, c.batch(0));
    const auto active =
        c.jump_relu() ? model.selection(f.pre).sum(0) : (c.published(f.latents[-1]) != 0).sum(0);
    EXPECT_TRUE(active.equal(c.counts("activation_frequency").to(torch::kInt64)));
    EXPECT_TRUE((f.pre > 0).sum(1).equal(c.counts("positives_per_row").to(torch::kInt64)));
  }
}

TEST_P(GoldenCases, LossesAndGradients) {
  for (const auto& c : cases_) {
    if (c.jump_relu() || !c.values_are_ours()) continue;
    SCOPED_TRACE(c.name);
    auto model = c.model();
    const auto parts = losses(c, model, c.batch(0));
    c.expect_loss("level_losses", parts.levels);
    c.expect_loss("recon_loss", parts.levels[0]);
    c.expect_loss("sparse_loss", parts.sparse);
    const auto loss = total_loss(c, model, c.batch(0));
    c.expect_loss("loss", loss);
    loss.backward();
    for (const auto& [name, gradient] : published_gradients(model)) {
      c.expect("grad/" + name, gradient * c.share_of_rows());
    }
  }
}

/// Leaves in a model like `model` the gradients of its next step before they are clipped.
void take_gradients(const GoldenCase& c, const SparseAutoencoder& model, const torch::Tensor& batch,
                    SparseAutoencoder& twin) {
  {
    const torch::NoGradGuard no_grad;
    const auto from = model.parameters(), to = twin.parameters();
    for (std::size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
  }
  auto options = c.options();
  options.clip = 0;
  make_autograd_engine(twin, options)->step(batch, 0);
}

/// Total, reconstruction and sparse loss and norm of gradients of a step, and takes it.
std::vector<double> numbers_of_step(const GoldenCase& c, Engine& engine, SparseAutoencoder& model,
                                    const torch::Tensor& batch, double norm) {
  const auto parts = losses(c, model, batch);
  engine.step(batch, c.number("lr"));
  return {engine.take_metrics().loss, parts.levels[0].item<double>(), parts.sparse.item<double>(), norm};
}

void expect_history(const GoldenCase& c, const torch::Tensor& ours, const torch::Tensor& published) {
  EXPECT_TRUE(ours.isfinite().all().item<bool>());
  for (std::int64_t row = 0; row < 4; ++row) {
    SCOPED_TRACE("history " + std::to_string(row));
    const auto counts = published[row].isfinite();
    test::expect_close(ours[row].masked_select(counts), published[row].masked_select(counts),
                       c.tolerance("losses"));
  }
}

TEST_P(GoldenCases, TenSteps) {
  for (const auto& c : cases_) {
    if (c.jump_relu() || !c.values_are_ours() || !c.l1_is_ours()) continue;
    SCOPED_TRACE(c.name);
    auto model = c.model(), twin = c.model();
    const auto engine = make_autograd_engine(model, c.options());
    const auto history = c.numbers.tensor("history");
    auto ours = torch::empty_like(history);
    for (std::int64_t step = 0; step < history.size(1); ++step) {
      const auto batch = c.batch(step);
      take_gradients(c, model, batch, twin);
      if (step == 0 && !model.options().tied) c.expect("grad_projected/decoder", twin.decoder.grad());
      const auto numbers = numbers_of_step(c, *engine, model, batch, norm_of_gradients(twin));
      ours.select(1, step).copy_(torch::tensor(numbers, torch::kFloat64));
      if (step > 0) continue;
      for (const auto& [name, value] : published_parameters(model)) c.expect("step1/" + name, value);
    }
    expect_history(c, ours, history);
    if (history.size(1) < 10) continue;  // the published run was not finite
    for (const auto& [name, value] : published_parameters(model)) c.expect("step10/" + name, value);
    if (!c.numbers.has("eval_recons_last_level")) continue;
    c.expect("eval_recons_last_level", forward(model, c.batch(0)).reconstructions[-1]);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, GoldenCases, testing::Values(torch::kFloat64, torch::kFloat32),
                         [](const auto& test) { return c10::toString(test.param); });

}  // namespace
}  // namespace msae::train
