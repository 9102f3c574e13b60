// Codes by least squares, of every kind of model at every point, against what they are defined by.
#include "models/refined_codes.h"

#include <gmock/gmock.h>

#include "models/every_model.h"
#include "models/naive_codes.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::models {
namespace {

using test::Numbers;
using Point = OperatingPoint;

constexpr std::int64_t D = 6, H = 20, B = 5;

// A model with nothing at its initial value.
struct Model : SparseAutoencoder {
  explicit Model(const SparseAutoencoderOptions& options, torch::ScalarType type = torch::kFloat64)
      : SparseAutoencoder(options) {
    const torch::NoGradGuard no_grad;
    to(torch::kFloat64);
    encoder.copy_(test::random(encoder.sizes(), 1) * 0.6);
    if (!options.tied) decoder.copy_(test::random(decoder.sizes(), 6));
    latent_bias.copy_(test::random(latent_bias.sizes(), 2) * 0.3);
    pre_bias.copy_(test::random(pre_bias.sizes(), 3) * 0.3);
    for (std::int64_t i = 0; i < threshold.size(0); ++i) threshold[i] = 0.8 - 0.3 * static_cast<double>(i);
    if (log_threshold.defined()) log_threshold.copy_(test::random({H}, 7) * 0.5);
    set_statistics(test::random({D}, 4), 1.7);
    to(type);
  }
  explicit Model(Activation activation)
      : Model(SparseAutoencoderOptions{.dim = D, .latents = H, .activation = std::move(activation)}) {}
};

torch::Tensor embeddings(std::int64_t rows = B) {
  return test::random({rows, D}, 5);
}

std::vector<Point> points_of(const SparseAutoencoder& model) {
  std::vector<Point> points{Point::trained(), Point::all(), Point::top(0), Point::top(1), Point::top(4)};
  for (std::int64_t i = 0; i < model.level_count(); ++i) points.push_back(Point::level(i));
  return points;
}

Numbers numbers_of(const torch::Tensor& list) {
  const auto wide = list.detach().to(torch::kFloat64).contiguous();
  return {wide.const_data_ptr<double>(), wide.const_data_ptr<double>() + wide.numel()};
}

// Where [latents] is set, those of a prefix alone.
std::vector<std::size_t> places(const torch::Tensor& row) {
  std::vector<std::size_t> found;
  for (std::int64_t i = 0; i < row.size(0); ++i) {
    if (row[i].item<bool>()) found.push_back(static_cast<std::size_t>(i));
  }
  return found;
}

std::vector<Numbers> dictionary_of(const SparseAutoencoder& model) {
  std::vector<Numbers> rows;
  for (std::int64_t i = 0; i < H; ++i) rows.push_back(numbers_of(model.decoder[i]));
  return rows;
}

// The latents of a prefix that rank best.
torch::Tensor ranked(const SparseAutoencoder& model, const torch::Tensor& pre, Point point,
                     std::int64_t candidates) {
  auto scores = model.scores(pre).clone();
  const auto* nested = std::get_if<PrefixMatryoshka>(&model.activation());
  if (nested && point.kind == Point::Kind::level) {
    scores.slice(1, nested->sizes[static_cast<std::size_t>(point.value)]).fill_(-INFINITY);
  }
  const auto order = scores.argsort(true, 1, true).argsort(true, 1, false);
  return (order < (candidates == 0 ? H : candidates)).logical_and(scores > -INFINITY);
}

// At one point, every coding.
void expect_as_defined(Model& model, Point point) {
  const auto x = embeddings();
  const auto normalised = model.normalise(x), pre = model.pre_activations(normalised);
  const auto targets = model.standardise_rows(normalised) - model.pre_bias;
  const auto dictionary = dictionary_of(model);
  const auto encoded = model.encode(x, point);
  const auto kept = model.selection(pre, point).sum(1);
  const auto k = model.top_k(point);
  const bool any_sign = model.options().ranking != Ranking::positive;
  const auto refit = model.encode(x, point, Coding::refit());
  EXPECT_EQ(refit.scalar_type(), torch::kFloat64);
  EXPECT_FALSE(refit.ne(0).logical_and(encoded.eq(0)).any().item<bool>()) << "latents that were not there";
  EXPECT_TRUE(any_sign || refit.ge(0).all().item<bool>());
  for (std::int64_t b = 0; b < B; ++b) {
    const auto target = numbers_of(targets[b]);
    EXPECT_LT(test::distance_from_optimum(dictionary, target, places(encoded[b] != 0), numbers_of(refit[b]),
                                          any_sign),
              1e-9);
  }
  for (const std::int64_t candidates : {0, 9}) {
    const auto pursued = model.encode(x, point, Coding::pursuit(candidates));
    const auto among = ranked(model, pre, point, candidates);
    for (std::int64_t b = 0; b < B; ++b) {
      const auto most = std::min(D, k ? *k : kept[b].item<std::int64_t>());
      const auto expected = test::naive_pursuit(dictionary, numbers_of(targets[b]), places(among[b]),
                                                static_cast<std::size_t>(most), any_sign);
      EXPECT_CLOSE(pursued[b], torch::tensor(expected, torch::kFloat64), 1e-7)
          << "row " << b << " among " << candidates;
    }
  }
}

TEST(RefinedCodes, AreAsDefinedForEveryModelAtEveryPoint) {
  const torch::NoGradGuard no_grad;
  for (const auto& options : test::some_models(D, H)) {
    Model model(options);
    for (const auto point : points_of(model)) {
      SCOPED_TRACE(test::name(options) + " at " + point.label());
      expect_as_defined(model, point);
    }
  }
}

TEST(RefinedCodes, LeaveLessOfTheRowsThanTheEncoderDoes) {
  const torch::NoGradGuard no_grad;
  Model model(TopK{3});
  const auto x = embeddings(40);
  const auto left = [&](Coding coding) {
    return (model.decode(model.encode(x, {}, coding), x) - x).square().sum(1);
  };
  EXPECT_TRUE((left(Coding::refit()) <= left(Coding::encoder()) + 1e-12).all().item<bool>());
  EXPECT_LT(left(Coding::pursuit()).sum().item<double>(), left(Coding::refit()).sum().item<double>());
}

TEST(RefinedCodes, AtSeveralPointsAreThoseAtEach) {
  const torch::NoGradGuard no_grad;
  for (const auto& activation : test::every_activation(H)) {
    const Model model(activation);
    const auto normalised = model.normalise(embeddings(150)), pre = model.pre_activations(normalised);
    const auto points = points_of(model);
    for (const auto& coding : {Coding::refit(), Coding::pursuit(), Coding::pursuit(9)}) {
      const RefinedCodes together(model, coding, points, 150);
      const auto all = together.encode(normalised, pre);
      ASSERT_EQ(all.size(), points.size());
      for (std::size_t i = 0; i < points.size(); ++i) {
        SCOPED_TRACE(kind(activation) + " by " + coding.name() + " at " + points[i].label());
        const auto alone = RefinedCodes(model, coding, {points[i]}, 1).encode_at(0, normalised, pre);
        EXPECT_TRUE(all[i].counts.equal(alone.counts));
        EXPECT_TRUE(all[i].indices.equal(alone.indices));
        EXPECT_CLOSE(all[i].values, alone.values, 1e-9);
        EXPECT_TRUE(together.encode_at(i, normalised, pre).indices.equal(alone.indices));
        EXPECT_CLOSE(together.decode(alone), dense_codes(alone, H).mm(model.decoder), 1e-9);
      }
    }
  }
}

TEST(RefinedCodes, DoNotDependOnThreads) {
  const torch::NoGradGuard no_grad;
  Model model(Matryoshka{{2, 5, H}});
  const auto many = model.encode(embeddings(300), Point::level(1), Coding::pursuit());
  const test::Threads one(1);
  EXPECT_TRUE(model.encode(embeddings(300), Point::level(1), Coding::pursuit()).equal(many));
}

TEST(RefinedCodes, AreOfTheTypeOfTheModelAndNoRowsAreFine) {
  const torch::NoGradGuard no_grad;
  const SparseAutoencoderOptions options{.dim = D, .latents = H, .activation = TopK{3}};
  Model wide(options), narrow(options, torch::kFloat32), half(options, torch::kBFloat16);
  for (const auto& coding : {Coding::refit(), Coding::pursuit(), Coding::pursuit(4)}) {
    const auto expected = wide.encode(embeddings(), {}, coding);
    const auto codes = narrow.encode(embeddings().to(torch::kFloat32), {}, coding);
    EXPECT_EQ(codes.scalar_type(), torch::kFloat32);
    EXPECT_CLOSE(codes.to(torch::kFloat64), expected, 1e-4);
    EXPECT_EQ(half.encode(embeddings().to(torch::kBFloat16), {}, coding).scalar_type(), torch::kBFloat16);
    EXPECT_EQ(wide.encode(embeddings(0), {}, coding).sizes(), (std::vector<std::int64_t>{0, H}));
  }
}

TEST(RefinedCodes, AreConstantsOfTheGradient) {
  Model model(TopK{3});
  EXPECT_TRUE(model.encode(embeddings()).requires_grad());
  const auto codes = model.encode(embeddings(), {}, Coding::refit());
  EXPECT_FALSE(codes.requires_grad());
  model.decode(codes).sum().backward();
  EXPECT_TRUE(model.decoder.grad().defined());
  EXPECT_FALSE(model.encoder.grad().defined());
}

TEST(RefinedCodes, OfLatentsWithoutADirectionOrTheSameAreNone) {
  const torch::NoGradGuard no_grad;
  Model model(Relu{});
  model.decoder[3].zero_();
  model.decoder[7].copy_(model.decoder[8] * 2);
  for (const auto& coding : {Coding::refit(), Coding::pursuit()}) {
    const auto codes = model.encode(embeddings(60), {}, coding);
    EXPECT_TRUE(codes.isfinite().all().item<bool>());
    EXPECT_EQ(codes.select(1, 3).count_nonzero().item<std::int64_t>(), 0);
    EXPECT_FALSE(codes.select(1, 7).ne(0).logical_and(codes.select(1, 8).ne(0)).any().item<bool>());
  }
  model.pre_bias.zero_();  // then the data's mean leaves nothing to explain
  for (const auto& coding : {Coding::refit(), Coding::pursuit()}) {
    EXPECT_EQ(model.encode(model.mean.unsqueeze(0), {}, coding).count_nonzero().item<std::int64_t>(), 0);
  }
}

TEST(RefinedCodes, RefuseWhatCannotBe) {
  Model topk(TopK{3}), batch(BatchTopK{5}), relu(Relu{});
  const auto said = [](Model& model, Coding coding, Point point = {}) {
    return test::error_of<std::invalid_argument>([&] { model.encode(embeddings(), point, coding); });
  };
  EXPECT_EQ(said(topk, Coding::pursuit(2)), "candidates: must be at least k, 3, or 0 for all, not 2");
  EXPECT_EQ(said(relu, Coding::pursuit(5)), "candidates: must be at least k, 6, or 0 for all, not 5");
  EXPECT_EQ(said(batch, Coding::pursuit(2)), "no error") << "whose rows have as many as thresholds say";
  EXPECT_EQ(said(topk, Coding::pursuit(1), Point::top(1)), "no error");
  EXPECT_EQ(said(topk, {Coding::Kind::encoder, 4}),
            "candidates: are for pursuit, which alone chooses among latents, not for encoder");
  EXPECT_THROW(topk.encode(embeddings(), Point::level(1), Coding::refit()), c10::Error);
  EXPECT_EQ(
      test::error_of<Error>([&] { topk.encode(embeddings() * 1e300, {}, Coding::pursuit()); }),
      "embeddings: latents overflow; are the rows on the scale of those that the model was trained on?");
}

}  // namespace
}  // namespace msae::models
