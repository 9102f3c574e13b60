// Folders that SAELens wrote or read, beside what SAELens computed from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "io/random_model.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "models/every_model.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(MSAE_TEST_DATA) / "saelens" / name;
}

nlohmann::ordered_json config_of(const std::filesystem::path& folder) {
  return nlohmann::ordered_json::parse(files::read_text(folder / "cfg.json", 1 << 20));
}

void expect_close(const torch::Tensor& ours, const torch::Tensor& theirs) {
  const auto error = ((ours - theirs).abs().max() / theirs.abs().max()).item<double>();
  EXPECT_LT(error, 1e-5);
}

class SaeLensFolder : public ::testing::TestWithParam<const char*> {};

TEST_P(SaeLensFolder, ComputesWhatSaeLensComputes) {
  const torch::NoGradGuard no_grad;
  const auto model = load(fixture(GetParam()));
  auto expected = load_tensors(fixture(GetParam()) / "expected.safetensors").tensors;
  const auto latents = model->encode(expected.at("x"));
  expect_close(latents, expected.at("encode"));
  EXPECT_TRUE((latents > 0).equal(expected.at("encode") > 0));
  expect_close(model->decode(expected.at("encode")), expected.at("decode"));
}

TEST_P(SaeLensFolder, StaysTheSameWhenSavedAgain) {
  const test::TempDir folder;
  save(*load(fixture(GetParam())), folder.path());
  auto before = load_tensors(fixture(GetParam()) / "sae_weights.safetensors").tensors;
  auto after = load_tensors(folder / "sae_weights.safetensors").tensors;
  const bool centred = config_of(fixture(GetParam())).at("apply_b_dec_to_input");
  for (const auto& [name, tensor] : before) {
    if (centred || name != "b_enc") expect_close(after.at(name), tensor);
  }
}

INSTANTIATE_TEST_SUITE_P(, SaeLensFolder,
                         ::testing::Values("topk", "jumprelu", "standard", "standard_no_b_dec_to_input",
                                           "mapped_topk", "mapped_relu", "mapped_msae_rw", "ours_matryoshka",
                                           "ours_batch_topk"),
                         [](const auto& tested) { return std::string(tested.param); });

// SAELens trains thresholds without a bound; its latents are positive all the same.
TEST(SaeLensJumpRelu, ThresholdsBelowZeroKeepEveryPositiveLatent) {
  const torch::NoGradGuard no_grad;
  const test::TempDir folder;
  std::filesystem::copy(fixture("jumprelu"), folder / "model");
  auto weights = load_tensors(folder / "model/sae_weights.safetensors");
  auto& threshold = weights.tensors.at("threshold");
  threshold.slice(0, 0, 10).fill_(-1);
  threshold.slice(0, 10, 20).fill_(0);
  save_tensors(folder / "model/sae_weights.safetensors", weights);
  const auto x = load_tensors(folder / "model/expected.safetensors").tensors.at("x");

  const auto model = load(folder / "model");
  const auto& w = weights.tensors;
  const auto pre = (x - w.at("b_dec")).mm(w.at("W_enc")) + w.at("b_enc");
  expect_close(model->encode(x), pre.relu() * (pre > threshold));
  EXPECT_GT((model->encode(x).slice(1, 0, 20) > 0).sum().item<int>(), 0);
}

// As in registry.py of sae-lens 6.54.12, which knows no "msae".
TEST(SaeLens, IsToldAnArchitectureItDoesNotKnowWhereItWouldComputeSomethingElse) {
  for (const auto& options : test::every_model(12, 40)) {
    const test::TempDir folder;
    save(test::random_model(options), folder.path());
    const std::string name = config_of(folder.path()).at("architecture");
    const auto* nested = std::get_if<models::Matryoshka>(&options.activation);
    const bool plain =
        !options.normalise_rows && options.soft_cap == 0 && options.ranking == models::Ranking::positive;
    std::string expected = "msae";
    if (plain && std::holds_alternative<models::Relu>(options.activation)) expected = "standard";
    if (plain && (std::holds_alternative<models::TopK>(options.activation) || (nested && !nested->batch))) {
      expected = "topk";
    }
    if (plain && expected == "msae") expected = "jumprelu";
    EXPECT_EQ(name, expected) << test::name(options);
  }
}

// SAELens' formulas on the stored tensors, of raw rows, whatever kind we have trained.
TEST(SaeLens, ComputesTheSameFromWhatWeStore) {
  const torch::NoGradGuard no_grad;
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  for (const auto& options : test::some_models(12, 40)) {
    const test::TempDir folder;
    auto model = test::random_model(options);
    save(model, folder.path());
    const auto config = config_of(folder.path());
    if (config.at("architecture") == "msae") continue;
    auto w = load_tensors(folder / "sae_weights.safetensors").tensors;
    const auto pre = (x - w.at("b_dec")).mm(w.at("W_enc")) + w.at("b_enc");
    auto z = pre.relu();
    if (config.at("architecture") == "jumprelu") z = z * (pre > w.at("threshold"));
    if (config.at("architecture") == "topk") {
      const auto top = z.topk(config.at("k").get<std::int64_t>(), 1);
      z = torch::zeros_like(z).scatter_(1, std::get<1>(top), std::get<0>(top));
    }
    SCOPED_TRACE(test::name(options));
    expect_close(model.encode(x), z);
    expect_close(model.forward(x), z.mm(w.at("W_dec")) + w.at("b_dec"));
  }
}

