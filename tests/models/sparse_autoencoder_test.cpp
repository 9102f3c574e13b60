#include "msae/models/sparse_autoencoder.h"

#include <gmock/gmock.h>

#include "support/tensors.h"

namespace msae::models {
namespace {

using Point = OperatingPoint;

constexpr std::int64_t D = 6, H = 20, B = 9;

// A model with nothing at its initial value.
struct Model : SparseAutoencoder {
  explicit Model(Activation activation)
      : SparseAutoencoder({.dim = D, .latents = H, .activation = std::move(activation)}) {
    to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    encoder.copy_(test::random(encoder.sizes(), 1));
    latent_bias.copy_(test::random(latent_bias.sizes(), 2) * 0.3);
    pre_bias.copy_(test::random(pre_bias.sizes(), 3) * 0.3);
    threshold.fill_(0.8);
    set_statistics(test::random({D}, 4), 1.7);
  }
};

torch::Tensor embeddings() {
  return test::random({B, D}, 5);
}

torch::Tensor naive_pre(const Model& m) {
  const auto u = (embeddings() - m.mean) * m.scale;
  return (u - m.pre_bias).mm(m.encoder.t()) + m.latent_bias;
}

// Keeps the k largest positive entries of each row, by sorting.
torch::Tensor naive_top(const torch::Tensor& pre, std::int64_t k) {
  auto kept = torch::zeros_like(pre);
  const auto order = pre.argsort(true, 1, true);
  for (std::int64_t b = 0; b < pre.size(0); ++b) {
    for (std::int64_t i = 0; i < k; ++i) {
      const auto j = order[b][i].item<std::int64_t>();
      kept[b][j] = std::max(0.0, pre[b][j].item<double>());
    }
  }
  return kept;
}

TEST(SparseAutoencoder, EncodesByItsFormulaAtEveryOperatingPoint) {
  const torch::NoGradGuard no_grad;
  Model nested(Matryoshka{{2, 5, 20}});
  const auto pre = naive_pre(nested), x = embeddings();
  EXPECT_CLOSE(nested.encode(x), naive_top(pre, 2), 1e-12);
  EXPECT_CLOSE(nested.encode(x, Point::level(1)), naive_top(pre, 5), 1e-12);
  EXPECT_CLOSE(nested.encode(x, Point::level(2)), pre.relu(), 1e-12);
  EXPECT_CLOSE(nested.encode(x, Point::all()), pre.relu(), 1e-12);
  EXPECT_CLOSE(nested.encode(x, Point::top(7)), naive_top(pre, 7), 1e-12);
  EXPECT_EQ(nested.encode(x, Point::top(0)).abs().sum().item<double>(), 0);

  Model topk(TopK{3});
  EXPECT_CLOSE(topk.encode(x), naive_top(naive_pre(topk), 3), 1e-12);
  Model relu(Relu{});
  EXPECT_CLOSE(relu.encode(x), naive_pre(relu).relu(), 1e-12);
  Model batch(BatchTopK{3});
  const auto p = naive_pre(batch);
  EXPECT_CLOSE(batch.encode(x), p * (p > 0.8), 1e-12);
}

TEST(SparseAutoencoder, BatchTopKRowsDoNotDependOnTheirNeighbours) {
  const torch::NoGradGuard no_grad;
  Model batch(BatchTopK{3});
  EXPECT_CLOSE(batch.encode(embeddings().slice(0, 4, 5)), batch.encode(embeddings()).slice(0, 4, 5), 1e-13);
}

TEST(SparseAutoencoder, DecodesToRawEmbeddings) {
  const torch::NoGradGuard no_grad;
  Model model(TopK{3});
  const auto z = model.encode(embeddings());
  const auto expected = (z.mm(model.decoder) + model.pre_bias) / model.scale + model.mean;
  EXPECT_CLOSE(model.decode(z), expected, 1e-13);
  EXPECT_CLOSE(model.forward(embeddings()), expected, 1e-13);
}

TEST(SparseAutoencoder, LevelsAreThePrefixesOfOneRanking) {
  const torch::NoGradGuard no_grad;
  Model nested(Matryoshka{{2, 5, 20}});
  const auto levels = nested.levels(embeddings());
  ASSERT_EQ(levels.size(0), 3);
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_CLOSE(levels[i], nested.decode(nested.encode(embeddings(), Point::level(i))), 1e-12);
  }
  Model topk(TopK{3});
  EXPECT_CLOSE(topk.levels(embeddings())[0], topk.forward(embeddings()), 1e-13);
}

TEST(SparseAutoencoder, StartsFromUnitDictionaryRowsAndAParallelEncoder) {
  SparseAutoencoder model(
      {.dim = D, .latents = H, .activation = Relu{}, .decoder_norm = 1, .encoder_norm = 0.25});
  EXPECT_CLOSE(model.decoder.norm(2, 1), torch::ones({H}), 1e-6);
  EXPECT_CLOSE(model.encoder, model.decoder * 0.25, 1e-6);
  EXPECT_EQ(model.latent_bias.abs().sum().item<float>() + model.pre_bias.abs().sum().item<float>(), 0);
}

TEST(SparseAutoencoder, DependsOnItsSeedAlone) {
  const SparseAutoencoderOptions options{.dim = D, .latents = H, .activation = Relu{}, .seed = 5};
  SparseAutoencoder a(options), b(options), c({.dim = D, .latents = H, .activation = Relu{}, .seed = 6});
  EXPECT_TRUE(torch::equal(a.decoder, b.decoder));
  EXPECT_FALSE(torch::equal(a.decoder, c.decoder));
}

TEST(SparseAutoencoder, IsAModuleOfAUsersNetwork) {
  struct Network : torch::nn::Module {
    Network() {
      sae = register_module("sae", std::make_shared<SparseAutoencoder>(SparseAutoencoderOptions{
                                       .dim = 4, .latents = 8, .activation = TopK{2}}));
    }
    std::shared_ptr<SparseAutoencoder> sae;
  } network;
  EXPECT_EQ(network.parameters().size(), 4);
  EXPECT_EQ(network.named_buffers().size(), 3);
  network.to(torch::kFloat64);
  const auto out = network.sae->forward(test::random({3, 4}, 1));
  EXPECT_EQ(out.scalar_type(), torch::kFloat64);
  out.square().sum().backward();
  for (const auto& parameter : network.parameters()) EXPECT_TRUE(parameter.grad().defined());
}

TEST(SparseAutoencoder, RefusesWrongShapesAndPoints) {
  Model model(Matryoshka{{2, 5}});
  Model topk(TopK{3});
  EXPECT_THROW(model.encode(test::random({B, D + 1}, 1)), c10::Error);
  EXPECT_THROW(model.encode(embeddings()[0]), c10::Error);
  EXPECT_THROW(model.decode(test::random({B, H + 1}, 1)), c10::Error);
  EXPECT_THROW(model.encode(embeddings(), Point::level(2)), c10::Error);
  EXPECT_THROW(model.encode(embeddings(), Point::level(-1)), c10::Error);
  EXPECT_THROW(model.encode(embeddings(), Point::top(H + 1)), c10::Error);
  EXPECT_THROW(topk.encode(embeddings(), Point::level(1)), c10::Error);
  EXPECT_THROW(model.set_statistics(torch::zeros({D}), 0), c10::Error);
  EXPECT_THROW(model.set_statistics(torch::zeros({D + 1}), 1), c10::Error);
}

TEST(SparseAutoencoder, RefusesImpossibleOptions) {
  const auto refused = [](SparseAutoencoderOptions options) {
    EXPECT_THROW(SparseAutoencoder{options}, std::invalid_argument);
  };
  refused({.dim = 0, .latents = 8, .activation = Relu{}});
  refused({.dim = 4, .latents = 0, .activation = Relu{}});
  refused({.dim = 4, .latents = -8, .activation = Relu{}});
  refused({.dim = 4, .latents = 8, .activation = TopK{9}});
  refused({.dim = 4, .latents = 8, .activation = TopK{2}, .decoder_norm = 0});
  refused({.dim = 4, .latents = 8, .activation = TopK{2}, .encoder_norm = -1});
  EXPECT_THROW(SparseAutoencoder({.dim = 1 << 20, .latents = 1LL << 40, .activation = Relu{}}),
               std::runtime_error);
}

}  // namespace
}  // namespace msae::models
