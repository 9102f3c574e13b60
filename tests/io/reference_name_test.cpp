#include "io/reference_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "io/reference_model.h"
#include "msae/core/error.h"
#include "support/error_of.h"

namespace msae::io {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ReferenceModel model(const std::string& name, bool has_decoder = true) {
  const auto found = name_of_file(name);
  if (!found) throw std::logic_error(name + " tells nothing");
  return reference_model(*found, *found->dim, *found->latents, has_decoder, name);
}

TEST(ReferenceNames, TellMatryoshkaWithItsLevels) {
  const auto uniform =
      model("folder/256_32_TopKReLU_64_UW_False_False_0.0_toy_ViT-B~32_train_image_96_32.pth");
  EXPECT_EQ(uniform.latents, 256);
  EXPECT_EQ(uniform.dim, 32);
  EXPECT_THAT(std::get<models::Matryoshka>(uniform.activation).levels, ElementsAre(64, 128, 256));
  EXPECT_THAT(models::level_weights(std::get<models::Matryoshka>(uniform.activation)), ElementsAre(1, 1, 1));
  const auto reverse = model("300_32_TopKReLU_64_RW_False_False_0.0_toy.pth");
  EXPECT_THAT(std::get<models::Matryoshka>(reverse.activation).levels, ElementsAre(64, 128, 256, 300));
  EXPECT_THAT(std::get<models::Matryoshka>(reverse.activation).weights, ElementsAre(4, 3, 2, 1));
  EXPECT_FALSE(reverse.tied || reverse.normalise_rows || reverse.over_batch || reverse.soft_cap > 0);
}

TEST(ReferenceNames, TellEveryOtherKind) {
  EXPECT_TRUE(
      std::holds_alternative<models::Relu>(model("64_32_ReLU_003_False_False_0.0_toy.pth").activation));
  EXPECT_TRUE(
      std::holds_alternative<models::Relu>(model("64_32_ReLU_5e-05_False_False_0.0_toy.pth").activation));
  EXPECT_TRUE(std::holds_alternative<models::Relu>(model("64_32_ReLU_False_False_0.0_toy.pth").activation));
  EXPECT_EQ(std::get<models::TopK>(model("64_32_TopKReLU_8_False_False_0.0_toy.pth").activation).k, 8);
  EXPECT_EQ(std::get<models::BatchTopK>(model("64_32_BatchTopKReLU_8_False_False_0.0_toy.pt").activation).k,
            8);
  EXPECT_EQ(model("64_32_JumpReLU_False_False_0.0_toy.pth").unknown_activation, "JumpReLU");
  EXPECT_EQ(model("64_32_Identity_False_False_0.0_toy.pth").unknown_activation, "Identity");
}

TEST(ReferenceNames, TellWhatIsChosenAndKept) {
  const auto expect = [](const std::string& name, bool by_magnitude, bool keeps_negative) {
    const auto found = model("64_32_" + name + "_False_False_0.0_toy.pth");
    EXPECT_EQ(found.by_magnitude, by_magnitude) << name;
    EXPECT_EQ(found.keeps_negative, keeps_negative) << name;
  };
  for (const std::string batch : {"", "Batch"}) {
    expect(batch + "TopKReLU_8", false, false);
    expect(batch + "TopK_8", false, true);
    expect(batch + "TopKabs_8", true, true);
    expect(batch + "TopKabsReLU_8", true, false);
  }
  EXPECT_TRUE(model("64_32_BatchTopKReLU_8_UW_False_False_0.0_toy.pth").over_batch);
}

TEST(ReferenceNames, TellSwitches) {
  const auto capped = model("64_32_TopKReLU_8_False_True_1.5_toy.pth");
  EXPECT_TRUE(capped.normalise_rows);
  EXPECT_EQ(capped.soft_cap, 1.5);
  EXPECT_TRUE(model("64_32_TopKReLU_8_True_False_0.0_toy.pth", false).tied);
  EXPECT_THAT(error_of<IoError>([] { model("64_32_TopKReLU_8_True_False_0.0_toy.pth"); }),
              HasSubstr("its name says that the weights are tied, but it holds a decoder"));
  EXPECT_THAT(error_of<IoError>([] { model("64_32_TopKReLU_8_False_False_0.0_toy.pth", false); }),
              HasSubstr("model.decoder is missing"));
}

TEST(ReferenceNames, OthersTellNothing) {
  for (const auto* name :
       {"", ".pth", "model.pth", "64_32.pth", "toy_ViT-B~32_train_image_96_32.pth",
        "64_TopKReLU_8_False_False_0.0.pth", "64_32_TopKReLU_False_False_0.0_toy.pth",
        "64_32_TopKReLU_0_False_False_0.0_toy.pth", "64_32_TopKReLU_-8_False_False_0.0_toy.pth",
        "64_32_TopKReLU_8_False_False_toy.pth", "64_32_TopKReLU_8_no_False_0.0_toy.pth",
        "64_32_TopKReLU_8_False_False_nan_toy.pth", "64_32_TopKReLU_8_False_False_-1_toy.pth",
        "64_32_Softmax_8_False_False_0.0_toy.pth", "64_32_ReLU_003_UW_False_False_0.0_toy.pth",
        "99999999999999999999_32_ReLU_0_False_False_0.0_toy.pth"}) {
    EXPECT_FALSE(name_of_file(name)) << name;
  }
}

TEST(ReferenceNames, WhatAUserSaysComesFirst) {
  const auto of_file = name_of_file("64_32_TopKReLU_8_False_True_1.5_toy.pth").value();
  const auto name = overridden(of_file, name_as_told("TopKReLU_4_UW"));
  EXPECT_EQ(name.k, 4);
  EXPECT_EQ(name.weighting, "UW");
  EXPECT_EQ(name.latents, 64);
  EXPECT_EQ(name.soft_cap, 1.5);
  EXPECT_EQ(name.normalise, true);
  EXPECT_EQ(overridden(of_file, name_as_told("ReLU_0_False_False_0.0")).soft_cap, 0);
  EXPECT_EQ(name_as_told("ReLU").activation, "ReLU");
  EXPECT_EQ(name_as_told("9_3_TopKReLU_4_RW_False_False_0.0_x.pth").latents, 9);
  for (const auto* wrong : {"", "TopKReLU", "topk_64", "TopKReLU_64_XW", "TopKReLU_64_False", "ReLU_0_UW"}) {
    EXPECT_THAT(error_of<std::invalid_argument>([&] { name_as_told(wrong); }),
                HasSubstr("as: must be an activation like ReLU, TopKReLU_64"))
        << wrong;
  }
}

TEST(ReferenceNames, ContradictTheFileOrAreImpossible) {
  const auto name = name_of_file("64_32_TopKReLU_8_False_False_0.0_toy.pth").value();
  EXPECT_THAT(error_of<IoError>([&] { reference_model(name, 32, 65, true, "a.pth"); }),
              HasSubstr("a.pth: its name tells of 64 latents, but its encoder has 65"));
  EXPECT_THAT(error_of<IoError>([&] { reference_model(name, 33, 64, true, "a.pth"); }),
              HasSubstr("a.pth: its name tells of 32 dimensions, but its encoder has 33"));
  EXPECT_THAT(error_of<IoError>([] { model("64_32_TopKReLU_65_False_False_0.0_toy.pth"); }),
              HasSubstr("k: must be from 1 to the number of latents, 64, not 65"));
  EXPECT_THAT(error_of<IoError>([] { model("64_32_TopKReLU_65_UW_False_False_0.0_toy.pth"); }),
              HasSubstr("levels: the first must be"));
}

TEST(ReferenceNames, AreWrittenAsTheyAreRead) {
  for (const std::string name :
       {"64_32_ReLU_0_False_False_0.0_msae.pth", "64_32_TopKReLU_8_False_False_0.0_msae.pth",
        "64_32_TopKabs_8_False_True_0.0_msae.pth", "64_32_TopK_8_False_False_30.0_msae.pth",
        "64_32_BatchTopKReLU_8_False_False_1e-06_msae.pth",
        "64_32_BatchTopKabsReLU_8_False_False_1.5_msae.pth", "64_32_TopKReLU_16_UW_False_False_0.0_msae.pth",
        "64_32_TopKReLU_16_RW_False_False_0.0_msae.pth", "64_32_BatchTopKReLU_16_RW_False_False_0.0_msae.pth",
        "64_32_JumpReLU_False_False_0.0_msae.pth"}) {
    EXPECT_EQ(file_name(model(name)), name);
    EXPECT_EQ(untold(model(name)), "") << name;
  }
  EXPECT_EQ(file_name(model("64_32_TopKReLU_8_True_False_0.0_msae.pth", false)),
            "64_32_TopKReLU_8_True_False_0.0_msae.pth");
}

TEST(ReferenceNames, DoNotTellEverything) {
  ReferenceModel nested{.dim = 32, .latents = 64, .activation = models::Matryoshka{.levels = {16, 32, 64}}};
  EXPECT_EQ(untold(nested), "");
  nested.activation = models::Matryoshka{.levels = {16, 32, 64}, .weights = {6, 4, 2}};
  EXPECT_EQ(untold(nested), "");
  EXPECT_THAT(file_name(nested), HasSubstr("TopKReLU_16_RW"));
  nested.activation = models::Matryoshka{.levels = {16, 32, 64}, .weights = {1, 0, 1}};
  EXPECT_THAT(untold(nested), HasSubstr("weights of its levels"));
  nested.activation = models::Matryoshka{.levels = {16, 64}};
  EXPECT_THAT(untold(nested), HasSubstr("its levels other than the first"));
}

TEST(ReferenceModels, ThatWeDoNotHaveAreRefusedInASentence) {
  const auto refused = [](const std::string& name, bool has_decoder = true) {
    return error_of<IoError>([&] { options_of(model(name, has_decoder), "a.pth"); });
  };
  EXPECT_EQ(refused("64_32_JumpReLU_False_False_0.0_toy.pth"),
            "a.pth: is a model with the activation JumpReLU, which msae cannot compute");
  EXPECT_THAT(refused("64_32_TopKabs_8_False_False_0.0_toy.pth"), HasSubstr("loses the signs"));
  EXPECT_THAT(refused("64_32_BatchTopKabsReLU_8_False_False_0.0_toy.pth"), HasSubstr("loses the signs"));
}

TEST(ReferenceModels, HaveTheOptionsThatTheirNamesTell) {
  const auto options = [](const std::string& name, bool has_decoder = true) {
    return options_of(model(name, has_decoder), "a.pth");
  };
  EXPECT_EQ(options("64_32_TopK_8_False_False_0.0_toy.pth").ranking, models::Ranking::value);
  EXPECT_EQ(options("64_32_BatchTopKabs_8_False_False_0.0_toy.pth").ranking, models::Ranking::magnitude);
  EXPECT_EQ(options("64_32_Identity_False_False_0.0_toy.pth").ranking, models::Ranking::value);
  const auto nested = options("64_32_BatchTopKReLU_8_UW_False_False_0.0_toy.pth");
  EXPECT_TRUE(std::get<models::Matryoshka>(nested.activation).batch);
  EXPECT_TRUE(options("64_32_TopKReLU_8_True_False_0.0_toy.pth", false).tied);
  EXPECT_TRUE(options("64_32_TopKReLU_8_False_True_0.0_toy.pth").normalise_rows);
  EXPECT_EQ(options("64_32_TopKReLU_8_False_False_1.5_toy.pth").soft_cap, 1.5);
}

TEST(ReferenceModels, AreNamedAfterTheirOptions) {
  const auto name = [](models::SparseAutoencoderOptions options) {
    options.dim = 4;
    options.latents = 16;
    return file_name(reference_of(models::SparseAutoencoder(std::move(options))));
  };
  using models::Ranking;
  EXPECT_EQ(name({.activation = models::TopK{8}, .tied = true}), "16_4_TopKReLU_8_True_False_0.0_msae.pth");
  EXPECT_EQ(name({.activation = models::TopK{8}, .normalise_rows = true, .soft_cap = 1.5}),
            "16_4_TopKReLU_8_False_True_1.5_msae.pth");
  EXPECT_EQ(name({.activation = models::TopK{8}, .ranking = Ranking::value}),
            "16_4_TopK_8_False_False_0.0_msae.pth");
  EXPECT_EQ(name({.activation = models::BatchTopK{8}, .ranking = Ranking::magnitude}),
            "16_4_BatchTopKabs_8_False_False_0.0_msae.pth");
  EXPECT_EQ(name({.activation = models::Matryoshka{{8, 16}, {}, true}}),
            "16_4_BatchTopKReLU_8_UW_False_False_0.0_msae.pth");
  EXPECT_THROW(name({.activation = models::TopK{8}, .ranking = Ranking::magnitude}), std::invalid_argument);
  EXPECT_THROW(name({.activation = models::Relu{}, .ranking = Ranking::magnitude}), std::invalid_argument);
  EXPECT_THROW(name({.activation = models::JumpRelu{}}), std::invalid_argument);
}

}  // namespace
}  // namespace msae::io
