// What single options of a model do.
#include <gmock/gmock.h>

#include <cmath>

#include "models/every_model.h"
#include "msae/models/sparse_autoencoder.h"
#include "support/tensors.h"

namespace msae::models {
namespace {

constexpr std::int64_t D = 6, H = 20;

TEST(Ties, GoToTheLowerIndexByMagnitudeToo) {
  SparseAutoencoder model({.dim = 2, .latents = 5, .activation = TopK{2}, .ranking = Ranking::magnitude});
  const auto pre = torch::tensor({{1.0f, -2.0f, 2.0f, 0.0f, -2.0f}, {0.0f, 0.0f, 0.0f, 0.0f, -1.0f}});
  EXPECT_TRUE(torch::equal(model.selection(pre), torch::tensor({{false, true, true, false, false},
                                                                {false, false, false, false, true}})))
      << "a zero is no latent";
}

TEST(RankingByValue, FillsUpWithNegativeLatents) {
  SparseAutoencoder model({.dim = 2, .latents = 4, .activation = TopK{3}, .ranking = Ranking::value});
  const auto pre = torch::tensor({{1.0f, -2.0f, -0.5f, -7.0f}});
  EXPECT_TRUE(torch::equal(model.selection(pre), torch::tensor({{true, true, true, false}})));
  EXPECT_TRUE(torch::equal(model.dense_latents(pre), pre));
}

TEST(NormaliseRows, GivesAConstantRowBackFromNothing) {
  const torch::NoGradGuard no_grad;
  SparseAutoencoder model({.dim = 4, .latents = 8, .activation = TopK{2}, .normalise_rows = true});
  const auto x = torch::full({1, 4}, 3.0f).requires_grad_();
  EXPECT_CLOSE(model.forward(x), x, 1e-6);
  const torch::AutoGradMode on(true);
  model.forward(x).sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(TiedModel, HasOneMatrixWhateverItIsMovedTo) {
  for (const auto& activation : test::every_activation(H)) {
    SparseAutoencoder model({.dim = D, .latents = H, .activation = activation, .tied = true});
    EXPECT_TRUE(model.encoder.is_same(model.decoder));
    EXPECT_CLOSE(model.decoder.norm(2, 1), torch::ones({H}), 1e-6);
    model.to(torch::kFloat64);
    EXPECT_EQ(model.encoder.scalar_type(), torch::kFloat64);
    model.to(torch::kCPU);
    const torch::NoGradGuard no_grad;
    model.decoder.mul_(2);
    EXPECT_TRUE(torch::equal(model.encoder, model.decoder));
    EXPECT_EQ(model.encoder.data_ptr(), model.decoder.data_ptr());
    std::vector<std::string> names;
    for (const auto& parameter : model.named_parameters()) names.push_back(parameter.key());
    EXPECT_THAT(names, testing::Not(testing::Contains("encoder")));
  }
}

TEST(JumpReluModel, StartsAtItsThreshold) {
  SparseAutoencoder model({.dim = D, .latents = H, .activation = JumpRelu{.threshold = 0.02}});
  EXPECT_CLOSE(model.log_threshold.exp().detach(), torch::full({H}, 0.02f), 1e-6);
  EXPECT_EQ(model.parameters().size(), 5u);
  SparseAutoencoder other({.dim = D, .latents = H, .activation = Relu{}});
  EXPECT_FALSE(other.log_threshold.defined());
}

TEST(Thresholds, AreOneForEachLevelOfAMatryoshkaOverBatches) {
  for (const auto& activation : test::every_activation(H)) {
    const auto* nested = std::get_if<Matryoshka>(&activation);
    SparseAutoencoder model({.dim = D, .latents = H, .activation = activation});
    EXPECT_EQ(model.threshold.sizes(), (std::vector<std::int64_t>{nested && nested->batch ? 3 : 1}));
  }
}

TEST(SoftCap, BoundsLatentsAndLeavesSmallOnesAlone) {
  SparseAutoencoder model({.dim = D, .latents = H, .activation = Relu{}, .soft_cap = 2});
  const auto capped = model.cap(torch::tensor({1e6, -1e6, 1e-4, 0.0}, torch::kFloat64));
  EXPECT_CLOSE(capped, torch::tensor({2.0, -2.0, 1e-4, 0.0}, torch::kFloat64), 1e-12);
}

TEST(ModelOptions, RefuseWhatDoesNotGoTogether) {
  const auto refusal = [](SparseAutoencoderOptions options) -> std::string {
    try {
      options.validate();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "accepted";
  };
  using testing::StartsWith;
  for (const double cap : {-1.0, double{NAN}, double{INFINITY}, 1e-60}) {
    EXPECT_THAT(refusal({.dim = 4, .latents = 8, .activation = Relu{}, .soft_cap = cap}),
                StartsWith("soft_cap: must be positive and finite in float32, not "));
  }
  for (const auto ranking : {Ranking::value, Ranking::magnitude}) {
    EXPECT_THAT(refusal({.dim = 4, .latents = 8, .activation = JumpRelu{}, .ranking = ranking}),
                StartsWith("ranking: "));
  }
  EXPECT_THAT(refusal({.dim = 1, .latents = 8, .activation = Relu{}, .normalise_rows = true}),
              StartsWith("normalise_rows: "));
  EXPECT_EQ(refusal({.dim = 2, .latents = 8, .activation = Relu{}, .normalise_rows = true}), "accepted");
  EXPECT_EQ(refusal({.dim = 1, .latents = 8, .activation = JumpRelu{}, .tied = true}), "accepted");
}

}  // namespace
}  // namespace msae::models
