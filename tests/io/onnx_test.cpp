// Encoders as ONNX graphs, computed operator by operator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "core/file.h"
#include "io/onnx_file.h"
#include "io/onnx_reader.h"
#include "io/random_model.h"
#include "models/every_model.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"
#include "support/tensors.h"
#include "support/warnings.h"

namespace msae::io {
namespace {

using models::OperatingPoint;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

test::OnnxModel graph_of(const models::SparseAutoencoder& model, OperatingPoint point = {}) {
  const test::TempDir folder;
  save_onnx(model, folder / "encoder.onnx", point);
  return test::OnnxModel(files::read_text(folder / "encoder.onnx", 1 << 20));
}

std::vector<OperatingPoint> points_of(const models::SparseAutoencoder& model) {
  std::vector<OperatingPoint> points{
      {}, OperatingPoint::all(), OperatingPoint::top(4), OperatingPoint::top(model.latents())};
  for (std::int64_t i = 0; i < model.level_count(); ++i) points.push_back(OperatingPoint::level(i));
  return points;
}

TEST(Onnx, EveryModelAtEveryPointComputesItsLatents) {
  const torch::NoGradGuard no_grad;
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  for (const auto& options : test::some_models(12, 40)) {
    auto model = test::random_model(options);
    for (const auto& point : points_of(model)) {
      SCOPED_TRACE(test::name(options) + " at " + point.label());
      EXPECT_CLOSE(graph_of(model, point).run(x), model.encode(x, point), 1e-5);
    }
  }
}

TEST(Onnx, AnyNumberOfRowsIsTaken) {
  auto graph = graph_of(test::random_model(models::TopK{3}));
  EXPECT_EQ(graph.signature(11), "embeddings 1 rows 12");
  EXPECT_EQ(graph.signature(12), "latents 1 rows 40");
  for (const int rows : {1, 7}) EXPECT_EQ(graph.run(torch::zeros({rows, 12})).size(0), rows);
}

TEST(Onnx, TellsVersionsModelAndPoint) {
  const auto graph = graph_of(test::random_model(models::TopK{3}), OperatingPoint::top(5));
  EXPECT_EQ(graph.ir_version(), 8);
  EXPECT_EQ(graph.operator_set(), 17);
  EXPECT_EQ(graph.metadata().at("model"), R"({"activation":{"kind":"topk","k":3}})");
  EXPECT_EQ(graph.metadata().at("point"), "k=5");
}

// Whole numbers, so that pre-activations are exact and many are equal.
TEST(Onnx, OfEqualPreActivationsTheFirstAreKept) {
  const torch::NoGradGuard no_grad;
  models::SparseAutoencoder model({.dim = 6, .latents = 30, .activation = models::TopK{4}});
  model.encoder.copy_(test::random_rows({30, 6}, 1).sign());
  const auto x = test::random_rows({50, 6}, 2).sign().to(torch::kFloat32);
  EXPECT_TRUE(graph_of(model).run(x).equal(model.encode(x)));
}

// Where tanh is 1 to rounding, the cap makes latents equal whose pre-activations are not.
TEST(Onnx, RanksBeforeTheCap) {
  const torch::NoGradGuard no_grad;
  auto model =
      test::random_model({.dim = 12, .latents = 40, .activation = models::TopK{3}, .soft_cap = 0.01});
  const auto x = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  const auto graph = graph_of(model).run(x);
  EXPECT_TRUE((graph > 0).equal(model.encode(x) > 0));
  EXPECT_LE(graph.max().item<float>(), 0.01f);
}

TEST(Onnx, ModelsOfEveryLatentNeedNoSelection) {
  EXPECT_THAT(graph_of(test::random_model(models::Relu{})).operators(),
              ElementsAre("Sub", "Gemm", "Relu", "Identity"));
  EXPECT_THAT(graph_of(test::random_model(models::TopK{3})).operators(), Contains("TopK"));
  EXPECT_THAT(graph_of(test::random_model(models::JumpRelu{})).operators(), Not(Contains("TopK")));
}

TEST(Onnx, Float64WeightsAreRoundedAndThatIsSaid) {
  const torch::NoGradGuard no_grad;
  const test::Warnings warnings;
  auto model = test::random_model(models::TopK{3}, 12, 40, torch::kFloat64);
  auto graph = graph_of(model);
  EXPECT_THAT(warnings.lines(), ElementsAre(HasSubstr("its weights are rounded to float32")));
  const auto x = test::random_rows({30, 12}, 8);
  EXPECT_CLOSE(graph.run(x.to(torch::kFloat32)).to(torch::kFloat64), model.encode(x), 1e-5);
}

TEST(Onnx, WhatCannotBeWrittenIsRefusedAndLeavesNoFile) {
  const test::TempDir folder;
  const auto file = folder / "encoder.onnx";
  auto model = test::random_model(models::TopK{3});
  EXPECT_THAT(test::error_of<std::invalid_argument>([&] { save_onnx(model, file, OperatingPoint::top(0)); }),
              HasSubstr("k: must be from 1 to the number of latents"));
  EXPECT_THAT(test::error_of([&] { save_onnx(model, file, OperatingPoint::level(1)); }),
              HasSubstr("level: "));
  {
    const test::FileLimit limit(1000);
    EXPECT_THAT(test::error_of<IoError>([&] { save_onnx(model, file); }), HasSubstr("encoder.onnx"));
  }
  const torch::NoGradGuard no_grad;
  model.encoder[3][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(test::error_of<IoError>([&] { save_onnx(model, file); }),
              HasSubstr("not written, as encoder would hold NaN or infinite values"));
  EXPECT_EQ(test::files_in(folder.path()), 0u);
}

// The size is known before a byte is looked at.
TEST(Onnx, MoreThanTwoGigabytesAreRefused) {
  const test::TempDir folder;
  files::AtomicFile file(folder / "encoder.onnx");
  const float one = 1;
  OnnxGraph graph;
  graph.constant("encoder", {1 << 15, 1 << 14}, std::span(&one, std::size_t{1} << 29));
  EXPECT_THAT(test::error_of<std::invalid_argument>([&] { graph.write(file, {}); }),
              HasSubstr("model: as an ONNX file it would take 2.1 GB, more than the 2 GB that one may have"));
}

TEST(Onnx, IsNotReadBack) {
  const test::TempDir folder;
  save_onnx(test::random_model(models::TopK{3}), folder / "encoder.onnx");
  EXPECT_THAT(test::error_of<IoError>([&] { load(folder / "encoder.onnx"); }),
              HasSubstr("encoder.onnx: is for ONNX runtimes; msae does not read it back"));
}

}  // namespace
}  // namespace msae::io
