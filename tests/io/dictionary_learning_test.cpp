// Folders of dictionary_learning: read as it reads them, and written for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "io/random_model.h"
#include "io/same_model.h"
#include "io/tensor_file.h"
#include "io/torch_file.h"
#include "models/every_model.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensors.h"
#include "support/warnings.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::PrefixMatryoshka;
using test::Warnings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using torch::Tensor;

fs::path dictionary_fixture(const std::string& name) {
  return fs::path(MSAE_TEST_DATA) / "dictionary_learning" / name;
}

// Every tensor of ae.pt, as PyTorch sees it.
std::map<std::string, Tensor> state_of(const fs::path& folder) {
  const TorchFile file(folder / "ae.pt");
  std::map<std::string, Tensor> state;
  for (const auto& [key, value] : std::get<pickle::Dict>(file.root().is).items) {
    const auto& view = std::get<pickle::TensorView>(value->is);
    auto bytes = file.read_all(view.storage);
    const auto type = view.storage.dtype == "F32"   ? torch::kFloat32
                      : view.storage.dtype == "F64" ? torch::kFloat64
                      : view.storage.dtype == "I32" ? torch::kInt32
                                                    : torch::kInt64;
    state[std::get<std::string>(key->is)] = torch::from_blob(bytes.data(), {view.storage.elements}, type)
                                                .as_strided(view.shape, view.strides, view.offset)
                                                .clone();
  }
  return state;
}

void expect_same_bits(const fs::path& one, const fs::path& other) {
  const auto before = state_of(one), after = state_of(other);
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [name, tensor] : before) {
    EXPECT_EQ(after.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(after.at(name).equal(tensor)) << name;
  }
}

class DictionaryFolder : public ::testing::TestWithParam<const char*> {};

