// The fused engine does what the autograd engine does.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "models/every_model.h"
#include "support/error_of.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

using models::Activation;
using models::Matryoshka;
using models::SparseAutoencoder;
using models::SparseAutoencoderOptions;

struct Case {
  std::string name;
  SparseAutoencoderOptions model;
  TrainOptions options;
  std::int64_t rows = 8;
  double shift = 0;        ///< of the latent biases: how many pre-activations are positive
  double grid = 0;         ///< pre-activations are multiples of it, so that many are equal; 0: no such thing
  bool zero_rows = false;  ///< some rows are the mean

  SparseAutoencoder make(torch::ScalarType type) const {
    SparseAutoencoder sae(model);
    sae.to(type);
    const torch::NoGradGuard no_grad;
    const auto fill = [&](torch::Tensor& t, std::uint64_t seed, double scale) {
      auto values = test::random(t.sizes(), seed) * scale;
      if (grid > 0) values = (values / grid).round() * grid;
      t.copy_(values);
    };
    fill(sae.encoder, 1, 1);
    fill(sae.decoder, 2, 1);
    sae.decoder.div_(sae.decoder.norm(2, 1, true).clamp_min(1e-3));
    fill(sae.latent_bias, 3, 0.1);
    sae.latent_bias.add_(shift);
    fill(sae.pre_bias, 4, 0.1);
    sae.threshold.fill_(0.5);
    return sae;
  }

  torch::Tensor batch(std::uint64_t seed, torch::ScalarType type) const {
    auto x = test::random({rows, model.dim}, seed);
    if (grid > 0) x = (x / grid).round() * grid;
    if (zero_rows) x.slice(0, 0, (rows + 1) / 2).zero_();
    return x.to(type);
  }
};

// Of a tensor as a whole: |a - b| / |b|.
double error_of(const torch::Tensor& a, const torch::Tensor& b) {
  const double difference = (a - b).detach().norm().item<double>(), size = b.detach().norm().item<double>();
  return size > 0 ? difference / size : difference;
}

TrainOptions with(std::int64_t rows) {
  TrainOptions options;
  options.batch_size = rows;
  return options;
}

std::vector<Activation> fused_activations(std::int64_t latents) {
  std::vector<Activation> all{
      models::Relu{},        models::TopK{1},      models::TopK{std::min<std::int64_t>(3, latents)},
      models::TopK{latents}, models::BatchTopK{1}, models::BatchTopK{latents}};
  if (latents >= 14) {
    all.push_back(Matryoshka{{1, 3, latents}, {3, 1, 2}});
    all.push_back(Matryoshka{{2, 4}});
    all.push_back(Matryoshka{{1, 2, 3, 5, 8, 13}, {0, 1, 2, 3, 4, 5}});
    all.push_back(Matryoshka{{1, 3, latents}, {3, 1, 2}, /*batch=*/true});
    all.push_back(Matryoshka{{latents}});
  }
  return all;
}

