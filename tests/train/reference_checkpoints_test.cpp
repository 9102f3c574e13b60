// Whole runs of the published training script, which saved its models. How long they were is not stored;
// their counts of activity tell six epochs, and only 96 rows in one batch give these numbers. So the order of
// rows has no say; the rate does, which the published schedule raises in the fifth epoch and lowers in the
// sixth.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "msae/data/source.h"
#include "msae/train/trainer.h"
#include "train/golden_case.h"

namespace msae::train {
namespace {

struct Checkpoint {
  const char* name;
  models::Activation activation;
  const char* file;
};

class ReferenceCheckpoints : public testing::TestWithParam<Checkpoint> {};

TEST_P(ReferenceCheckpoints, AreWhatTheTrainerMakes) {
  const char* golden = std::getenv("MSAE_GOLDEN");
  if (golden == nullptr) GTEST_SKIP() << "needs the models that the published script saved";
  constexpr std::int64_t rows = 96, dim = 32;
  const auto folder = std::string(golden) + "/formats/reference";
  std::vector<float> values(rows * dim);
  std::ifstream(folder + "/toy_ViT-B~32_train_image_96_32.npy", std::ios::binary)
      .read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));

  const test::Golden file(folder + "/expected.h5");
  const test::Numbers saved(file, std::string("checkpoints/") + GetParam().file +
                                      "_False_False_0.0_toy_ViT-B~32_train_image_96_32.pth/model");
  const auto latents = saved.tensor("latent_bias").size(0);
  models::SparseAutoencoder model(published_model(dim, latents, GetParam().activation, 42));
  auto options = TrainOptions::published(GetParam().activation);
  options.epochs = 6;
  options.batch_size = rows;
  options.engine = EngineKind::autograd;  // adds up in the published order; fused is held to it in float64
  Trainer(model, options).fit(*data::in_memory(std::move(values), dim));
  // Adam divides noise by noise where gradients are nearly zero; the encoder's are, next to its values.
  saved.expect("pre_bias", model.pre_bias, {.relative = 1e-4});
  saved.expect("encoder", model.encoder.t(), {.relative = 1e-4});
  saved.expect("latent_bias", model.latent_bias, {.relative = 2e-6});
  saved.expect("decoder", model.decoder, {.relative = 2e-6});
}

const models::Matryoshka reverse{{64, 128, 256}, {3, 2, 1}}, uniform{{64, 128, 256}};

INSTANTIATE_TEST_SUITE_P(Kinds, ReferenceCheckpoints,
                         testing::Values(Checkpoint{"relu", models::Relu{}, "64_32_ReLU_003"},
                                         Checkpoint{"topk", models::TopK{8}, "64_32_TopKReLU_8"},
                                         Checkpoint{"batchtopk", models::BatchTopK{8},
                                                    "64_32_BatchTopKReLU_8"},
                                         Checkpoint{"msae_rw", reverse, "256_32_TopKReLU_64_RW"},
                                         Checkpoint{"msae_uw", uniform, "256_32_TopKReLU_64_UW"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace msae::train
