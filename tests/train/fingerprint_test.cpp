#include "train/fingerprint.h"

#include <gmock/gmock.h>

#include "msae/data/views.h"

namespace msae::train {
namespace {

TrainOptions complete() {
  return {.batch_size = 1, .learning_rate = 0.001, .beta2 = 0.95, .weight_decay = 2};
}

std::string words(const models::Activation& activation, const TrainOptions& options = complete()) {
  const models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = activation});
  const auto data = data::in_memory({1, 2, 3, 4, 5, 6, 7, 8}, 4);
  return fingerprint(model, options, *data, 30);
}

TEST(Fingerprint, OfEqualRunsIsEqual) {
  EXPECT_EQ(words(models::TopK{3}), words(models::TopK{3}));
  EXPECT_EQ(differences(words(models::TopK{3}), words(models::TopK{3})), "");
}

TEST(Fingerprint, DifferencesAreToldInWords) {
  auto one = complete(), other = complete();
  other.learning_rate = 0.5;
  EXPECT_EQ(differences(words(models::TopK{3}, one), words(models::TopK{3}, other)),
            "lr was 0.001 and is 0.5 now");
  EXPECT_EQ(differences(words(models::TopK{3}), words(models::TopK{4})), "k was 3 and is 4 now");
  EXPECT_THAT(differences(words(models::Relu{}), words(models::TopK{4})),
              testing::AllOf(testing::HasSubstr("model was relu and is topk now"),
                             testing::HasSubstr("k was unset")));
  EXPECT_THAT(differences(words(models::Matryoshka{{2, 8}}), words(models::Matryoshka{{2, 4, 8}})),
              testing::HasSubstr("levels was 2 8"));
}

TEST(Fingerprint, TellsEveryOptionOfAModelApart) {
  using models::Activation, models::JumpRelu, models::Matryoshka, models::PrefixMatryoshka;
  const std::tuple<Activation, Activation, const char*> pairs[] = {
      {Matryoshka{{2, 8}}, Matryoshka{{2, 8}, {1, 2}}, "weights was unset and is 1 2  now"},
      {Matryoshka{{2, 8}}, Matryoshka{{2, 8}, {}, true}, "over batches was 0 and is 1 now"},
      {JumpRelu{}, JumpRelu{.threshold = 0.5}, "threshold was 0.10000000000000001 and is 0.5 now"},
      {JumpRelu{}, JumpRelu{.bandwidth = 0.5}, "bandwidth was 0.1"},
      {PrefixMatryoshka{2, {4, 8}}, PrefixMatryoshka{3, {4, 8}}, "k was 2 and is 3 now"},
      {PrefixMatryoshka{2, {4, 8}}, PrefixMatryoshka{2, {2, 8}}, "sizes was 4 8  and is 2 8  now"},
      {PrefixMatryoshka{2, {4, 8}}, PrefixMatryoshka{2, {4, 8}, {1, 2}}, "weights was"},
      {Matryoshka{{2, 8}}, PrefixMatryoshka{2, {2, 8}}, "model was matryoshka and is prefix-matryoshka now"}};
  for (const auto& [before, now, sentence] : pairs) {
    EXPECT_THAT(differences(words(before), words(now)), testing::HasSubstr(sentence));
  }
  const auto told = [](auto change) {
    models::SparseAutoencoderOptions options{.dim = 4, .latents = 8, .activation = models::TopK{3}};
    const auto data = data::in_memory({1, 2, 3, 4, 5, 6, 7, 8}, 4);
    const auto before = fingerprint(models::SparseAutoencoder(options), complete(), *data, 30);
    change(options);
    return differences(before, fingerprint(models::SparseAutoencoder(options), complete(), *data, 30));
  };
  EXPECT_EQ(told([](auto& o) { o.tied = true; }), "tied was 0 and is 1 now");
  EXPECT_EQ(told([](auto& o) { o.normalise_rows = true; }), "normalise rows was 0 and is 1 now");
  EXPECT_EQ(told([](auto& o) { o.soft_cap = 1.5; }), "soft cap was 0 and is 1.5 now");
  EXPECT_EQ(told([](auto& o) { o.ranking = models::Ranking::value; }), "ranking was 0 and is 1 now");
}

TEST(Fingerprint, TellsEveryOptionOfDeadLatentsAndSparsityApart) {
  const auto told = [](auto change) {
    auto options = complete();
    change(options);
    return differences(words(models::TopK{3}), words(models::TopK{3}, options));
  };
  EXPECT_EQ(told([](auto& o) { o.loss = Loss::cosine; }), "loss was 0 and is 2 now");
  EXPECT_EQ(told([](auto& o) { o.l1_by_norm = false; }), "l1 by norm was 1 and is 0 now");
  EXPECT_EQ(told([](auto& o) { o.l0 = 0.5; }), "l0 was 0 and is 0.5 now");
  EXPECT_EQ(told([](auto& o) { o.auxk = 0.5; }), "auxk was 0 and is 0.5 now");
  EXPECT_EQ(told([](auto& o) { o.auxk_latents = 4; }), "auxk latents was 0 and is 4 now");
  EXPECT_EQ(told([](auto& o) { o.resample_every = 9; }), "resample every was 0 and is 9 now");
  EXPECT_EQ(told([](auto& o) { o.median_bias = true; }), "median bias was 0 and is 1 now");
  EXPECT_EQ(told([](auto& o) { o.unit_norm = UnitNorm::never; }), "unit norm was 0 and is 2 now");
  EXPECT_EQ(told([](auto& o) { o.fused.dense_level = 0.5; }), "dense level was unset and is 0.5 now");
}

TEST(Fingerprint, TellsOtherDataOfTheSameShape) {
  const models::SparseAutoencoder model({.dim = 2, .latents = 4, .activation = models::Relu{}});
  const auto a = data::in_memory({1, 2, 3, 4}, 2), b = data::in_memory({1, 2, 3, 5}, 2);
  EXPECT_THAT(differences(fingerprint(model, complete(), *a, 3), fingerprint(model, complete(), *b, 3)),
              testing::StartsWith("data was "));
}

TEST(Fingerprint, TellsRoundedRows) {
  const auto exact = words(models::TopK{3}), rounded = with_rounded_rows(exact);
  EXPECT_FALSE(has_rounded_rows(exact));
  EXPECT_TRUE(has_rounded_rows(rounded));
  EXPECT_EQ(differences(exact, rounded), "rows as was unset and is float16 now");
}

TEST(Fingerprint, TellsHowRowsAreRead) {
  const models::SparseAutoencoder model({.dim = 2, .latents = 4, .activation = models::Relu{}});
  const std::shared_ptr<data::EmbeddingSource> plain = data::in_memory({1, 0, 0, 1, 1, 0}, 2);
  const auto unit = data::unit_rows(plain);  // the same numbers
  EXPECT_EQ(differences(fingerprint(model, complete(), *plain, 3), fingerprint(model, complete(), *unit, 3)),
            "view of the data was unset and is unit rows now");
  const auto some = [&](double share) {
    return fingerprint(model, complete(), *data::without_held_out(plain, share), 3);
  };
  EXPECT_THAT(
      differences(some(0.4), some(0.5)),
      testing::HasSubstr("view of the data was without the 40 % held out and is without the 50 % held out"));
}

}  // namespace
}  // namespace msae::train