// Every activation on awkward shapes, then every option on some.
std::vector<Case> cases() {
  std::vector<Case> all;
  struct Shape {
    std::int64_t rows, dim, latents;
  };
  int turn = 0;
  for (const auto shape :
       {Shape{8, 5, 14}, Shape{1, 1, 1}, Shape{130, 65, 35}, Shape{257, 3, 19}, Shape{5, 130, 1541}}) {
    for (const auto& activation : fused_activations(shape.latents)) {
      for (const double shift : {-100.0, -1.0, 0.0, 100.0}) {
        Case c{"",
               {.dim = shape.dim, .latents = shape.latents, .activation = activation},
               with(shape.rows),
               shape.rows,
               shift};
        c.options.loss = turn % 2 == 0 ? Loss::nmse : Loss::mse;
        // Of the size of pre-activations: far beyond it a latent's slope is nothing but rounding.
        const auto cap = 2 * std::sqrt(static_cast<double>(shape.dim));
        c.model.soft_cap = turn % 3 == 0 && shift <= 0 ? cap : 0;
        c.grid = turn % 5 == 0 ? 0.5 : 0;
        c.zero_rows = turn % 7 == 0;
        c.name = models::kind(activation) + " " + std::to_string(turn++) + ", " + std::to_string(shape.rows) +
                 " x " + std::to_string(shape.dim) + " x " + std::to_string(shape.latents) + ", shift " +
                 std::to_string(shift);
        all.push_back(c);
      }
    }
  }
  for (const auto& activation : fused_activations(33)) {
    for (int option = 0; option < 14; ++option) {
      Case c{"", {.dim = 9, .latents = 33, .activation = activation}, with(20), 20, -0.5};
      auto& o = c.options;
      if (option == 0) o.unit_norm = UnitNorm::before_step;
      if (option == 1) o.unit_norm = UnitNorm::never;
      if (option == 2) o.clip = 0;
      if (option == 3) o.clip = 1e-3;
      if (option == 4) o.weight_decay = 0.1;
      if (option == 5) o.batch_size = 40;
      if (option == 6) o.batch_size = 40, o.weigh_short_batch = false;
      if (option == 7) o.auxk = 0.5, o.auxk_latents = 4, o.dead_after = 21, c.shift = -3;
      const bool nested = std::holds_alternative<Matryoshka>(activation);
      const bool l1 = option == 8 || option == 9;
      if (l1 && nested) continue;
      o.l1 = l1 ? 0.1 : 0;
      o.l1_by_norm = option != 9;
      if (option == 10 || option == 11) o.fused.dense_decode = 0;
      if (option == 10 || option == 12) o.fused.dense_decoder_gradient = 0;
      if (option == 10 || option == 13) o.fused.dense_encoder_gradient = 0;
      c.zero_rows = option % 2 == 1;
      c.name = models::kind(activation) + ", option " + std::to_string(option);
      all.push_back(c);
    }
  }
  return all;
}

// The first moment after the first step tells the gradient, here as it is before the optimiser.
std::map<std::string, torch::Tensor> gradients(const Case& c, const torch::Tensor& batch, EngineKind kind,
                                               torch::ScalarType type) {
  auto model = c.make(type);
  auto options = c.options;
  options.engine = kind;
  options.unit_norm = UnitNorm::never;
  options.clip = 0;
  options.beta1 = 0.5;
  auto engine = make_engine(model, options);
  engine->step(batch, 1e-3);
  std::map<std::string, torch::Tensor> all;
  for (const auto& [name, value] : engine->state()) {
    if (name.ends_with(".first")) all[name] = value.clone() / 0.5;
  }
  return all;
}

void expect_same_gradients(const Case& c, const torch::Tensor& batch, torch::ScalarType type,
                           double tolerance) {
  const auto plain = gradients(c, batch, EngineKind::autograd, type);
  const auto fused = gradients(c, batch, EngineKind::fused, type);
  ASSERT_EQ(fused.size(), 4U);
  for (const auto& [name, value] : plain) {
    EXPECT_LE(error_of(fused.at(name), value), tolerance) << c.name << ": " << name;
  }
}

TEST(FusedEngine, HasTheGradientsOfAutograd) {
  for (const auto& c : cases()) expect_same_gradients(c, c.batch(9, torch::kFloat64), torch::kFloat64, 1e-12);
}

// Whether two pre-activations on either side of some level's end differ by so little that rounding decides.
bool is_near_tie(const torch::Tensor& pre, const std::vector<std::int64_t>& levels) {
  const auto sorted = std::get<0>(pre.sort(/*dim=*/0, /*descending=*/true));
  for (const auto k : levels) {
    if (k >= sorted.size(0)) continue;
    const double gap = (sorted[k - 1] - sorted[k]).item<double>();
    if (gap > 0 && gap < 1e-5 * pre.abs().max().item<double>()) return true;  // equal ones are equal in both
  }
  return false;
}

std::vector<std::int64_t> kept(const Activation& activation, std::int64_t rows) {
  if (const auto* topk = std::get_if<models::TopK>(&activation)) return {topk->k};
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) return {batch->k * rows};
  const auto* nested = std::get_if<Matryoshka>(&activation);
  if (!nested) return {};
  auto levels = nested->levels;
  for (auto& k : levels) k *= nested->batch ? rows : 1;
  return levels;
}

