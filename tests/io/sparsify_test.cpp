// Folders of EleutherAI's sparsify: read as it reads them, and written for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/file.h"
#include "io/random_model.h"
#include "io/same_model.h"
#include "io/tensor_file.h"
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
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

fs::path sparsify_fixture(const std::string& name) {
  return fs::path(MSAE_TEST_DATA) / "sparsify" / name;
}

std::string sparsify_bytes(const fs::path& folder) {
  return files::read_text(folder / "sae.safetensors", 1 << 20) +
         files::read_text(folder / "cfg.json", 1 << 20);
}

class SparsifyFolder : public ::testing::TestWithParam<const char*> {};

TEST_P(SparsifyFolder, ComputesWhatSparsifyComputes) {
  const torch::NoGradGuard no_grad;
  const auto model = load(sparsify_fixture(GetParam()));
  const auto expected = load_tensors(sparsify_fixture(GetParam()) / "expected.safetensors").tensors;
  EXPECT_CLOSE(model->encode(expected.at("x")), expected.at("encode"), 1e-6);
  EXPECT_CLOSE(model->decode(expected.at("encode")), expected.at("decode"), 1e-6);
}

TEST_P(SparsifyFolder, IsWrittenAgainWithTheSameBits) {
  const test::TempDir folder;
  save_sparsify(*load(sparsify_fixture(GetParam())), folder.path());
  const auto before = load_tensors(sparsify_fixture(GetParam()) / "sae.safetensors").tensors;
  const auto after = load_tensors(folder / "sae.safetensors").tensors;
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [name, tensor] : before) EXPECT_TRUE(after.at(name).equal(tensor)) << name;
}

INSTANTIATE_TEST_SUITE_P(, SparsifyFolder, ::testing::Values("topk", "mapped_topk"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(Sparsify, ComputesTheSameFromWhatWeStore) {
  const torch::NoGradGuard no_grad;
  const test::TempDir folder;
  auto model = test::random_model(models::TopK{.k = 5});
  save_sparsify(model, folder.path());
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  const auto w = load_tensors(folder / "sae.safetensors").tensors;
  const auto pre = ((x - w.at("b_dec")).mm(w.at("encoder.weight").t()) + w.at("encoder.bias")).relu();
  const auto [values, indices] = pre.topk(5, 1);
  const auto z = torch::zeros_like(pre).scatter_(1, indices, values);
  EXPECT_CLOSE(model.encode(x), z, 1e-5);
  EXPECT_CLOSE(model.forward(x), z.mm(w.at("W_dec")) + w.at("b_dec"), 1e-5);
}

TEST(Sparsify, WhatWasReadIsWrittenWithTheSameBytes) {
  const torch::NoGradGuard no_grad;
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    const test::TempDir folder;
    auto model = test::random_model(models::TopK{.k = 5}, 12, 40, type);
    model.pre_bias.select(0, 3).fill_(-0.0);
    save_sparsify(model, folder / "first");
    const auto read = load(folder / "first");
    EXPECT_EQ(read->decoder.scalar_type(), type);
    EXPECT_EQ(read->scale.item<double>(), 1);
    save_sparsify(*read, folder / "second");
    EXPECT_EQ(sparsify_bytes(folder / "second"), sparsify_bytes(folder / "first"));
    test::expect_same(*load(folder / "second"), *read);
  }
}

TEST(Sparsify, AWeightRoundsOnceAsMeanAndScaleAreFoldedIn) {
  const test::TempDir folder;
  const auto model = test::random_model(models::TopK{.k = 5});
  save_sparsify(model, folder.path());
  const auto w = load_tensors(folder / "sae.safetensors").tensors;
  const auto scale = model.scale.item<double>();
  const auto once = 0x1p-24;
  const auto encoder = model.encoder.detach().to(torch::kFloat64) * scale;
  EXPECT_LE(((w.at("encoder.weight") - encoder) / encoder).abs().max().item<double>(), once);
  const auto decoder = model.decoder.detach().to(torch::kFloat64) / scale;
  EXPECT_LE(((w.at("W_dec") - decoder) / decoder).abs().max().item<double>(), once);
  EXPECT_TRUE(w.at("encoder.bias").equal(model.latent_bias));
}

TEST(Sparsify, HoldsTheFirstLevelOfMatryoshkaAndSaysSo) {
  const torch::NoGradGuard no_grad;
  const test::TempDir folder;
  const test::Warnings warnings;
  auto model = test::random_model(models::Matryoshka{.levels = {3, 9, 40}});
  save_sparsify(model, folder.path());
  EXPECT_THAT(warnings.lines(), ElementsAre(HasSubstr("holds the first level, k = 3, and no other level")));
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  EXPECT_CLOSE(load(folder.path())->encode(x), model.encode(x), 1e-6);
}

TEST(Sparsify, RefusesAModelItWouldComputeOtherwise) {
  for (const auto& options : test::every_model(12, 40)) {
    const test::TempDir folder;
    const test::Warnings warnings;
    const auto model = test::random_model(options);
    const auto* nested = std::get_if<models::Matryoshka>(&options.activation);
    const bool held =
        (std::holds_alternative<models::TopK>(options.activation) || (nested && !nested->batch)) &&
        !options.normalise_rows && options.soft_cap == 0 && options.ranking == models::Ranking::positive;
    if (held) {
      EXPECT_NO_THROW(save_sparsify(model, folder / "model")) << test::name(options);
      continue;
    }
    EXPECT_THAT(test::error_of<std::invalid_argument>([&] { save_sparsify(model, folder / "model"); }),
                AllOf(HasSubstr("model: sparsify "), Not(HasSubstr("\n"))))
        << test::name(options);
    EXPECT_FALSE(fs::exists(folder / "model"));
  }
}

TEST(Sparsify, AFolderThatHoldsAnotherModelIsLeftAlone) {
  const test::TempDir folder;
  const auto model = test::random_model(models::TopK{.k = 5});
  save(model, folder.path());
  EXPECT_THAT(test::error_of([&] { save_sparsify(model, folder.path()); }),
              HasSubstr("holds another model, sae_weights.safetensors; name another folder"));
  EXPECT_FALSE(fs::exists(folder / "sae.safetensors"));
  EXPECT_NO_THROW(load(folder.path()));
}

}  // namespace
}  // namespace msae::io
