// `msae convert`: models in and out of other programs' files.
#include <filesystem>
#include <fstream>

#include "cli/program.h"
#include "io/tensor_file.h"
#include "support/files.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path published = fs::path(MSAE_TEST_DATA) / "reference_files";
constexpr auto topk = "64_32_TopKReLU_8_False_False_0.0_toy_ViT-B~32_train_image_96_32.pth";

class Convert : public testing::Test {
 protected:
  Outcome run(const Arguments& arguments) const {
    return test::run(here.path(), Arguments{"convert"} + arguments);
  }
  nlohmann::json info(const std::string& path) const {
    return parse(test::run(here.path(), {"info", path, "--json", "-"}).out);
  }
  TempDir here;
};

TEST_F(Convert, APublishedModelGoesThroughEveryFormat) {
  const auto folder = run({(published / topk).string(), "folder", "--to", "sae-lens", "--json", "-"});
  ASSERT_THAT(folder, Succeeds());
  EXPECT_EQ(parse(folder.out).at("model"), "topk");
  EXPECT_EQ(parse(folder.out).at("file"), "folder");
  EXPECT_EQ(info("folder").at("k"), 8);
  ASSERT_THAT(run({"folder", ".", "--to", "reference"}), Succeeds());
  const std::string name = "64_32_TopKReLU_8_False_False_0.0_msae.pth";
  EXPECT_EQ(info(name).at("k"), 8);
  EXPECT_EQ(info(name).at("kind"), "model");
  ASSERT_THAT(run({name, "a.safetensors", "--to", "safetensors"}), Succeeds());
  EXPECT_EQ(io::load_tensors(here / "a.safetensors").tensors.at("encoder").sizes(),
            (std::vector<std::int64_t>{64, 32}));
  ASSERT_THAT(run({"a.safetensors", "b", "--to", "sparsify"}), Succeeds());
  ASSERT_THAT(run({"b", "c", "--to", "dictionary-learning"}), Succeeds());
  ASSERT_THAT(run({"c", "d", "--to", "sparsify"}), Succeeds());
  EXPECT_EQ(contents(here / "d/sae.safetensors"), contents(here / "b/sae.safetensors"));
  const std::vector<std::pair<std::string, std::string>> formats = {
      {"folder", "sae-lens"}, {name, "reference"},          {"a.safetensors", "safetensors"},
      {"b", "sparsify"},      {"c", "dictionary-learning"}, {"c/ae.pt", "dictionary-learning"}};
  for (const auto& [path, format] : formats) {
    EXPECT_EQ(info(path).at("format"), format);
    EXPECT_EQ(info(path).at("k"), 8);
  }
}

TEST_F(Convert, TheEncoderGoesOutAsOnnxAtOnePoint) {
  const auto in = (published / topk).string();
  ASSERT_THAT(run({in, "a.onnx", "--to", "onnx"}), Succeeds());
  ASSERT_THAT(run({in, "b.onnx", "--to", "onnx", "--k", "3"}), Succeeds());
  EXPECT_THAT(contents(here / "a.onnx"), HasSubstr("trained"));
  EXPECT_THAT(contents(here / "b.onnx"), HasSubstr("k=3"));
  EXPECT_THAT(run({in, "c.onnx", "--to", "onnx", "--k", "0"}),
              FailsSaying({"--k: must be from 1 to the number of latents, 64, not 0"}));
  EXPECT_THAT(run({in, "c.onnx", "--to", "onnx", "--k", "65"}),
              FailsSaying({"--k: must be from 1 to the number of latents, 64, not 65"}));
  EXPECT_THAT(run({in, "c.onnx", "--to", "onnx", "--level", "2"}),
              FailsSaying({"--level: is for models of several levels"}));
  EXPECT_THAT(run({in, "c", "--to", "sparsify", "--k", "3"}),
              FailsSaying({"--to: --k, --level and --all are for onnx"}));
  EXPECT_THAT(run({"a.onnx", "c", "--to", "sae-lens"}), FailsSaying({"a.onnx: is for ONNX runtimes"}));
  EXPECT_FALSE(fs::exists(here / "c.onnx") || fs::exists(here / "c"));
}

TEST_F(Convert, AModelThatAFormatCannotHoldIsRefused) {
  const auto capped =
      (published / "64_32_TopKReLU_8_False_True_1.5_toy_ViT-B~32_train_image_96_32.pth").string();
  for (const std::string to : {"sparsify", "dictionary-learning"}) {
    EXPECT_THAT(run({capped, "out", "--to", to}), FailsSaying({"model: ", " has no "}));
  }
  EXPECT_THAT(run({capped, "out.onnx", "--to", "onnx"}), Succeeds());
  EXPECT_FALSE(fs::exists(here / "out"));
}

TEST_F(Convert, ARenamedFileIsWhatTheUserSays) {
  fs::copy_file(published / topk, here / "model.pth");
  EXPECT_THAT(run({"model.pth", "out", "--to", "sae-lens"}),
              FailsSaying({"model.pth: its name does not tell the model", "--as TopKReLU_64_UW"}));
  ASSERT_THAT(run({"model.pth", "out", "--to", "sae-lens", "--as", "TopKReLU_16_RW"}), Succeeds());
  EXPECT_EQ(info("out").at("levels"), nlohmann::json({16, 32, 64}));
  EXPECT_THAT(run({"model.pth", "other", "--to", "sae-lens", "--as", "topk"}),
              FailsSaying({"--as: must be an activation like ReLU, TopKReLU_64", "not topk"}));
  EXPECT_THAT(run({"out", "other", "--to", "sae-lens", "--as", "ReLU"}),
              FailsSaying({"--as: is for a .pth file, and out is a folder"}));
  EXPECT_FALSE(fs::exists(here / "other"));
}

