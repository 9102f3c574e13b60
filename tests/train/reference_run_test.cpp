// The first 40 steps of the published training on real embeddings: initial dictionary, statistics, losses,
// gradients, and what comes of it. The order of rows is stored with the numbers: it is not the published one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <optional>

#include "msae/data/source.h"
#include "msae/data/statistics.h"
#include "msae/eval/orthogonality.h"
#include "support/tensors.h"
#include "train/golden_case.h"
#include "train/published_quality.h"
#include "train/row_order.h"

namespace msae::train {
namespace {

using models::OperatingPoint;
using models::SparseAutoencoder;
using test::Golden;
using test::Numbers;

constexpr std::int64_t dim = 512, latents = 1024, batch_rows = 512, all_steps = 40, steps_per_epoch = 8;

/// Some first rows of a split, as they are.
struct Rows {
  torch::Tensor values;  // [rows, dim] float32
  data::Statistics statistics;
};

Rows first_rows(const std::string& split, std::int64_t rows) {
  const auto all =
      data::open(std::getenv("MSAE_REAL_DATA") + ("/clip_vitb32_images.h5:/" + split + "/embeddings"));
  std::vector<float> values(static_cast<std::size_t>(rows * dim));
  all->read(0, rows, values);
  const auto tensor = torch::tensor(values).reshape({rows, dim});
  return {tensor, data::statistics(*data::in_memory(std::move(values), dim))};
}

const Rows& train_rows() {
  static const auto rows = first_rows("train", 4096);
  return rows;
}

const Rows& test_rows() {
  static const auto rows = first_rows("test", 2048);
  return rows;
}

/// What the published code made of a split: float32, with a mean that is a sum in float32.
torch::Tensor published_rows(const Golden& golden, const std::string& mean, const torch::Tensor& values) {
  const auto scale = golden.number(mean, "scaling_factor");
  return (values - golden.tensor(mean).to(torch::kFloat32)) * scale;
}

bool has_data() {
  return std::getenv("MSAE_REAL_DATA") != nullptr && std::getenv("MSAE_GOLDEN") != nullptr;
}

constexpr const char* no_data = "needs the real embeddings and the published numbers";

TEST(ReferenceData, MeanAndScale) {
  if (!has_data()) GTEST_SKIP() << no_data;
  const auto golden = Golden::open("training.h5");
  const Numbers data(golden, "data");
  SparseAutoencoder model(published_model(dim, latents, models::Relu{}, 42));
  for (const auto& [split, rows] : {std::pair{"train", &train_rows()}, std::pair{"test", &test_rows()}}) {
    SCOPED_TRACE(split);
    const auto mean = "data/" + std::string(split) + "_image_mean";
    const auto scale = golden.number(mean, "scaling_factor");
    set_statistics(model, rows->statistics, Scaling::published);
    EXPECT_NEAR(model.scale.item<double>() / scale, 1, 1e-6);
    test::expect_close(model.mean, golden.tensor(mean), {.relative = 1e-5});
    model.set_statistics(golden.tensor(mean), scale);
    data.expect("processed_" + std::string(split), model.normalise(rows->values), {.relative = 1e-6});
  }
}

struct Case {
  const char* name;
  torch::ScalarType type;
  std::int64_t steps;
};

/// In float32 the model is trained as a user would, on what the published code started from, in float64 on
/// exactly its numbers.
class ReferenceRun : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!has_data()) GTEST_SKIP() << no_data;
    golden_.emplace(Golden::open("training.h5"));
    numbers_.emplace(*golden_, path_);
    model_.emplace(published_model(dim, latents, activation(), 42));
    EXPECT_CLOSE(model_->decoder.detach(), golden_->tensor("init/decoder"), 1e-6);
    x_ = train_rows().values;
    if (exact_) {
      x_ = published_rows(*golden_, "data/train_image_mean", x_).to(torch::kFloat64);
      model_->to(torch::kFloat64);
      model_->decoder.data().copy_(golden_->tensor("init/decoder"));
      model_->encoder.data().copy_(model_->decoder);
    } else {
      set_statistics(*model_, train_rows().statistics, Scaling::published);
    }
  }

  models::Activation activation() const {
    const auto name = golden_->text(kind_, "activation");
    if (golden_->has(kind_ + "/nesting_list")) {
      return activation_named(name, golden_->integers(kind_ + "/nesting_list"),
                              golden_->numbers(kind_ + "/relative_importance"));
    }
    const auto at = name.find('_');
    if (at == std::string::npos) return activation_named(name, {});
    return activation_named(name, {std::stoll(name.substr(at + 1))});
  }

  TrainOptions options() const {
    auto options = TrainOptions::published(activation());
    options.batch_size = batch_rows;
    options.decay = 1 - golden_->number(kind_, "decay_time");
    EXPECT_EQ(options.learning_rate, golden_->number(kind_, "lr"));
    EXPECT_EQ(options.l1, golden_->number(kind_, "sparse_weight"));
    return options;
  }

  /// The published rate; ours is the same where we have the schedule.
  double rate(const TrainOptions& options, std::int64_t step) const {
    const auto published = numbers_->tensor("lr")[step].item<double>();
    if (golden_->number(kind_, "scheduler") == 1) {
      EXPECT_NEAR(learning_rate(options, step, all_steps, steps_per_epoch) / published, 1, 1e-12);
    }
    return published;
  }

  /// Relative, of losses and norms. Batch-topk in float32 selects other latents from step 21 on; even the
  /// published code's float32 and float64 differ by 1.5e-4 there.
  double tolerance(std::int64_t step) const {
    if (exact_) return 1e-9;
    return kind_ == "batchtopk" && step >= 21 ? 1e-3 : 1e-4;
  }

  void expect_near(const char* quantity, std::int64_t step, double ours) const {
    const auto published = numbers_->tensor(quantity)[step].item<double>();
    EXPECT_NEAR(ours, published, tolerance(step) * std::abs(published)) << quantity << ", step " << step;
  }

  /// Of parameters, relative to the largest. Adam divides noise by noise where a gradient is nearly zero, so
  /// that entries differ by up to a step of the learning rate where rows differ by rounding.
  double parameter_tolerance(std::int64_t step) const {
    if (exact_) return 1e-7;
    return kind_ == "batchtopk" && step > 21 ? 5e-3 : 1e-3;
  }

  void expect_parameters(std::int64_t step) const {
    const Numbers published(*golden_, path_ + "/params_after_step" + std::to_string(step));
    published.expect("pre_bias", model_->pre_bias, {.relative = parameter_tolerance(step)});
    published.expect("encoder", model_->encoder.t(), {.relative = parameter_tolerance(step)});
    published.expect("latent_bias", model_->latent_bias, {.relative = parameter_tolerance(step)});
    published.expect("decoder", model_->decoder, {.relative = parameter_tolerance(step)});
  }

  const bool exact_ = GetParam().type == torch::kFloat64;
  const std::string kind_ = GetParam().name;
  const std::string path_ = kind_ + (exact_ ? "/f64" : "/f32");
  std::optional<Golden> golden_;
  std::optional<Numbers> numbers_;
  std::optional<SparseAutoencoder> model_;
  torch::Tensor x_;
};

