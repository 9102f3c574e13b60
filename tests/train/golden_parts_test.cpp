// Parts of the published implementation by themselves: unit rows, ties, initialisation, levels, encoding with
// another k, schedules, data. Of its initialisations only "kaiming" is ours, not xavier, uniform and normal.
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "msae/data/statistics.h"
#include "msae/ops/selection.h"
#include "support/tensors.h"
#include "train/golden_case.h"

namespace msae::train {
namespace {

using models::OperatingPoint;
using models::Ranking;
using models::SparseAutoencoder;
using test::Golden;

/// A float64 model with the parameters that a group of the file has.
SparseAutoencoder golden_model(const Golden& file, const std::string& group, models::Activation activation,
                               Ranking ranking = Ranking::positive, double soft_cap = 0) {
  const auto shape = file.tensor(group + "/decoder").sizes().vec();
  models::SparseAutoencoderOptions options{
      .dim = shape[1], .latents = shape[0], .soft_cap = soft_cap, .ranking = ranking};
  options.activation = std::move(activation);
  SparseAutoencoder model(options);
  model.to(torch::kFloat64);
  load(model, file, group);
  return model;
}

// A step at rate zero does nothing but bring rows to unit norm.
TEST(GoldenUnitNorm, RescalesTheEncoderAgainstTheDecoder) {
  const auto file = Golden::open("modules.h5");
  for (const auto& name : file.names("inputs")) {
    SCOPED_TRACE(name);
    auto model = golden_model(file, "inputs/" + name, models::Relu{});
    const auto batch = file.tensor("inputs/" + name + "/batches")[0];
    make_autograd_engine(model, TrainOptions::published(models::Relu{}))->step(batch, 0);
    const test::Numbers unit(file, "inputs/" + name + "/unit_f64");
    unit.expect("encoder", model.encoder.t(), {.relative = 1e-12});
    unit.expect("decoder", model.decoder, {.relative = 1e-12});
    unit.expect("latent_bias", model.latent_bias, {.relative = 1e-12});
  }
}

TEST(GoldenUnitNorm, RescalesThresholds) {
  const auto file = Golden::open("modules.h5");
  for (const auto& name : file.names("cases")) {
    if (name.rfind("jumprelu", 0) != 0) continue;
    SCOPED_TRACE(name);
    const GoldenCase c(file, name, torch::kFloat64);
    auto model = c.model();
    make_autograd_engine(model, c.options())->step(c.batch(0), 0);
    for (const auto& [quantity, value] : published_parameters(model)) c.expect("unit/" + quantity, value);
  }
}

/// Whether `kept` [n] of `scores` [n] are the k largest, whichever of equal ones.
void expect_largest(const torch::Tensor& scores, const torch::Tensor& kept, const Golden& file,
                    const std::string& group, std::int64_t row, std::int64_t k) {
  SCOPED_TRACE(group + ", row " + std::to_string(row));
  const auto at = [&](const char* name) { return file.tensor(group + "/" + name)[row].item<double>(); };
  const auto kth = at("kth_value");
  const auto above = scores > kth;
  EXPECT_EQ(above.sum().item<double>(), at("strictly_greater"));
  EXPECT_EQ((scores == kth).sum().item<double>(), at("equal"));
  EXPECT_EQ(kept.sum().item<std::int64_t>(), k);
  EXPECT_TRUE(kept.masked_select(above).all().item<bool>());
  EXPECT_FALSE(kept.masked_select(scores < kth).any().item<bool>());
}

struct Ties {
  explicit Ties(const std::string& kind)
      : group("ties/" + kind),
        name(file.text(group, "activation")),
        ks(file.integers(group + "/ks")),
        model(golden_model(file, group, activation_named(name, ks), ranking_named(name))),
        x(file.tensor(group + "/x")),
        pre(model.pre_activations(x).detach()),
        batch(models::chooses_over_batch(model.activation())),
        rows(batch ? 1 : x.size(0)) {}

