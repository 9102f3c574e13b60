// A model in one safetensors file, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/atomic_file.h"
#include "io/random_model.h"
#include "io/same_model.h"
#include "io/tensor_file.h"
#include "models/every_model.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "support/tensors.h"

namespace msae::io {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SafetensorsModel, EveryModelComesBackBitForBit) {
  const test::TempDir folder;
  const auto file = folder / "model.safetensors", again = folder / "again.safetensors";
  for (const auto& options : test::some_models(12, 40)) {
    SCOPED_TRACE(test::name(options));
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      auto model = test::random_model(options, type);
      save_safetensors(model, file);
      const auto read = load(file);
      test::expect_same(*read, model);
      save_safetensors(*read, again);
      EXPECT_EQ(files::read_text(again, 1 << 20), files::read_text(file, 1 << 20));
    }
  }
}

TEST(SafetensorsModel, JumpReluOfVersionZeroPointOneHasThresholdsAlone) {
  const test::TempDir folder;
  auto model = test::random_model(models::JumpRelu{});
  save_safetensors(model, folder / "model.safetensors");
  auto stored = load_tensors(folder / "model.safetensors");
  stored.tensors.erase("log_threshold");
  save_tensors(folder / "model.safetensors", stored);
  EXPECT_CLOSE(load(folder / "model.safetensors")->log_threshold, model.log_threshold, 1e-6);
}

class DamagedSafetensorsModel : public ::testing::Test {
 protected:
  DamagedSafetensorsModel() {
    save_safetensors(test::random_model(models::BatchTopK{3}), file_);
    stored_ = load_tensors(file_);
  }
  void expect_refused(const std::string& sentence) {
    save_tensors(file_, stored_);
    EXPECT_THAT(test::error_of<IoError>([&] { load(file_); }),
                AllOf(HasSubstr("model.safetensors: "), HasSubstr(sentence), Not(HasSubstr("\n"))));
  }

  test::TempDir folder_;
  std::filesystem::path file_ = folder_ / "model.safetensors";
  TensorFile stored_;
};

TEST_F(DamagedSafetensorsModel, TensorsAreMissingOrOfTheWrongShapeTypeOrValue) {
  const auto whole = stored_;
  for (const auto& [name, tensor] : whole.tensors) {
    SCOPED_TRACE(name);
    stored_ = whole;
    stored_.tensors.erase(name);
    expect_refused("has no tensor " + name);
    stored_.tensors[name] = torch::zeros({3, 3, 3});
    expect_refused("tensor " + name + " has the shape [3, 3, 3], expected");
    stored_.tensors[name] = torch::ones_like(tensor, torch::kInt64);
    expect_refused("tensor " + name + " is I64, expected F32, F64, F16 or BF16");
    if (name == "scale") continue;
    stored_.tensors[name] = torch::full_like(tensor, NAN);
    expect_refused(name == "mean" ? "mean" : "tensor " + name + " holds NaN");
  }
  for (const double scale : {0.0, -1.0, double{NAN}, double{INFINITY}}) {
    stored_ = whole;
    stored_.tensors["scale"] = torch::full({}, scale);
    expect_refused("tensor scale must be positive");
  }
}

TEST_F(DamagedSafetensorsModel, MetadataAreWrong) {
  stored_.metadata["model"] = "{";
  expect_refused("model: is not valid JSON");
  stored_.metadata["model"] = R"({"activation": {"kind": "gated"}})";
  expect_refused("kind is none of relu, topk");
  stored_.metadata["model"] = R"({"activation": {"kind": "topk", "k": 41}})";
  expect_refused("k");
  stored_.metadata["model"] = R"({"activation": {"kind": "topk", "k": 3}, "soft_cap": -1})";
  expect_refused("soft_cap");
  stored_.metadata.erase("model");
  expect_refused("its metadata lack the key model");
  stored_.metadata["format"] = "pt";
  expect_refused("is not a model of msae");
}

TEST_F(DamagedSafetensorsModel, IsCutShort) {
  const auto bytes = files::read_text(file_, 1 << 20);
  for (const std::size_t size : {0ul, 1ul, 8ul, 9ul, 300ul, bytes.size() - 1}) {
    files::write_file(file_, bytes.substr(0, size));
    EXPECT_THAT(test::error_of<IoError>([&] { load(file_); }), HasSubstr("model.safetensors")) << size;
  }
}

}  // namespace
}  // namespace msae::io
