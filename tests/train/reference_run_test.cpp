// The first 40 steps of the published training on real embeddings: initial dictionary, row order, statistics
// and losses.
#include <gtest/gtest.h>

#include <cstdlib>

#include "data/hdf5_file.h"
#include "msae/data/source.h"
#include "msae/data/statistics.h"
#include "msae/train/engine.h"
#include "support/tensors.h"
#include "train/row_order.h"

namespace msae::train {
namespace {

struct Case {
  const char* name;
  models::Activation activation;
  double tolerance;
};

class ReferenceRun : public testing::TestWithParam<Case> {
 protected:
  static constexpr std::int64_t rows = 4096, dim = 512, latents = 1024;

  void SetUp() override {
    const char* real = std::getenv("MSAE_REAL_DATA");
    const char* golden = std::getenv("MSAE_GOLDEN");
    if (!real || !golden) GTEST_SKIP() << "needs the real embeddings and the published numbers";
    golden_.emplace(data::hdf5::File::open(std::string(golden) + "/training.h5"));
    const auto all = data::open(std::string(real) + "/clip_vitb32_images.h5:/train/embeddings");
    std::vector<float> head(rows * dim);
    all->read(0, rows, head);
    rows_ = torch::tensor(head).reshape({rows, dim});
    data_ = data::in_memory(std::move(head), dim);
  }

  std::optional<data::hdf5::File> golden_;
  torch::Tensor rows_;
  std::unique_ptr<data::EmbeddingSource> data_;
};

TEST_P(ReferenceRun, HasThePublishedLosses) {
  models::SparseAutoencoder model(published_model(dim, latents, GetParam().activation, 42));
  const auto initial = torch::tensor(golden_->read<float>("init/decoder")).reshape({latents, dim});
  EXPECT_CLOSE(model.decoder.detach(), initial, 1e-6);

  auto options = TrainOptions::published(GetParam().activation);
  options.batch_size = 512;
  set_statistics(model, data::statistics(*data_), options.scaling);
  const auto engine = make_autograd_engine(model, options);
  const auto order =
      torch::tensor(golden_->read<std::int32_t>("data/order")).to(torch::kInt64).reshape({40, 512});
  const auto losses = golden_->read<double>(std::string(GetParam().name) + "/f32/loss");
  for (std::int64_t step = 0; step < 40; ++step) {
    engine->step(rows_.index_select(0, order[step]), learning_rate(options, step, 40, 8));
    EXPECT_NEAR(engine->take_metrics().loss / losses[static_cast<std::size_t>(step)], 1, GetParam().tolerance)
        << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ReferenceRun,
    testing::Values(Case{"relu", models::Relu{}, 1e-4}, Case{"topk", models::TopK{64}, 1e-4},
                    Case{"batchtopk", models::BatchTopK{32}, 1e-3},
                    Case{"msae_rw",
                         models::Matryoshka{models::doubling_levels(64, 1024), models::reverse_weights(5)},
                         1e-4},
                    Case{"msae_uw", models::Matryoshka{models::doubling_levels(64, 1024)}, 1e-4}),
    [](const auto& test) { return test.param.name; });

TEST(PublishedEpochSeeds, AreAskedForInAnyOrder) {
  const auto forwards = published_epoch_seeds(42, 16, 4), backwards = published_epoch_seeds(42, 16, 4);
  const auto third = backwards(3);
  EXPECT_EQ(backwards(0), forwards(0));
  EXPECT_EQ(third, forwards(3));
  EXPECT_NE(forwards(0), forwards(1));
}

}  // namespace
}  // namespace msae::train