// What SAELens does at every call, or keeps under another name, is done once as the folder is read.
class SaeLensVariant : public SaeLensFolder {};

TEST_P(SaeLensVariant, ComputesWhatSaeLensComputes) {
  const torch::NoGradGuard no_grad;
  const auto model = load(fixture(GetParam()));
  auto expected = load_tensors(fixture(GetParam()) / "expected.safetensors").tensors;
  const auto latents = model->encode(expected.at("x"));
  expect_close(latents, expected.at("encode"));
  EXPECT_TRUE((latents != 0).equal(expected.at("encode") != 0));
  expect_close(model->forward(expected.at("x")), expected.at("decode"));
}

INSTANTIATE_TEST_SUITE_P(, SaeLensVariant,
                         ::testing::Values("topk_rescale", "abstopk", "training_batchtopk",
                                           "training_matryoshka_batchtopk"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(SaeLensTraining, TellsThePrefixesAndTheThreshold) {
  const auto model = load(fixture("training_matryoshka_batchtopk"));
  const auto& nested = std::get<models::PrefixMatryoshka>(model->activation());
  EXPECT_EQ(nested.k, 6);
  EXPECT_THAT(nested.sizes, ::testing::ElementsAre(12, 48));
  EXPECT_FLOAT_EQ(model->threshold.item<float>(), 0.4f);
}

class OurFolder : public ::testing::TestWithParam<const char*> {};

TEST_P(OurFolder, IsStillWrittenWithTheSameKeysAndShapes) {
  const test::TempDir folder;
  save(*load(fixture(GetParam())), folder.path());

  const SafetensorsFile before(fixture(GetParam()) / "sae_weights.safetensors");
  const SafetensorsFile after(folder / "sae_weights.safetensors");
  ASSERT_EQ(after.tensors().size(), before.tensors().size());
  for (const auto& [name, tensor] : before.tensors()) {
    EXPECT_EQ(after.entry(name, tensor.shape).dtype, tensor.dtype) << name;
    EXPECT_EQ(after.entry(name).begin, tensor.begin) << name;
  }

  auto old_config = config_of(fixture(GetParam()));
  auto new_config = config_of(folder.path());
  for (auto* config : {&old_config, &new_config}) {  // a newer version is no other format
    config->at("metadata").erase("saved_by");
    config->at("msae").erase("version");
  }
  EXPECT_EQ(new_config.dump(), old_config.dump());
}

INSTANTIATE_TEST_SUITE_P(, OurFolder, ::testing::Values("ours_matryoshka", "ours_batch_topk"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(OurFolders, RememberWhatSaeLensHasNoPlaceFor) {
  const auto nested = load(fixture("ours_matryoshka"));
  const auto activation = std::get<models::Matryoshka>(nested->activation());
  EXPECT_THAT(activation.levels, ::testing::ElementsAre(3, 8, 24));
  EXPECT_THAT(activation.weights, ::testing::ElementsAre(3, 2, 1));
  EXPECT_FLOAT_EQ(nested->scale.item<float>(), 3.7f);
  EXPECT_NE(nested->mean.abs().min().item<float>(), 0);

  const auto batch = load(fixture("ours_batch_topk"));
  EXPECT_EQ(std::get<models::BatchTopK>(batch->activation()).k, 4);
  EXPECT_FLOAT_EQ(batch->threshold.item<float>(), 0.35f);
}

// A copy of the folder topk whose cfg.json has one value replaced.
void expect_refused(const std::string& key, const nlohmann::json& value, const std::string& sentence) {
  const test::TempDir folder;
  auto config = config_of(fixture("topk"));
  config[key] = value;
  files::write_file(folder / "cfg.json", config.dump());
  std::filesystem::copy(fixture("topk") / "sae_weights.safetensors", folder.path());
  EXPECT_THAT([&] { load(folder.path()); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("cfg.json: " + key), HasSubstr(sentence))));
}

TEST(SaeLens, ModelsThatWouldComputeSomethingElseAreRefused) {
  expect_refused("architecture", "gated",
                 "is \"gated\": of SAELens' own models only standard, topk, abstopk, jumprelu");
  expect_refused("architecture", "jumprelu_skip_transcoder", "can be read");
  expect_refused("normalize_activations", "layer_norm", "is \"layer_norm\": only none");
  expect_refused("normalize_activations", "expected_average_only_in", "only none");
  expect_refused("reshape_activations", "hook_z", "only none");
  expect_refused("rescale_acts_by_decoder_norm", 1, "must be true or false");
}

}  // namespace
}  // namespace msae::io
