// One and ten steps of the published implementation, number for number.
#include <gtest/gtest.h>

#include "data/hdf5_file.h"
#include "msae/train/engine.h"
#include "support/tensors.h"

namespace msae::train {
namespace {

using data::hdf5::File;

struct Case {
  const char* name;
  models::Activation activation;
  double l1;
};

torch::Tensor read(const File& file, const std::string& path, at::IntArrayRef shape) {
  return torch::tensor(file.read<double>(path), torch::kFloat64).reshape(shape);
}

class ReferenceSteps : public testing::TestWithParam<Case> {
 protected:
  static constexpr std::int64_t dim = 16, latents = 64, rows = 24;

  ReferenceSteps()
      : file_(File::open(MSAE_TEST_DATA "/reference_steps.h5")),
        model_({.dim = dim, .latents = latents, .activation = GetParam().activation}),
        batches_(read(file_, "inputs/batches", {10, rows, dim})) {
    model_.to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    model_.encoder.copy_(read(file_, "inputs/encoder", {dim, latents}).t());
    model_.decoder.copy_(read(file_, "inputs/decoder", {latents, dim}));
    model_.latent_bias.copy_(read(file_, "inputs/latent_bias", {latents}));
    model_.pre_bias.copy_(read(file_, "inputs/pre_bias", {dim}));
    options_ = TrainOptions::published(GetParam().activation);
    options_.batch_size = rows;
    options_.l1 = GetParam().l1;
  }

  torch::Tensor expected(const std::string& what, at::IntArrayRef shape) const {
    return read(file_, std::string(GetParam().name) + "/" + what, shape);
  }

  // Holds a tensor per parameter against what the published code has under `group`.
  template <typename Pick>
  void expect_all(const std::string& group, Pick pick, double tolerance) const {
    EXPECT_CLOSE(pick(model_.encoder).t(), expected(group + "/encoder", {dim, latents}), tolerance);
    EXPECT_CLOSE(pick(model_.decoder), expected(group + "/decoder", {latents, dim}), tolerance);
    EXPECT_CLOSE(pick(model_.latent_bias), expected(group + "/latent_bias", {latents}), tolerance);
    EXPECT_CLOSE(pick(model_.pre_bias), expected(group + "/pre_bias", {dim}), tolerance);
  }

  File file_;
  models::SparseAutoencoder model_;
  torch::Tensor batches_;
  TrainOptions options_;
};

TEST_P(ReferenceSteps, LossAndGradients) {
  const auto loss = training_loss(model_, batches_[0], options_);
  EXPECT_NEAR(loss.item<double>(), expected("loss", {1}).item<double>(), 1e-12);
  loss.backward();
  expect_all(
      "grad", [](const torch::Tensor& t) { return t.grad(); }, 1e-10);
}

TEST_P(ReferenceSteps, ParametersAfterOneAndTenSteps) {
  auto engine = make_autograd_engine(model_, options_);
  const auto history = expected("history", {4, 10});
  for (std::int64_t step = 0; step < 10; ++step) {
    engine->step(batches_[step], 1e-3);
    EXPECT_NEAR(engine->take_metrics().loss, history[0][step].item<double>(), 1e-10) << "step " << step;
    if (step == 0)
      expect_all(
          "step1", [](const torch::Tensor& t) { return t.detach(); }, 1e-10);
  }
  expect_all(
      "step10", [](const torch::Tensor& t) { return t.detach(); }, 1e-10);
}

TEST_P(ReferenceSteps, LevelReconstructions) {
  if (!std::holds_alternative<models::Matryoshka>(GetParam().activation)) return;
  const torch::NoGradGuard no_grad;
  const auto levels = model_.levels(batches_[0]);
  EXPECT_CLOSE(levels, expected("level_recons", levels.sizes()), 1e-12);
}

const models::Matryoshka reverse{{2, 4, 8, 16, 64}, {5, 4, 3, 2, 1}}, uniform{{2, 4, 8, 16, 64}};

INSTANTIATE_TEST_SUITE_P(Kinds, ReferenceSteps,
                         testing::Values(Case{"relu_plain_C", models::Relu{}, 0.003},
                                         Case{"topk_plain_C", models::TopK{8}, 0},
                                         Case{"batchtopk_plain_C", models::BatchTopK{8}, 0},
                                         Case{"msae_rw_plain_C", reverse, 0},
                                         Case{"msae_uw_plain_C", uniform, 0}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace msae::train
