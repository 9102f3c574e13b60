// The encoder beside the library, on folders that io::save() writes: every kind with every option, at every
// point.
#include <gtest/gtest.h>

#include "io/random_model.h"
#include "models/every_model.h"
#include "msae/io/model_folder.h"
#include "msae/lite/encoder.h"
#include "support/temp_dir.h"

namespace msae::lite {
namespace {

using models::SparseAutoencoder;
using torch::Tensor;

Encoder saved(const SparseAutoencoder& model) {
  const test::TempDir folder;
  io::save(model, folder.path());
  return Encoder(folder.path());
}

std::span<const float> span_of(const Tensor& contiguous) {
  return {contiguous.const_data_ptr<float>(), static_cast<std::size_t>(contiguous.numel())};
}

Tensor tensor_of(const std::vector<float>& values, const Tensor& like) {
  return torch::tensor(values).reshape(like.sizes());
}

std::vector<OperatingPoint> points_of(const SparseAutoencoder& model) {
  std::vector<OperatingPoint> points{OperatingPoint::trained(), OperatingPoint::all()};
  for (const std::int64_t k : {std::int64_t{0}, std::int64_t{1}, std::int64_t{3}, model.latents()}) {
    points.push_back(OperatingPoint::top(k));
  }
  for (std::int64_t i = 0; i < model.level_count(); ++i) points.push_back(OperatingPoint::level(i));
  return points;
}

void expect_close(const Tensor& ours, const Tensor& theirs) {
  EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-5 * (1 + theirs.abs().max().item<double>()));
}

// At every point, of raw rows [rows, dim] in float32.
void expect_same(SparseAutoencoder& model, const Tensor& rows) {
  const torch::NoGradGuard no_grad;
  const auto lite = saved(model);
  const auto theirs = rows.to(model.decoder.scalar_type());
  for (const auto point : points_of(model)) {
    SCOPED_TRACE(test::name(model.options()) + " at " + point.label());
    const auto z = model.encode(theirs, point).to(torch::kFloat32).contiguous();
    const auto ours = tensor_of(lite.encode_dense(span_of(rows), point), z);
    expect_close(ours, z);
    EXPECT_TRUE((ours != 0).equal(z != 0));
    const auto decoded = model.decode(z.to(theirs.scalar_type()), theirs).to(torch::kFloat32);
    expect_close(tensor_of(lite.decode_dense(span_of(z), span_of(rows)), decoded), decoded);
    const auto codes = lite.encode_rows(span_of(rows), point);
    expect_close(tensor_of(lite.decode_rows(codes, span_of(rows)), decoded), decoded);
    const auto unrestored = model.decode(z.to(theirs.scalar_type())).to(torch::kFloat32);
    expect_close(tensor_of(lite.decode_dense(span_of(z)), unrestored), unrestored);
    const auto first = lite.encode(span_of(rows).first(static_cast<std::size_t>(rows.size(1))), point);
    EXPECT_EQ(static_cast<std::int64_t>(first.size()), z[0].count_nonzero().item<std::int64_t>());
  }
}

// The same by least squares, at points that keep fewer latents than a row has numbers: more of them solve for
// values that float32 can hardly tell apart.
void expect_same_solutions(SparseAutoencoder& model, const Tensor& rows) {
  const torch::NoGradGuard no_grad;
  const auto lite = saved(model);
  for (const auto point : points_of(model)) {
    const auto encoded = (model.encode(rows, point) != 0).sum(1).max().item<std::int64_t>();
    if (std::max(encoded, model.top_k(point).value_or(0)) >= model.dim()) continue;
    for (const auto& coding : {Coding::refit(), Coding::pursuit(), Coding::pursuit(model.dim())}) {
      SCOPED_TRACE(test::name(model.options()) + " at " + point.label() + " by " + coding.name());
      const auto theirs = model.encode(rows, point, coding);
      const auto ours = tensor_of(lite.encode_dense(span_of(rows), point, coding), theirs);
      EXPECT_LT((ours - theirs).abs().max().item<double>(), 1e-3 * (1 + theirs.abs().max().item<double>()));
      EXPECT_TRUE((ours != 0).equal(theirs != 0));
    }
  }
}

TEST(LiteBesideTheLibrary, EveryModelFindsTheSameCodesByLeastSquares) {
  const auto rows = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  for (const auto& options : test::some_models(12, 40)) {
    auto model = test::random_model(options);
    expect_same_solutions(model, rows);
  }
}

// Gaps between their scores are far wider than rounding, so the same latents are active.
TEST(LiteBesideTheLibrary, EveryModelComputesTheSame) {
  const auto rows = test::random_rows({30, 12}, 8).to(torch::kFloat32);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto& options : test::every_model(12, 40)) {
      auto model = test::random_model(options, type);
      expect_same(model, rows);
    }
  }
}

// Small whole numbers, whose sums are exact in any order: most cuts go through a tie.
TEST(LiteBesideTheLibrary, TiesGoToTheSameLatents) {
  const torch::NoGradGuard no_grad;
  const auto whole = [](torch::IntArrayRef shape, std::uint64_t seed) {
    return test::random_rows(shape, seed).round();
  };
  const auto rows = whole({30, 12}, 8).to(torch::kFloat32);
  for (const auto& options : test::every_model(12, 40)) {
    if (options.normalise_rows) continue;  // rows are not whole any more
    auto model = test::random_model(options);
    model.decoder.copy_(whole({40, 12}, 2));
    model.encoder.copy_(whole({40, 12}, 1));
    model.latent_bias.copy_(whole({40}, 3));
    model.pre_bias.copy_(whole({12}, 4));
    model.threshold.fill_(2);
    model.set_statistics(whole({12}, 5), 2);
    expect_same(model, rows);
  }
}

TEST(LiteBesideTheLibrary, LargerModelsComputeTheSame) {
  const auto rows = test::random_rows({100, 96}, 8).to(torch::kFloat32);
  auto model = test::random_model(models::Matryoshka{.levels = {8, 64, 700}}, 96, 700);
  expect_same(model, rows);
  const torch::NoGradGuard no_grad;
  const auto theirs = model.encode(rows, OperatingPoint::top(16), Coding::pursuit());
  const auto ours = saved(model).encode_dense(span_of(rows), OperatingPoint::top(16), Coding::pursuit());
  EXPECT_LT((tensor_of(ours, theirs) - theirs).abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace msae::lite