// What the training script prints after an epoch: the test set in batches, in the space that the model sees;
// the loss of all latents, and CKNNA of rows and reconstructions.
void expect_epoch_evaluation(const Numbers& numbers, const Golden& golden, SparseAutoencoder& model,
                             double l1, std::int64_t epoch) {
  const auto rows = published_rows(golden, "data/test_image_mean", test_rows().values)
                        .to(torch::kFloat64)
                        .split(batch_rows);
  std::map<std::string, double> ours{{"orthogonality", eval::decoder_orthogonality(model.decoder)}};
  for (const auto& batch : rows) {
    for (const auto& [name, values] : quality(model, batch)) {
      ours[name] += values.mean().item<double>() / static_cast<double>(rows.size());
    }
  }
  ours["loss"] = ours["recon_loss"] + l1 * ours["sparse_loss"];
  for (const auto* point : {"_sparse", "_all"}) {
    ours[std::string("cknna") + point] = ours[std::string("cknna_of_reconstruction") + point];
  }
  std::size_t compared = 0;
  for (const auto& [name, value] : ours) {
    if (!numbers.has("epoch_eval/" + name)) continue;
    const auto published = numbers.tensor("epoch_eval/" + name)[epoch].item<double>();
    // Batch-topk reconstructs rows without an active latent alike: which of them are neighbours is open.
    const bool ties = name == "cknna_sparse" && std::get_if<models::BatchTopK>(&model.activation());
    EXPECT_NEAR(value, published, (ties ? 1e-4 : 1e-6) * std::abs(published)) << name << ", epoch " << epoch;
    ++compared;
  }
  EXPECT_EQ(compared, 14U);
}

// What the extraction script says of all test rows at once, in the original space. A latent at the edge of
// being dead, and rows that are nearly as near as another, may be so on either side.
void expect_extraction(const Numbers& published, SparseAutoencoder& model, double tolerance) {
  std::size_t compared = 0;
  const auto expect = [&](const std::string& name, const torch::Tensor& ours, double absolute) {
    if (!published.has(name)) return;
    const auto value = published.tensor(name).item<double>();
    EXPECT_NEAR(ours.item<double>(), value, absolute + tolerance * std::abs(value)) << name;
    ++compared;
  };
  for (const auto& [name, values] : quality(model, test_rows().values)) {
    const auto at = name.rfind('_');
    const auto stored = (name.substr(0, at) == "sparsity" ? "l0" : name.substr(0, at)) + name.substr(at);
    expect(stored, values.mean(), stored.rfind("dead", 0) == 0 ? 2 : 1e-3);
    expect(stored + "_std", values.std(/*unbiased=*/false), 1e-3);
  }
  EXPECT_EQ(compared, 20U);
}

