// Every kind of model with every option, against formulas written out entry by entry.
#include <gmock/gmock.h>

#include <cmath>

#include "models/every_model.h"
#include "msae/models/sparse_autoencoder.h"
#include "support/tensors.h"

namespace msae::models {
namespace {

using Point = OperatingPoint;

constexpr std::int64_t D = 6, H = 20, B = 9;

// A model with nothing at its initial value.
struct Model : SparseAutoencoder {
  explicit Model(const SparseAutoencoderOptions& options) : SparseAutoencoder(options) {
    to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    encoder.copy_(test::random(encoder.sizes(), 1) * 0.6);
    if (!options.tied) decoder.copy_(test::random(decoder.sizes(), 6));
    latent_bias.copy_(test::random(latent_bias.sizes(), 2) * 0.3);
    pre_bias.copy_(test::random(pre_bias.sizes(), 3) * 0.3);
    for (std::int64_t i = 0; i < threshold.size(0); ++i) threshold[i] = 0.8 - 0.3 * static_cast<double>(i);
    if (log_threshold.defined()) log_threshold.copy_(test::random({H}, 7) * 0.5);
    set_statistics(test::random({D}, 4), 1.7);
  }
};

torch::Tensor embeddings() {
  return test::random({B, D}, 5);
}

double at(const torch::Tensor& matrix, std::int64_t row, std::int64_t column) {
  return matrix.const_data_ptr<double>()[row * matrix.size(1) + column];
}

struct RowMoments {
  double mean = 0, deviation = 1;
};

// Of a row of normalised embeddings; 0 and 1 where the model leaves rows alone.
RowMoments moments(const Model& m, const torch::Tensor& u, std::int64_t b) {
  RowMoments result;
  if (!m.options().normalise_rows) return result;
  for (std::int64_t i = 0; i < D; ++i) result.mean += at(u, b, i) / D;
  double squares = 0;
  for (std::int64_t i = 0; i < D; ++i) squares += std::pow(at(u, b, i) - result.mean, 2);
  result.deviation = std::sqrt(squares / (D - 1));
  return result;
}

torch::Tensor naive_pre(const Model& m) {
  const auto u = (embeddings() - m.mean) * m.scale;
  auto pre = torch::zeros({B, H}, torch::kFloat64);
  for (std::int64_t b = 0; b < B; ++b) {
    const auto row = moments(m, u, b);
    const double divisor = row.deviation + (m.options().normalise_rows ? 1e-5 : 0);
    for (std::int64_t j = 0; j < H; ++j) {
      double sum = m.latent_bias[j].item<double>();
      for (std::int64_t i = 0; i < D; ++i) {
        sum += ((at(u, b, i) - row.mean) / divisor - m.pre_bias[i].item<double>()) * at(m.encoder, j, i);
      }
      pre[b][j] = sum;
    }
  }
  return pre;
}

double score(const Model& m, double p) {
  return m.options().ranking == Ranking::magnitude ? std::abs(p) : p;
}

// What becomes of a pre-activation that is kept.
double latent(const Model& m, double p) {
  const double c = m.options().soft_cap;
  if (m.options().ranking == Ranking::positive) p = std::max(p, 0.0);
  return c > 0 ? c * std::tanh(p / c) : p;
}

std::int64_t rank(const Model& m, const torch::Tensor& pre, std::int64_t b, std::int64_t j) {
  std::int64_t before = 0;
  for (std::int64_t i = 0; i < H; ++i) {
    const double mine = score(m, at(pre, b, j)), other = score(m, at(pre, b, i));
    before += other > mine || (other == mine && i < j);
  }
  return before;
}

// Whether a point keeps an entry, by the words of the documentation.
bool keeps(const Model& m, const torch::Tensor& pre, std::int64_t b, std::int64_t j, Point point) {
  const double p = at(pre, b, j);
  const auto level = static_cast<std::size_t>(point.kind == Point::Kind::level ? point.value : 0);
  const auto above = [&](std::size_t i) {
    return score(m, p) > m.threshold[static_cast<std::int64_t>(i)].item<double>();
  };
  if (point.kind == Point::Kind::all) return true;
  if (point.kind == Point::Kind::top) return rank(m, pre, b, j) < point.value;
  if (const auto* topk = std::get_if<TopK>(&m.activation())) return rank(m, pre, b, j) < topk->k;
  if (std::holds_alternative<BatchTopK>(m.activation())) return above(0);
  if (std::holds_alternative<JumpRelu>(m.activation()))
    return p > std::exp(m.log_threshold[j].item<double>());
  if (const auto* nested = std::get_if<Matryoshka>(&m.activation())) {
    return nested->batch ? above(level) : rank(m, pre, b, j) < nested->levels[level];
  }
  if (const auto* nested = std::get_if<PrefixMatryoshka>(&m.activation())) {
    return above(0) && (point.kind == Point::Kind::trained || j < nested->sizes[level]);
  }
  return true;
}

torch::Tensor naive_latents(const Model& m, const torch::Tensor& pre, Point point) {
  auto kept = torch::zeros({B, H}, torch::kFloat64);
  for (std::int64_t b = 0; b < B; ++b) {
    for (std::int64_t j = 0; j < H; ++j) {
      if (keeps(m, pre, b, j, point)) kept[b][j] = latent(m, at(pre, b, j));
    }
  }
  return kept;
}

torch::Tensor naive_decoded(const Model& m, const torch::Tensor& z) {
  const auto u = (embeddings() - m.mean) * m.scale;
  auto out = z.mm(m.decoder) + m.pre_bias;
  for (std::int64_t b = 0; b < B; ++b) {
    const auto row = moments(m, u, b);
    out[b] = out[b] * row.deviation + row.mean;
  }
  return out / m.scale + m.mean;
}

std::vector<Point> points(const Model& m) {
  std::vector<Point> all{Point::trained(), Point::all(),  Point::top(0),
                         Point::top(1),    Point::top(7), Point::top(H)};
  for (std::int64_t i = 0; i < m.level_count(); ++i) all.push_back(Point::level(i));
  return all;
}

TEST(EveryModel, EncodesByItsFormulaAtEveryOperatingPoint) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    const auto pre = naive_pre(model);
    EXPECT_CLOSE(model.pre_activations(model.normalise(embeddings())), pre, 1e-12) << test::name(options);
    for (const auto point : points(model)) {
      const auto expected = naive_latents(model, pre, point);
      EXPECT_CLOSE(model.encode(embeddings(), point), expected, 1e-12)
          << test::name(options) << " at " << point.label();
      const bool negative = expected.min().item<double>() < 0;
      EXPECT_TRUE(!negative || options.ranking != Ranking::positive);
    }
  }
}