torch::Tensor without_near_ties(const Case& c, const torch::Tensor& batch) {
  auto model = c.make(torch::kFloat64);
  const auto pre = model.pre_activations(batch).detach();
  if (models::chooses_over_batch(c.model.activation)) {
    return is_near_tie(pre.flatten(), kept(c.model.activation, batch.size(0))) ? batch.slice(0, 0, 0) : batch;
  }
  std::vector<torch::Tensor> rows;
  for (std::int64_t b = 0; b < batch.size(0); ++b) {
    if (!is_near_tie(pre[b], kept(c.model.activation, 1))) rows.push_back(batch[b]);
  }
  return rows.empty() ? batch.slice(0, 0, 0) : torch::stack(rows);
}

TEST(FusedEngine, HasTheGradientsOfAutogradInSinglePrecision) {
  std::size_t compared = 0;
  for (const auto& c : cases()) {
    const auto batch = without_near_ties(c, c.batch(9, torch::kFloat64));
    if (batch.size(0) == 0) continue;
    ++compared;
    expect_same_gradients(c, batch.to(torch::kFloat32), torch::kFloat32, 1e-5);
  }
  EXPECT_GT(compared, cases().size() * 9 / 10);
}

TEST(FusedEngine, TrainsToTheParametersOfAutograd) {
  for (const auto& c : cases()) {
    if (c.model.latents > 1000 && c.shift != 0) continue;  // which take long
    auto plain = c.make(torch::kFloat64), fused = c.make(torch::kFloat64);
    auto options = c.options;
    options.engine = EngineKind::autograd;
    auto a = make_engine(plain, options);
    options.engine = EngineKind::fused;
    auto b = make_engine(fused, options);
    for (std::uint64_t i = 0; i < 10; ++i) {
      a->step(c.batch(i, torch::kFloat64), 1e-3);
      b->step(c.batch(i, torch::kFloat64), 1e-3);
    }
    for (const auto& item : plain.named_parameters()) {
      EXPECT_LE(error_of(fused.named_parameters()[item.key()], item.value()), 1e-12)
          << c.name << ": " << item.key();
    }
    EXPECT_LE((fused.threshold - plain.threshold).abs().max().item<double>(), 1e-12) << c.name;
    const auto expected = a->take_metrics(), metrics = b->take_metrics();
    EXPECT_NEAR(metrics.loss, expected.loss, 1e-12 * (1 + expected.loss)) << c.name;
    EXPECT_NEAR(metrics.fvu, expected.fvu, 1e-12 * (1 + expected.fvu)) << c.name;
    EXPECT_EQ(metrics.active, expected.active) << c.name;
    EXPECT_EQ(metrics.dead, expected.dead) << c.name;
  }
}

class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  ~ThreadCount() { at::set_num_threads(before_); }

 private:
  int before_;
};

TEST(FusedEngine, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Activation& activation :
       {Activation(Matryoshka{{8, 32, 200}}), Activation(Matryoshka{{8, 32, 200}, {}, true}),
        Activation(models::Relu{})}) {
    const Case c{"", {.dim = 70, .latents = 200, .activation = activation}, with(1100), 1100};
    const auto trained = [&](int threads) {
      const ThreadCount count(threads);
      auto model = c.make(torch::kFloat32);
      auto options = c.options;
      options.engine = EngineKind::fused;
      auto engine = make_engine(model, options);
      for (std::uint64_t i = 0; i < 20; ++i) engine->step(c.batch(i, torch::kFloat32), 1e-3);
      return model;
    };
    const auto first = trained(1);
    for (const int threads : {1, 2, 3}) {
      expect_same_bits(first, trained(threads), models::kind(activation) + std::to_string(threads));
    }
  }
}