TEST_F(Convert, AFileOfAnotherNameIsRemarkedOn) {
  const auto outcome = run({(published / topk).string(), "model.pth", "--to", "reference"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err,
              HasSubstr("model.pth needs a name like 64_32_TopKReLU_8_False_False_0.0_msae.pth"));
  EXPECT_THAT(run({(published / topk).string(), ".", "--to", "reference"}).err, IsEmpty());
}

TEST_F(Convert, AFileThatWouldNotBeKnownAgainIsNotWritten) {
  const auto in = (published / topk).string();
  EXPECT_THAT(run({in, "a.bin", "--to", "safetensors"}),
              FailsSaying({"OUT: the name of this file must end in .safetensors, unlike a.bin"}));
  EXPECT_THAT(run({in, "64_32_TopKReLU_8_False_False_0.0_x.bin", "--to", "reference"}),
              FailsSaying({"OUT: the name of this file must end in .pth, unlike 64_32_TopKReLU_8"}));
  EXPECT_TRUE(fs::is_empty(here.path()));
}

TEST_F(Convert, NothingIsReplacedUnasked) {
  const auto in = (published / topk).string();
  for (const auto& [to, out] : std::vector<std::pair<std::string, std::string>>{
           {"sae-lens", "folder"},
           {"reference", "64_32_TopKReLU_8_False_False_0.0_x.pth"},
           {"safetensors", "a.safetensors"},
           {"sparsify", "b"},
           {"dictionary-learning", "c"},
           {"onnx", "a.onnx"}}) {
    ASSERT_THAT(run({in, out, "--to", to}), Succeeds());
    EXPECT_THAT(run({in, out, "--to", to}), FailsSaying({out, "exists; name another file or pass --force"}));
    EXPECT_THAT(run({in, out, "--to", to, "--force"}), Succeeds());
  }
}

TEST_F(Convert, WhatIsReadIsNeverReplaced) {
  ASSERT_THAT(run({(published / topk).string(), "run", "--to", "sae-lens"}), Succeeds());
  const auto weights = contents(here / "run/sae_weights.safetensors");
  EXPECT_THAT(run({"run", "run", "--to", "sae-lens", "--force"}),
              FailsSaying({"OUT: run/cfg.json is a file that is read; name another"}));
  EXPECT_THAT(run({"run", "./run/sae_weights.safetensors", "--to", "safetensors", "--force"}),
              FailsSaying({"OUT: ./run/sae_weights.safetensors is a file that is read"}));
  EXPECT_THAT(run({"run", "a.safetensors", "--to", "safetensors", "--json", "./a.safetensors"}),
              FailsSaying({"--json: ./a.safetensors is the file of OUT; name another"}));
  EXPECT_THAT(run({"run", "run", "--to", "sparsify", "--force"}),
              FailsSaying({"run/cfg.json is a file that is read"}));
  EXPECT_EQ(contents(here / "run/sae_weights.safetensors"), weights);
  EXPECT_FALSE(fs::exists(here / "a.safetensors"));
}

TEST_F(Convert, WhatCannotBeReadOrWrittenIsSaid) {
  overwrite(here / "empty.pth", "");
  overwrite(here / "text.txt", "x");
  const auto in = (published / topk).string();
  EXPECT_THAT(run({"none.pth", "out", "--to", "sae-lens"}), FailsSaying({"none.pth: cannot be opened"}));
  EXPECT_THAT(run({"empty.pth", "out", "--to", "sae-lens"}), FailsSaying({"empty.pth: is empty"}));
  EXPECT_THAT(run({"text.txt", "out", "--to", "sae-lens"}),
              FailsSaying({"text.txt: is not a folder, nor a .pth file"}));
  EXPECT_THAT(run({in, "text.txt", "--to", "sae-lens"}),
              FailsSaying({"text.txt: the folder cannot be made"}));
  EXPECT_THAT(run({in, "none/a.pth", "--to", "reference"}), FailsSaying({"none/a.pth: cannot be written"}));
  EXPECT_THAT(run({in, "none/a.safetensors", "--to", "safetensors"}), FailsSaying({"cannot be written"}));
  EXPECT_THAT(run({in, "out"}), IsWrongUsage("--to"));
  EXPECT_THAT(run({in, "out", "--to", "gguf"}), IsWrongUsage("--to"));
  EXPECT_THAT(run({in, "--to", "reference"}), IsWrongUsage("OUT"));
  EXPECT_FALSE(fs::exists(here / "out"));
}

TEST_F(Convert, DataOfNumpyAndPublishedModelsAreTakenByOtherCommands) {
  const auto data = (published / "toy_ViT-B~32_validation_image_64_32.npy").string();
  const auto described = info(data);
  EXPECT_EQ(described.at("kind"), "embeddings");
  EXPECT_EQ(described.at("rows"), 64);
  EXPECT_EQ(described.at("dim"), 32);
  const auto outcome =
      test::run(here.path(), {"eval", (published / topk).string(), "--data", data, "--json", "-"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_EQ(parse(outcome.out).at(0).at("model"), "topk");
  EXPECT_THAT(test::run(here.path(), {"info", data, "--unit-rows"}), Succeeds());
  EXPECT_THAT(test::run(here.path(), {"info", "none.npy"}), FailsSaying({"none.npy: cannot be opened"}));
}

}  // namespace
}  // namespace msae::test