// Its parameters at the end are judged by what the model makes of the first eight test rows, which it centres
// and scales by the test set's own statistics.
void expect_test_rows(const Numbers& published, SparseAutoencoder& model, double tolerance) {
  const torch::NoGradGuard no_grad;
  const auto rows = test_rows().values.slice(0, 0, 8);
  const auto f = forward(model, rows);
  published.expect("repr_all", f.dense, {.relative = tolerance});
  const auto all = model.decode(model.encode(rows, OperatingPoint::all()));
  published.expect("recons_all", model.normalise(all), {.relative = tolerance});
  // A latent at the edge of a level may be another one.
  for (std::int64_t i = 0; i < f.reconstructions.size(0); ++i) {
    published.expect("recons" + std::to_string(i), model.normalise(f.reconstructions[i]),
                     {.relative = 5 * tolerance});
  }
  // A latent that is nearly zero may be so on either side.
  const auto active = (f.latents != 0).sum(2);
  test::expect_close(active, published.tensor("l0_per_level"), {.absolute = 1});
}

// Rows in which each latent is active, at the widest level.
torch::Tensor active_counts(const SparseAutoencoder& model, const torch::Tensor& batch) {
  const torch::NoGradGuard no_grad;
  return (forward(model, batch).latents[-1] != 0).sum(0);
}

TEST_P(ReferenceRun, HasThePublishedNumbers) {
  const auto options = this->options();
  const auto engine = make_autograd_engine(*model_, options);
  const auto order = golden_->tensor("data/order").to(torch::kInt64).reshape({all_steps, batch_rows});
  auto counts = torch::zeros({latents}, torch::kInt64);
  for (std::int64_t step = 0; step < GetParam().steps; ++step) {
    const auto batch = x_.index_select(0, order[step]);
    if (!exact_) counts += active_counts(*model_, batch);
    engine->step(batch, rate(options, step));
    expect_near("loss", step, engine->take_metrics().loss);
    expect_near("grad_norm", step, norm_of_gradients(*model_));  // below 1 always: nothing is clipped
    if (numbers_->has("params_after_step" + std::to_string(step + 1))) expect_parameters(step + 1);
    if (exact_ && (step + 1) % steps_per_epoch == 0) {
      expect_epoch_evaluation(*numbers_, *golden_, *model_, options.l1, step / steps_per_epoch);
    }
  }
  if (exact_) return;
  numbers_->expect("activation_count_train", counts, {.relative = parameter_tolerance(all_steps)});
  const test::Tolerance tolerance{.relative = parameter_tolerance(all_steps)};
  numbers_->expect("pre_bias_final", model_->pre_bias, tolerance);
  numbers_->expect("latent_bias_final", model_->latent_bias, tolerance);
  expect_extraction(Numbers(*golden_, path_ + "/extract_model_mean"), *model_, tolerance.relative);
  set_statistics(*model_, test_rows().statistics, Scaling::published);
  expect_extraction(Numbers(*golden_, path_ + "/extract_own_mean"), *model_, tolerance.relative);
  expect_test_rows(Numbers(*golden_, path_ + "/test8"), *model_, tolerance.relative);
}

// In float64, which takes twice as long, kinds that differ from another in their rates or weights alone take
// one epoch.
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto* name : {"relu", "topk", "batchtopk", "msae_rw"}) {
    cases.push_back({name, torch::kFloat32, all_steps});
    cases.push_back({name, torch::kFloat64, all_steps});
  }
  for (const auto* name : {"topk_linear_decay", "topk_cosine", "msae_uw"}) {
    cases.push_back({name, torch::kFloat32, all_steps});
    cases.push_back({name, torch::kFloat64, steps_per_epoch});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Kinds, ReferenceRun, testing::ValuesIn(all_cases()), [](const auto& test) {
  return std::string(test.param.name) + (test.param.type == torch::kFloat64 ? "_f64" : "_f32");
});

TEST(PublishedEpochSeeds, AreAskedForInAnyOrder) {
  const auto forwards = published_epoch_seeds(42, 16, 4), backwards = published_epoch_seeds(42, 16, 4);
  const auto third = backwards(3);
  EXPECT_EQ(backwards(0), forwards(0));
  EXPECT_EQ(third, forwards(3));
  EXPECT_NE(forwards(0), forwards(1));
}

}  // namespace
}  // namespace msae::train
