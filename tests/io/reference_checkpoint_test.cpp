// Checkpoints of the published implementation, beside what it computed from them; and ours, written for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "data/hdf5_file.h"
#include "io/random_model.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensors.h"
#include "support/warnings.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::OperatingPoint;
using test::Warnings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using torch::Tensor;

constexpr auto data_set = "_toy_ViT-B~32_train_image_96_32.pth";

/// The published results for one checkpoint, by name.
using Results = std::function<Tensor(const std::string& name)>;

void expect_published(models::SparseAutoencoder& model, const Results& results) {
  const torch::NoGradGuard no_grad;
  const auto x = results("x");
  const bool by_batch = std::holds_alternative<models::BatchTopK>(model.activation());
  if (!by_batch) {  // a batch's depend on its rows
    EXPECT_CLOSE(model.encode(x), results("latents"), 1e-6);
  }
  EXPECT_CLOSE(model.encode(x, OperatingPoint::all()), results("full_latents"), 1e-6);
  EXPECT_CLOSE(model.encode(x, OperatingPoint::top(5)), results("full_latents_top5"), 1e-6);
  const auto again = model.decode(results("latents"), x);
  if (model.options().normalise_rows) {  // stored in model space alone
    EXPECT_CLOSE(model.normalise(again), results("model_recons"), 1e-6);
  } else {
    EXPECT_CLOSE(again, results("decode_of_latents"), 1e-6);
  }
}

class ReferenceFile : public ::testing::TestWithParam<const char*> {
 protected:
  static fs::path path() {
    return fs::path(MSAE_TEST_DATA) / "reference_files" / (GetParam() + std::string(data_set));
  }
};

TEST_P(ReferenceFile, ComputesWhatThePublishedCodeComputes) {
  const auto expected =
      load_tensors(fs::path(MSAE_TEST_DATA) / "reference_files" / "expected.safetensors").tensors;
  const Warnings warnings;
  const auto model = load(path());
  expect_published(*model, [&](const std::string& name) { return expected.at(GetParam() + ("/" + name)); });
}

TEST_P(ReferenceFile, IsWrittenAgainWithTheSameBits) {
  const test::TempDir folder;
  const Warnings warnings;
  const auto first = load(path());
  const auto copy = folder / reference_name(*first);
  save_reference(*first, copy);
  const auto second = load(copy);
  for (const auto& parameter : first->named_parameters()) {
    EXPECT_TRUE(second->named_parameters()[parameter.key()].equal(parameter.value())) << parameter.key();
  }
  EXPECT_TRUE(second->mean.equal(first->mean));
  EXPECT_TRUE(second->scale.equal(first->scale));
}

INSTANTIATE_TEST_SUITE_P(
    , ReferenceFile,
    ::testing::Values("256_32_TopKReLU_64_RW_False_False_0.0", "64_32_TopKReLU_8_False_False_0.0",
                      "64_32_ReLU_003_False_False_0.0", "64_32_BatchTopKReLU_8_False_False_0.0",
                      "64_32_TopKReLU_8_True_False_0.0", "64_32_TopKReLU_8_False_True_1.5"),
    [](const auto& tested) {
      std::string name = tested.param;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(ReferenceFiles, TellTheirActivation) {
  const auto load_one = [](const std::string& name) {
    return load(fs::path(MSAE_TEST_DATA) / "reference_files" / (name + data_set));
  };
  const auto nested =
      std::get<models::Matryoshka>(load_one("256_32_TopKReLU_64_RW_False_False_0.0")->activation());
  EXPECT_THAT(nested.levels, ElementsAre(64, 128, 256));
  EXPECT_THAT(nested.weights, ElementsAre(3, 2, 1));
  const Warnings warnings;
  const auto batch = load_one("64_32_BatchTopKReLU_8_False_False_0.0");
  EXPECT_EQ(std::get<models::BatchTopK>(batch->activation()).k, 8);
  EXPECT_THAT(warnings.lines(), ElementsAre(HasSubstr("holds no threshold of a model over batches")));
}

TEST(GoldenReferenceFiles, ComputeWhatThePublishedCodeComputes) {
  const char* golden = std::getenv("MSAE_GOLDEN");
  if (!golden) GTEST_SKIP() << "needs the published numbers";
  const Warnings warnings;
  int compared = 0;
  for (const auto* folder : {"/formats/reference", "/formats/reference/newer"}) {
    const auto file = data::hdf5::File::open(std::string(golden) + folder + "/expected.h5");
    for (const auto& entry : fs::directory_iterator(std::string(golden) + folder)) {
      const auto name = entry.path().filename().string();
      if (entry.path().extension() != ".pth") continue;
      SCOPED_TRACE(name);
      expect_published(*load(entry.path()), [&](const std::string& what) {
        const auto data = "/checkpoints/" + name + "/" + what;
        const auto shape = file.data_set(data).info().shape;
        return torch::tensor(file.read<float>(data))
            .reshape({static_cast<std::int64_t>(shape[0]), static_cast<std::int64_t>(shape[1])});
      });
      ++compared;
    }
  }
  EXPECT_EQ(compared, 8);
}

class SavedReference : public ::testing::Test {
 protected:
  std::shared_ptr<models::SparseAutoencoder> again(const models::SparseAutoencoder& model) {
    const auto path = folder_ / reference_name(model);
    save_reference(model, path);
    return load(path);
  }
  test::TempDir folder_;
  Warnings warnings_;
};

TEST_F(SavedReference, ComesBackWithTheSameBitsInEitherPrecision) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const auto model = test::random_model(models::Matryoshka{.levels = {5, 10, 20, 40}}, 12, 40, type);
    const auto back = again(model);
    EXPECT_EQ(back->encoder.scalar_type(), type);
    for (const auto& parameter : model.named_parameters()) {
      EXPECT_TRUE(back->named_parameters()[parameter.key()].equal(parameter.value())) << parameter.key();
    }
    EXPECT_TRUE(back->mean.equal(model.mean));
    EXPECT_TRUE(back->scale.equal(model.scale));
    EXPECT_THAT(std::get<models::Matryoshka>(back->activation()).levels, ElementsAre(5, 10, 20, 40));
  }
  EXPECT_THAT(warnings_.lines(), IsEmpty());
}