TEST_P(DictionaryFolder, ComputesWhatThePackageComputes) {
  const torch::NoGradGuard no_grad;
  const auto model = load(dictionary_fixture(GetParam()));
  const auto expected = load_tensors(dictionary_fixture(GetParam()) / "expected.safetensors").tensors;
  auto latents = model->encode(expected.at("x"));
  const auto reconstructions = model->decode(latents);
  // from_pretrained() of AutoEncoder brings decoder rows to norm 1: the same sum of other factors.
  if (std::string(GetParam()) == "standard") latents *= model->decoder.norm(2, 1);
  EXPECT_CLOSE(latents, expected.at("encode"), 1e-6);
  EXPECT_CLOSE(reconstructions, expected.at("decode"), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(, DictionaryFolder,
                         ::testing::Values("standard", "new", "topk", "batchtopk", "matryoshka_batchtopk",
                                           "jumprelu", "mapped_topk"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(DictionaryLearning, WhatItHasWrittenIsWrittenAgainWithTheSameBits) {
  for (const auto* name : {"standard", "topk", "batchtopk", "matryoshka_batchtopk", "mapped_topk"}) {
    SCOPED_TRACE(name);
    const test::TempDir folder;
    save_dictionary_learning(*load(dictionary_fixture(name)), folder.path());
    expect_same_bits(dictionary_fixture(name), folder.path());
  }
}

// Its class does not subtract b_dec from rows, and the model keeps logarithms.
TEST(DictionaryLearning, BiasesAndThresholdsOfJumpReluRound) {
  const test::TempDir folder;
  save_dictionary_learning(*load(dictionary_fixture("jumprelu")), folder.path());
  const auto before = state_of(dictionary_fixture("jumprelu")), after = state_of(folder.path());
  for (const auto* name : {"W_enc", "W_dec", "b_dec"}) EXPECT_TRUE(after.at(name).equal(before.at(name)));
  EXPECT_LE((after.at("b_enc") - before.at("b_enc")).abs().max().item<float>(), 2e-7);
  const auto positive = before.at("threshold").clamp_min(0);  // below it, every positive latent is kept
  EXPECT_LE((after.at("threshold") - positive).abs().max().item<float>(), 2e-7);
}

TEST(DictionaryLearning, EveryKindComesBackAndIsWrittenWithTheSameBits) {
  const torch::NoGradGuard no_grad;
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  for (const auto& activation : test::every_activation(40)) {
    SCOPED_TRACE(models::kind(activation));
    const test::TempDir folder;
    const Warnings warnings;
    auto model = test::random_model(activation);
    save_dictionary_learning(model, folder / "first");
    const auto read = load(folder / "first");
    EXPECT_CLOSE(read->encode(x), model.encode(x), 1e-5);
    EXPECT_CLOSE(read->forward(x), model.forward(x), 1e-5);
    if (std::holds_alternative<models::JumpRelu>(activation)) continue;
    save_dictionary_learning(*read, folder / "second");
    expect_same_bits(folder / "first", folder / "second");
    test::expect_same(*load(folder / "second"), *read);
  }
}

TEST(DictionaryLearning, PrefixesWeightsAndThresholdComeBack) {
  const test::TempDir folder;
  const auto model = test::random_model(PrefixMatryoshka{.k = 3, .sizes = {2, 5, 40}, .weights = {3, 1, 2}});
  save_dictionary_learning(model, folder.path());
  EXPECT_TRUE(state_of(folder.path()).at("group_sizes").equal(torch::tensor({2, 3, 35}, torch::kInt64)));
  const auto read = load(folder.path());
  const auto& nested = std::get<PrefixMatryoshka>(read->activation());
  EXPECT_EQ(nested.k, 3);
  EXPECT_THAT(nested.sizes, ElementsAre(2, 5, 40));
  EXPECT_THAT(nested.weights, ElementsAre(3, 1, 2));
  EXPECT_TRUE(read->threshold.equal(model.threshold));
}

TEST(DictionaryLearning, Float64StaysSo) {
  const test::TempDir folder;
  save_dictionary_learning(test::random_model(models::TopK{3}, 12, 40, torch::kFloat64), folder.path());
  EXPECT_EQ(load(folder.path())->decoder.scalar_type(), torch::kFloat64);
}

TEST(DictionaryLearning, LevelsAreLostAndAMissingThresholdIsRemarkedOn) {
  const test::TempDir folder;
  {
    const Warnings warnings;
    save_dictionary_learning(test::random_model(models::Matryoshka{{3, 9, 40}, {}, true}), folder / "nested");
    EXPECT_THAT(warnings.lines(), ElementsAre(HasSubstr("holds the first level, k = 3")));
    EXPECT_EQ(models::kind(load(folder / "nested")->activation()), "batch-topk");
  }
  const Warnings warnings;
  auto model = test::random_model(models::BatchTopK{3});
  model.threshold.fill_(-1);
  save_dictionary_learning(model, folder / "batch");
  EXPECT_THAT(warnings.lines(), IsEmpty());
  load(folder / "batch");
  EXPECT_THAT(warnings.lines(), ElementsAre(HasSubstr("ae.pt: has not learnt a threshold")));
}

TEST(DictionaryLearning, RefusesAModelItWouldComputeOtherwise) {
  for (const auto& options : test::every_model(12, 40)) {
    const bool plain =
        !options.normalise_rows && options.soft_cap == 0 && options.ranking == models::Ranking::positive;
    if (plain) continue;
    const test::TempDir folder;
    const auto model = test::random_model(options);
    EXPECT_THAT(
        test::error_of<std::invalid_argument>([&] { save_dictionary_learning(model, folder / "model"); }),
        HasSubstr("model: dictionary_learning has no "));
    EXPECT_FALSE(fs::exists(folder / "model"));
  }
}

TEST(DictionaryLearning, AFolderThatHoldsAnotherModelIsLeftAlone) {
  const test::TempDir folder;
  const auto model = test::random_model(models::TopK{.k = 5});
  save(model, folder.path());
  EXPECT_THAT(test::error_of<IoError>([&] { save_dictionary_learning(model, folder.path()); }),
              HasSubstr("holds another model, cfg.json; name another folder"));
  EXPECT_FALSE(fs::exists(folder / "ae.pt"));
  EXPECT_NO_THROW(load(folder.path()));
}

TEST(DictionaryLearning, ItsWeightsAloneTellTheFolder) {
  const auto folder = dictionary_fixture("topk");
  test::expect_same(*load(folder / "ae.pt"), *load(folder));
}

}  // namespace
}  // namespace msae::io