TEST(FusedEngine, GoesOnFromTheStateOfEitherEngine) {
  const Case c{"", {.dim = 5, .latents = 14, .activation = Matryoshka{{2, 14}}}, with(8)};
  for (const auto before : {EngineKind::autograd, EngineKind::fused}) {
    auto straight = c.make(torch::kFloat64), resumed = c.make(torch::kFloat64);
    auto options = c.options;
    options.engine = before;
    auto engine = make_engine(straight, options);
    for (std::uint64_t i = 0; i < 3; ++i) engine->step(c.batch(i, torch::kFloat64), 1e-2);
    {
      const torch::NoGradGuard no_grad;
      for (const auto& item : straight.named_parameters()) {
        resumed.named_parameters()[item.key()].copy_(item.value());
      }
    }
    options.engine = EngineKind::fused;
    auto second = make_engine(resumed, options);
    second->restore(engine->state());
    for (std::uint64_t i = 3; i < 6; ++i) {
      engine->step(c.batch(i, torch::kFloat64), 1e-2);
      second->step(c.batch(i, torch::kFloat64), 1e-2);
    }
    for (const auto& item : straight.named_parameters()) {
      EXPECT_CLOSE(resumed.named_parameters()[item.key()].detach(), item.value().detach(), 1e-12);
    }
    EXPECT_NEAR(engine->take_metrics().loss, second->take_metrics().loss, 1e-12);
  }
}

TEST(FusedEngine, TakesNoMemoryAfterItsFirstStep) {
  const Case c{"", {.dim = 20, .latents = 100, .activation = Matryoshka{{8, 100}}}, with(300), 300};
  auto model = c.make(torch::kFloat32);
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 0);
  const auto before = engine->memory();
  engine->step(c.batch(1, torch::kFloat32), 0);
  const auto after = engine->memory();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_EQ(before[i].bytes, after[i].bytes) << before[i].name;
}

TEST(FusedEngine, TellsItsStages) {
  const Case c{"", {.dim = 20, .latents = 100, .activation = Matryoshka{{8, 100}}}, with(300), 300};
  auto model = c.make(torch::kFloat32);
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 0);
  EXPECT_EQ(engine->stages().front().name, "prepare");
  EXPECT_EQ(engine->stages().back().name, "optimiser");
  for (const auto& stage : engine->stages()) EXPECT_GE(stage.milliseconds, 0) << stage.name;
  EXPECT_EQ(engine->shape().rows, 300);
  EXPECT_EQ(engine->shape().levels, 2);
}

TEST(FusedEngine, SaysWhatItDoesNotTake) {
  using testing::HasSubstr;
  const auto refusal = [](const SparseAutoencoderOptions& options, const TrainOptions& o) {
    SparseAutoencoder model(options);
    return test::error_of<std::invalid_argument>([&] { make_fused_engine(model, o); });
  };
  SparseAutoencoderOptions model{.dim = 5, .latents = 14, .activation = models::Relu{}};
  EXPECT_EQ(refusal(model, {}), "no error");
  for (const auto& options : test::every_model(5, 14)) {
    const auto kind = models::kind(options.activation);
    const bool plain =
        !options.tied && !options.normalise_rows && options.ranking == models::Ranking::positive;
    const bool fits = plain && kind != "jump-relu" && kind != "prefix-matryoshka";
    EXPECT_THAT(refusal(options, {}), HasSubstr(fits ? "no error" : "the fused one does not train"))
        << test::name(options);
    SparseAutoencoder taken(options);
    EXPECT_NO_THROW(make_engine(taken, {})) << "autograd takes what it does not";
  }
  TrainOptions cosine, resampling;
  cosine.loss = Loss::cosine;
  resampling.resample_every = 10;
  EXPECT_THAT(refusal(model, cosine), HasSubstr("cosine loss"));
  EXPECT_THAT(refusal(model, resampling), HasSubstr("resample"));
}

TEST(FusedEngine, ShowsNumbersThatAreNone) {
  const Case c{"", {.dim = 5, .latents = 14, .activation = Matryoshka{{2, 14}}}, with(8)};
  auto model = c.make(torch::kFloat32);
  {
    const torch::NoGradGuard no_grad;
    model.encoder[3][2] = NAN;
  }
  auto engine = make_fused_engine(model, c.options);
  engine->step(c.batch(1, torch::kFloat32), 1e-3);
  EXPECT_FALSE(std::isfinite(engine->take_metrics().loss));
}

}  // namespace
}  // namespace msae::train