TEST_F(SavedReference, SaysWhatItDoesNotHold) {
  again(test::random_model(models::Matryoshka{.levels = {5, 40}}));
  ASSERT_EQ(warnings_.lines().size(), 1u);
  EXPECT_THAT(warnings_.lines()[0], HasSubstr("does not hold its levels other than the first"));
  again(test::random_model(models::BatchTopK{.k = 3}));
  ASSERT_EQ(warnings_.lines().size(), 3u);
  EXPECT_THAT(warnings_.lines()[1], HasSubstr("does not hold what a model over batches has learnt"));
}

TEST_F(SavedReference, ModelsThatAreNotFiniteAreNotWritten) {
  const auto model = test::random_model(models::TopK{.k = 3});
  const torch::NoGradGuard no_grad;
  model.decoder[3][4] = NAN;
  EXPECT_THAT([&] { save_reference(model, folder_ / "a.pth"); },
              ::testing::ThrowsMessage<IoError>(HasSubstr("a.pth: not written, as decoder would hold NaN")));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(SavedReference, HalfPrecisionIsWrittenAsFloat32) {
  const auto model = test::random_model(models::TopK{.k = 3}, 12, 40, torch::kBFloat16);
  const auto back = again(model);
  EXPECT_TRUE(back->encoder.equal(model.encoder.to(torch::kFloat32)));
}

TEST_F(SavedReference, EqualsAFolderOfTheSameModelToRounding) {
  const auto model = test::random_model(models::TopK{.k = 7});
  save(*again(model), folder_ / "folder");
  const auto back = load(folder_ / "folder");
  EXPECT_CLOSE(back->encoder, model.encoder, 1e-6);
  EXPECT_CLOSE(back->decoder, model.decoder, 1e-6);
  EXPECT_CLOSE(back->pre_bias, model.pre_bias, 1e-6);
}

TEST(SavedSafetensors, HoldTheModelsOwnTensors) {
  const test::TempDir folder;
  const auto model = test::random_model(models::BatchTopK{.k = 3});
  save_safetensors(model, folder / "a.safetensors");
  auto file = load_tensors(folder / "a.safetensors");
  EXPECT_EQ(file.tensors.size(), 7u);
  EXPECT_TRUE(file.tensors.at("encoder").equal(model.encoder));
  EXPECT_TRUE(file.tensors.at("decoder").equal(model.decoder));
  EXPECT_TRUE(file.tensors.at("latent_bias").equal(model.latent_bias));
  EXPECT_TRUE(file.tensors.at("pre_bias").equal(model.pre_bias));
  EXPECT_TRUE(file.tensors.at("mean").equal(model.mean));
  EXPECT_TRUE(file.tensors.at("scale").equal(model.scale));
  EXPECT_TRUE(file.tensors.at("threshold").equal(model.threshold));
  EXPECT_EQ(file.metadata.at("model"), R"({"activation":{"kind":"batch-topk","k":3}})");
  save_safetensors(test::random_model(models::Relu{}), folder / "a.safetensors");
  EXPECT_EQ(load_tensors(folder / "a.safetensors").tensors.size(), 6u);
}

}  // namespace
}  // namespace msae::io