TEST(EveryModel, DecodesWithTheMomentsOfTheRowsThatWereEncoded) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    const auto z = naive_latents(model, naive_pre(model), Point::trained());
    const auto expected = naive_decoded(model, z);
    EXPECT_CLOSE(model.decode(z, embeddings()), expected, 1e-12) << test::name(options);
    EXPECT_CLOSE(model.forward(embeddings()), expected, 1e-12) << test::name(options);
    EXPECT_CLOSE(model.decode(z), (z.mm(model.decoder) + model.pre_bias) / model.scale + model.mean, 1e-12)
        << test::name(options);
    EXPECT_EQ(torch::equal(model.decode(z), model.decode(z, embeddings())), !options.normalise_rows);
  }
}

TEST(EveryModel, GivesTheReconstructionOfEveryLevel) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    const auto levels = model.levels(embeddings());
    ASSERT_EQ(levels.size(0), level_count(options.activation));
    for (std::int64_t i = 0; i < levels.size(0); ++i) {
      const auto z = naive_latents(model, naive_pre(model), Point::level(i));
      EXPECT_CLOSE(levels[i], naive_decoded(model, z), 1e-12) << test::name(options) << " level " << i;
    }
  }
}

TEST(EveryModel, DoesNotLookAtARowsNeighbours) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    for (const auto point : points(model)) {
      EXPECT_CLOSE(model.encode(embeddings().slice(0, 4, 5), point),
                   model.encode(embeddings(), point).slice(0, 4, 5), 1e-13)
          << test::name(options) << " at " << point.label();
    }
  }
}

// top_k() promises the same selection as top() of its answer.
TEST(EveryModel, NamesTheKOfItsPointsUnlessThresholdsDecide) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    const auto pre = naive_pre(model);
    const bool thresholds =
        chooses_over_batch(options.activation) || std::holds_alternative<JumpRelu>(options.activation);
    for (const auto point : points(model)) {
      const auto k = model.top_k(point);
      const bool asked = point.kind == Point::Kind::all || point.kind == Point::Kind::top;
      EXPECT_EQ(k.has_value(), asked || !thresholds) << test::name(options) << " at " << point.label();
      if (k) {
        EXPECT_TRUE(torch::equal(model.selection(pre, point), model.selection(pre, Point::top(*k))));
      }
    }
    EXPECT_EQ(model.top_k(Point::all()), H);
    EXPECT_EQ(model.top_k(Point::top(7)), 7);
  }
}

TEST(EveryModel, RefusesPointsItDoesNotHave) {
  for (const auto& options : test::every_model(D, H)) {
    Model model(options);
    for (const auto point :
         {Point::level(-1), Point::level(model.level_count()), Point::top(-1), Point::top(H + 1)}) {
      EXPECT_THROW(model.encode(embeddings(), point), c10::Error) << test::name(options) << point.label();
      EXPECT_THROW(model.top_k(point), c10::Error) << test::name(options) << point.label();
    }
  }
}

TEST(TiedModel, AddsTheGradientsOfBothRoles) {
  Model tied({.dim = D, .latents = H, .activation = TopK{3}, .tied = true});
  Model apart({.dim = D, .latents = H, .activation = TopK{3}});
  {
    const torch::NoGradGuard no_grad;
    apart.decoder.copy_(tied.decoder);
  }
  tied.forward(embeddings()).square().sum().backward();
  apart.forward(embeddings()).square().sum().backward();
  EXPECT_CLOSE(tied.decoder.grad(), apart.decoder.grad() + apart.encoder.grad(), 1e-12);
}

}  // namespace
}  // namespace msae::models