  std::string level(std::size_t i) const { return group + "/level" + std::to_string(i); }

  /// What is chosen among: a row, or the whole batch.
  torch::Tensor by_row(const torch::Tensor& t) const { return t.reshape({rows, -1}); }

  const Golden file = Golden::open("modules.h5");
  const std::string group, name;
  const std::vector<std::int64_t> ks;
  SparseAutoencoder model;
  const torch::Tensor x, pre;
  const bool batch;
  const std::int64_t rows;
};

class GoldenTies : public testing::TestWithParam<const char*> {
 protected:
  Ties ties{GetParam()};
};

TEST_P(GoldenTies, KeepTheLargest) {
  EXPECT_TRUE(ties.pre.equal(ties.file.tensor(ties.group + "/pre_act")));
  const auto scores = ties.model.scores(ties.pre);
  const auto level =
      ties.batch ? ops::batch_nested_levels(scores, ties.ks) : ops::nested_levels(scores, ties.ks);
  for (std::size_t i = 0; i < ties.ks.size(); ++i) {
    const auto kept = ties.by_row(level <= static_cast<std::int64_t>(i));
    const auto k = ties.ks[i] * (ties.batch ? ties.x.size(0) : 1);
    for (std::int64_t row = 0; row < ties.rows; ++row) {
      expect_largest(ties.by_row(scores)[row], kept[row], ties.file, ties.level(i), row, k);
    }
  }
}

// Which of equal latents are kept shows in their places, not in their values; the published ones have no
// sign where they are selected by size.
TEST_P(GoldenTies, KeepTheSameValues) {
  const torch::NoGradGuard no_grad;
  const auto latents = forward(ties.model, ties.x).latents;
  const auto ours = ties.model.options().ranking == Ranking::magnitude ? latents.abs() : latents;
  const auto sorted = [&](const torch::Tensor& t) { return std::get<0>(ties.by_row(t).sort(1)); };
  for (std::size_t i = 0; i < ties.ks.size(); ++i) {
    const auto published = ties.file.tensor(ties.level(i) + "/latents");
    EXPECT_TRUE(sorted(ours[static_cast<std::int64_t>(i)]).equal(sorted(published))) << "level " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, GoldenTies, testing::Values("topk", "topk_abs", "batchtopk", "msae"),
                         [](const auto& test) { return std::string(test.param); });

// Rows without a tie, where there is no choice.
TEST(GoldenTie, ChangesNothingInOtherRows) {
  const torch::NoGradGuard no_grad;
  for (const auto* kind : {"topk", "msae"}) {
    SCOPED_TRACE(kind);
    Ties ties(kind);
    const auto ours = ties.model.levels(ties.x);
    for (std::size_t i = 0; i < ties.ks.size(); ++i) {
      const auto clear = (ties.file.tensor(ties.level(i) + "/is_tie") == 0).nonzero().flatten();
      const auto published = ties.file.tensor(ties.level(i) + "/recons").index_select(0, clear);
      EXPECT_CLOSE(ours[static_cast<std::int64_t>(i)].index_select(0, clear), published, 1e-12);
    }
  }
}

// Latents come in four copies: what is added up over the copies does not depend on the choice among them.
TEST(GoldenTie, DoesNotMatterAmongCopies) {
  const auto file = Golden::open("modules.h5");
  const std::string group = "ties/invariant";
  const auto ks = file.integers(group + "/ks");
  const models::Matryoshka nested{ks, models::reverse_weights(ks.size())};
  auto model = golden_model(file, group, nested);
  const auto x = file.tensor(group + "/x");
  const auto reconstructions = model.levels(x);
  const auto level_losses = ops::nmse(reconstructions, x);
  for (std::int64_t i = 0; i < reconstructions.size(0); ++i) {
    EXPECT_CLOSE(reconstructions[i], file.tensor(group + "/level_recons/" + std::to_string(i)), 1e-12);
  }
  EXPECT_CLOSE(level_losses, file.tensor(group + "/level_losses"), 1e-12);
  auto options = TrainOptions::published(nested);
  const auto loss = training_loss(model, x, options);
  EXPECT_CLOSE(loss, file.tensor(group + "/loss"), 1e-12);
  loss.backward();
  const auto folded = [](const torch::Tensor& t) { return t.reshape({4, 8, -1}).sum(0); };
  const test::Numbers published(file, group + "/grad_folded");
  published.expect("encoder", folded(model.encoder.grad()).t(), {.relative = 1e-12});
  published.expect("decoder", folded(model.decoder.grad()), {.relative = 1e-12});
  published.expect("latent_bias", folded(model.latent_bias.grad()).flatten(), {.relative = 1e-12});
  published.expect("pre_bias", model.pre_bias.grad(), {.relative = 1e-12});
}

TEST(GoldenInitialisation, IsKaimingUniformOfNormOneTenth) {
  const auto published = Golden::open("modules.h5").tensor("init/kaiming/decoder");
  const SparseAutoencoder model(published_model(published.size(1), published.size(0), models::TopK{1}, 42));
  EXPECT_CLOSE(model.decoder.detach().to(torch::kFloat64), published, 1e-6);
  EXPECT_TRUE(model.encoder.equal(model.decoder));
}

TEST(GoldenLevels, DoubleFrom64) {
  const auto file = Golden::open("modules.h5");
  for (const auto& name : file.names("default_nesting")) {
    SCOPED_TRACE(name);
    const auto group = "default_nesting/" + name;
    const auto levels = models::doubling_levels(64, std::stoll(name.substr(1)));
    EXPECT_EQ(levels, file.integers(group + "/nesting_list"));
    EXPECT_EQ(models::reverse_weights(levels.size()), file.numbers(group + "/RW"));
    EXPECT_EQ(models::level_weights(models::Matryoshka{levels}), file.numbers(group + "/UW"));
  }
}

TEST(GoldenEncoding, WithTheTrainedAndAnotherK) {
  const torch::NoGradGuard no_grad;
  const auto file = Golden::open("modules.h5");
  const auto x = file.tensor("inputs/C/batches")[0];
  for (const auto& kind : file.names("encode_topk")) {
    SCOPED_TRACE(kind);
    const auto group = "encode_topk/" + kind;
    const auto name = file.text(group, "activation");
    const auto ks =
        contains(kind, "msae") ? file.integers("inputs/C/nesting_list") : std::vector<std::int64_t>{8};
    auto model = golden_model(file, "inputs/C", activation_named(name, ks), ranking_named(name),
                              file.number(group, "latent_soft_cap"));
    const auto expect = [&](const char* quantity, const torch::Tensor& ours) {
      EXPECT_CLOSE(ours, file.tensor(group + "/" + quantity), 1e-10);
    };
    expect("full_topk_none", model.encode(x, OperatingPoint::all()));
    expect("full_topk_1", model.encode(x, OperatingPoint::top(1)));
    expect("full_topk_5", model.encode(x, OperatingPoint::top(5)));
    expect("full_topk_16", model.encode(x, OperatingPoint::top(16)));
    expect("full_topk_64", model.encode(x, OperatingPoint::top(64)));
    // The published batch-topk chooses over the batch at inference, too.
    const auto pre = model.pre_activations(x);
    expect("encoded_level0", model.dense_latents(pre) * (choose(model, pre).level == 0));
    if (models::chooses_over_batch(model.activation())) continue;
    expect("encoded_level0", model.encode(x));
  }
}

// "linear_epochs30_decay0.8" and "cosine_epochs30_warmup1".
TEST(GoldenSchedules, AreOurs) {
  const auto file = Golden::open("metrics.h5");
  constexpr double base = 5e-4;
  std::set<std::string> kinds;
  for (const auto& name : file.names("schedules")) {
    SCOPED_TRACE(name);
    const auto rates = file.numbers("schedules/" + name);
    auto options = TrainOptions::published(models::TopK{});
    options.learning_rate = base;
    int epochs = 0;
    double number = 0;
    const bool linear = std::sscanf(name.c_str(), "linear_epochs%d_decay%lf", &epochs, &number) == 2;
    if (linear) {
      options.decay = 1 - number;
    } else {
      ASSERT_EQ(std::sscanf(name.c_str(), "cosine_epochs%d_warmup%lf", &epochs, &number), 2);
      options = {.learning_rate = base, .schedule = Schedule::cosine, .warmup = number / epochs};
    }
    // The published cosine, which we do not have, rises from and falls to a tenth of the rate, where ours
    // does so to zero; its rise has other steps.
    const double floor = linear ? 0 : 0.1;
    for (int epoch = linear ? 0 : static_cast<int>(number); epoch <= epochs; ++epoch) {
      const double ours = learning_rate(options, epoch, epochs, 1);
      EXPECT_NEAR(floor * base + (1 - floor) * ours, rates.at(static_cast<std::size_t>(epoch)), 1e-12 * base)
          << "epoch " << epoch;
    }
    kinds.insert(linear ? "linear" : "cosine");
  }
  EXPECT_EQ(kinds.size(), 2U);
}

// Its mean is a sum in float32, ours is exact; of its target norms, ours are sqrt(dim) and none.
TEST(GoldenData, MeanAndScale) {
  const auto file = Golden::open("metrics.h5");
  const auto raw = file.tensor("dataset/raw").to(torch::kFloat32).contiguous();
  const auto source =
      data::in_memory({raw.const_data_ptr<float>(), raw.const_data_ptr<float>() + raw.numel()}, raw.size(1));
  const auto statistics = data::statistics(*source);
  const auto head = raw.slice(0, 0, 40);
  constexpr double mean_error = 3e-6;  // of values up to 3.1
  SparseAutoencoder model({.dim = raw.size(1), .latents = 1, .activation = models::Relu{}});
  for (const auto& [name, scaling] : {std::pair{"mean_center_1_target_none", Scaling::published},
                                      std::pair{"mean_center_1_target_0.0", Scaling::none}}) {
    SCOPED_TRACE(name);
    const auto group = std::string("dataset/") + name;
    set_statistics(model, statistics, scaling);
    EXPECT_NEAR(model.scale.item<double>() / file.number(group, "scaling_factor"), 1, 1e-6);
    const test::Numbers published(file, group);
    published.expect("mean", model.mean, {.absolute = mean_error});
    published.expect("processed", model.normalise(head),
                     {.absolute = mean_error * model.scale.item<double>()});
    published.expect("round_trip", model.denormalise(model.normalise(head)), {.relative = 1e-6});
  }
  test::expect_close(model.mean, file.tensor("dataset/calculate_vector_mean_batch200"),
                     {.absolute = mean_error});
}

// A model whose encoder is the identity shows what it makes of rows.
TEST(GoldenData, NormalisedRows) {
  const torch::NoGradGuard no_grad;
  const auto file = Golden::open("metrics.h5");
  const auto rows = file.tensor("dataset/raw").slice(0, 0, 6);
  const auto dim = rows.size(1);
  SparseAutoencoder model({.dim = dim, .latents = dim, .activation = models::Relu{}, .normalise_rows = true});
  model.to(torch::kFloat64);
  model.encoder.copy_(torch::eye(dim));
  const test::Numbers published(file, "dataset/normalize_data");
  published.expect("x", model.pre_activations(rows), {.relative = 1e-6});
  const auto mean = model.restore_rows(torch::zeros_like(rows), rows);
  const auto both = model.restore_rows(torch::ones_like(rows), rows);
  published.expect("mean", mean.slice(1, 0, 1), {.relative = 1e-6});
  published.expect("std", (both - mean).slice(1, 0, 1), {.relative = 1e-6});
}

}  // namespace
}  // namespace msae::train
