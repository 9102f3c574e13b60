#include "msae/io/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "io/random_model.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "models/every_model.h"
#include "msae/core/error.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using models::SparseAutoencoder;
using test::random_model;
using test::random_rows;
using test::TempDir;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Largest difference as a share of the largest value.
double difference(const torch::Tensor& found, const torch::Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

std::map<std::string, torch::Tensor> stored(const TempDir& folder) {
  return load_tensors(folder / "sae_weights.safetensors").tensors;
}

std::string config_of(const TempDir& folder) {
  return files::read_text(folder / "cfg.json", 1 << 20);
}

void expect_same_model(const SparseAutoencoder& found, const SparseAutoencoder& expected, double tolerance) {
  EXPECT_EQ(found.decoder.scalar_type(), expected.decoder.scalar_type());
  EXPECT_LE(difference(found.encoder, expected.encoder), tolerance);
  EXPECT_LE(difference(found.decoder, expected.decoder), tolerance);
  EXPECT_LE(difference(found.pre_bias, expected.pre_bias), tolerance);
  EXPECT_TRUE(found.latent_bias.equal(expected.latent_bias));
  EXPECT_TRUE(found.mean.equal(expected.mean));
  EXPECT_TRUE(found.scale.equal(expected.scale));
  EXPECT_EQ(found.encoder.is_same(found.decoder), expected.options().tied);
  if (models::chooses_over_batch(expected.activation())) {
    EXPECT_TRUE(found.threshold.equal(expected.threshold));
  }
  ASSERT_EQ(found.log_threshold.defined(), expected.log_threshold.defined());
  if (found.log_threshold.defined()) {
    EXPECT_LE(difference(found.log_threshold, expected.log_threshold), tolerance);
  }
}

void expect_same_options(const models::SparseAutoencoderOptions& found,
                         const models::SparseAutoencoderOptions& expected) {
  EXPECT_EQ(models::kind(found.activation), models::kind(expected.activation));
  EXPECT_EQ(models::level_weights(found.activation), models::level_weights(expected.activation));
  EXPECT_EQ(models::chooses_over_batch(found.activation), models::chooses_over_batch(expected.activation));
  EXPECT_EQ(found.tied, expected.tied);
  EXPECT_EQ(found.normalise_rows, expected.normalise_rows);
  EXPECT_EQ(found.soft_cap, expected.soft_cap);
  EXPECT_EQ(found.ranking, expected.ranking);
}

class EveryModel : public ::testing::TestWithParam<models::SparseAutoencoderOptions> {};

TEST_P(EveryModel, ComesBackEqualToRounding) {
  const torch::NoGradGuard no_grad;
  const TempDir folder;
  auto model = random_model(GetParam());
  save(model, folder.path());
  const auto loaded = load(folder.path());

  expect_same_options(loaded->options(), model.options());
  expect_same_model(*loaded, model, 1e-6);
  const auto rows = random_rows({30, 12}, 8).to(torch::kFloat32);
  const auto latents = model.encode(rows);
  EXPECT_LT(difference(loaded->encode(rows), latents), 2e-6);
  EXPECT_LT(difference(loaded->decode(latents, rows), model.decode(latents, rows)), 1e-6);
  EXPECT_LT(difference(loaded->levels(rows), model.levels(rows)), 2e-6);
}

TEST_P(EveryModel, KeepsDoublePrecision) {
  const TempDir folder;
  const auto model = random_model(GetParam(), torch::kFloat64);
  save(model, folder.path());
  expect_same_model(*load(folder.path()), model, 1e-15);
  EXPECT_THAT(config_of(folder), HasSubstr("\"dtype\": \"float64\""));
}

TEST_P(EveryModel, HardlyMovesWhenSavedAgainAndAgain) {
  const TempDir folder;
  const auto model = random_model(GetParam());
  save(model, folder.path());
  for (int i = 0; i < 5; ++i) save(*load(folder.path()), folder.path());
  expect_same_model(*load(folder.path()), model, 2e-6);
}

INSTANTIATE_TEST_SUITE_P(, EveryModel, ::testing::ValuesIn(test::every_model(12, 40)),
                         [](const auto& tested) {
                           auto name = test::name(tested.param);
                           for (auto& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(ModelFolder, TheActivationComesBackWhole) {
  const TempDir folder;
  save(random_model(models::Matryoshka{.levels = {2, 7}, .weights = {0.1, 1.0 / 3}}), folder.path());
  const auto nested = std::get<models::Matryoshka>(load(folder.path())->activation());
  EXPECT_EQ(nested.levels, (std::vector<std::int64_t>{2, 7}));
  EXPECT_EQ(nested.weights, (std::vector<double>{0.1, 1.0 / 3}));

  save(random_model(models::Matryoshka{.levels = {2, 7}}), folder.path());
  EXPECT_TRUE(std::get<models::Matryoshka>(load(folder.path())->activation()).weights.empty());
  save(random_model(models::TopK{.k = 9}), folder.path());
  EXPECT_EQ(std::get<models::TopK>(load(folder.path())->activation()).k, 9);
  save(random_model(models::BatchTopK{.k = 9}), folder.path());
  const auto batch = load(folder.path());
  EXPECT_EQ(std::get<models::BatchTopK>(batch->activation()).k, 9);
  EXPECT_EQ(batch->threshold.item<float>(), 0.35f);
  save(random_model(models::JumpRelu{.threshold = 0.1, .bandwidth = 1.0 / 3}), folder.path());
  const auto jump = std::get<models::JumpRelu>(load(folder.path())->activation());
  EXPECT_EQ(jump.threshold, 0.1);
  EXPECT_EQ(jump.bandwidth, 1.0 / 3);
  save(random_model(models::PrefixMatryoshka{.k = 9, .sizes = {2, 7, 40}, .weights = {0.1, 0, 1.0 / 3}}),
       folder.path());
  const auto prefix = std::get<models::PrefixMatryoshka>(load(folder.path())->activation());
  EXPECT_EQ(prefix.k, 9);
  EXPECT_EQ(prefix.sizes, (std::vector<std::int64_t>{2, 7, 40}));
  EXPECT_EQ(prefix.weights, (std::vector<double>{0.1, 0, 1.0 / 3}));
}

TEST(ModelFolder, HoldsTheModelWithItsStatisticsFoldedIn) {
  const torch::NoGradGuard no_grad;
  const TempDir folder;
  const auto model = random_model(models::BatchTopK{.k = 5});
  save(model, folder.path());
  auto tensors = stored(folder);
  EXPECT_EQ(tensors.size(), 5u);
  EXPECT_TRUE(tensors.at("W_enc").equal(model.encoder.t() * model.scale));
  EXPECT_LT(difference(tensors.at("W_dec"), model.decoder / model.scale), 1e-7);
  EXPECT_LT(difference(tensors.at("b_dec"), model.mean + model.pre_bias / model.scale), 1e-7);
  EXPECT_TRUE(tensors.at("b_enc").equal(model.latent_bias));
  EXPECT_TRUE(tensors.at("threshold").equal(torch::full({40}, 0.35f)));
}

// SAELens' formulas on the stored tensors, of raw rows.
TEST(ModelFolder, StoredTensorsAloneComputeTheModel) {
  const torch::NoGradGuard no_grad;
  const TempDir folder;
  auto model = random_model(models::Relu{});
  save(model, folder.path());
  auto tensors = stored(folder);
  const auto rows = random_rows({30, 12}, 8).to(torch::kFloat32);
  const auto latents = ((rows - tensors.at("b_dec")).mm(tensors.at("W_enc")) + tensors.at("b_enc")).relu();
  EXPECT_LT(difference(latents, model.encode(rows)), 1e-6);
  EXPECT_LT(difference(latents.mm(tensors.at("W_dec")) + tensors.at("b_dec"), model.forward(rows)), 1e-6);
}

TEST(ModelFolder, ADictionaryLargerThanOneBlockComesBack) {
  const TempDir folder;
  const auto model = random_model(models::TopK{.k = 5}, 150, 9001);
  save(model, folder.path());
  expect_same_model(*load(folder.path()), model, 1e-6);
}

TEST(ModelFolder, ConfigIsALineAKey) {
  const TempDir folder;
  save(random_model(models::Matryoshka{.levels = {2, 7, 40}}), folder.path());
  const auto text = config_of(folder);
  EXPECT_THAT(text,
              ::testing::StartsWith("{\n  \"architecture\": \"topk\",\n  \"d_in\": 12,\n  \"d_sae\": 40,\n"));
  EXPECT_THAT(text, HasSubstr("\n  \"k\": 2,\n  \"rescale_acts_by_decoder_norm\": false,\n"));
  EXPECT_THAT(text, HasSubstr("\n      \"levels\": [2,7,40],\n"));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 30);
}

TEST(ModelFolder, SavingLeavesOtherFilesAlone) {
  const TempDir folder;
  files::write_file(folder / "metrics.csv", "step\n");
  save(random_model(models::Relu{}), folder.path());
  save(random_model(models::Relu{}), folder / "new/and deeper");
  EXPECT_EQ(files::read_text(folder / "metrics.csv", 100), "step\n");
  EXPECT_NO_THROW(load(folder / "new/and deeper"));
}

TEST(ModelFolder, AFullDiskLeavesTheOldModelWhole) {
  const TempDir folder;
  const auto old = random_model(models::Relu{});
  save(old, folder.path());
  {
    const test::FileLimit limit(5'000);  // below the weights' size, above cfg.json's
    EXPECT_THAT(
        [&] { save(random_model(models::TopK{.k = 5}, 20, 90), folder.path()); },
        ThrowsMessage<IoError>(HasSubstr("sae_weights.safetensors: cannot be written: File too large")));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
  expect_same_model(*load(folder.path()), old, 1e-6);
}

TEST(ModelFolder, ReplacesALinkAndLeavesWhatItLeadsTo) {
  const TempDir folder;
  files::write_file(folder / "precious", "mine");
  std::filesystem::create_directory(folder / "model");
  for (const auto* file : {"cfg.json", "sae_weights.safetensors"}) {
    std::filesystem::create_symlink(folder / "precious", folder / "model" / file);
  }
  save(random_model(models::Relu{}), folder / "model");
  EXPECT_EQ(files::read_text(folder / "precious", 100), "mine");
  EXPECT_NO_THROW(load(folder / "model"));
}

TEST(ModelFolder, SaysWhyItCannotBeSaved) {
  const TempDir folder;
  files::write_file(folder / "file", "");
  const auto model = random_model(models::Relu{});
  EXPECT_THAT(
      [&] { save(model, folder / "file"); },
      ThrowsMessage<IoError>(HasSubstr("file: the folder cannot be made: a file of that name is there")));
  EXPECT_THAT([&] { save(model, folder / "file/run"); },
              ThrowsMessage<IoError>(HasSubstr("the folder cannot be made: Not a directory")));
  EXPECT_THROW(save(model, "/proc/run"), IoError);
}

TEST(ModelFolder, ADivergedModelDoesNotReplaceAGoodOne) {
  const TempDir folder;
  const auto good = random_model(models::Relu{});
  save(good, folder.path());
  for (const auto value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const torch::NoGradGuard no_grad;
    const auto bad = random_model(models::Relu{});
    bad.encoder[3][4] = value;
    EXPECT_THAT([&] { save(bad, folder.path()); },
                ThrowsMessage<IoError>(HasSubstr("not written, as W_enc would hold NaN or infinite values")));
  }
  expect_same_model(*load(folder.path()), good, 1e-6);
}

}  // namespace
}  // namespace msae::io
