#include "train/fingerprint.h"

#include <gmock/gmock.h>

#include "msae/data/views.h"

namespace msae::train {
namespace {

std::string words(const models::Activation& activation, const TrainOptions& options = {}) {
  const models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = activation});
  const auto data = data::in_memory({1, 2, 3, 4, 5, 6, 7, 8}, 4);
  return fingerprint(model, options, *data, 30);
}

TEST(Fingerprint, OfEqualRunsIsEqual) {
  EXPECT_EQ(words(models::TopK{3}), words(models::TopK{3}));
  EXPECT_EQ(differences(words(models::TopK{3}), words(models::TopK{3})), "");
}

TEST(Fingerprint, DifferencesAreToldInWords) {
  TrainOptions other;
  other.learning_rate = 0.5;
  EXPECT_EQ(differences(words(models::TopK{3}), words(models::TopK{3}, other)),
            "lr was 0.001 and is 0.5 now");
  EXPECT_EQ(differences(words(models::TopK{3}), words(models::TopK{4})), "k was 3 and is 4 now");
  EXPECT_THAT(differences(words(models::Relu{}), words(models::TopK{4})),
              testing::AllOf(testing::HasSubstr("model was relu and is topk now"),
                             testing::HasSubstr("k was unset")));
  EXPECT_THAT(differences(words(models::Matryoshka{{2, 8}}), words(models::Matryoshka{{2, 4, 8}})),
              testing::HasSubstr("levels was 2 8"));
}

TEST(Fingerprint, TellsOtherDataOfTheSameShape) {
  const models::SparseAutoencoder model({.dim = 2, .latents = 4, .activation = models::Relu{}});
  const auto a = data::in_memory({1, 2, 3, 4}, 2), b = data::in_memory({1, 2, 3, 5}, 2);
  EXPECT_THAT(differences(fingerprint(model, {}, *a, 3), fingerprint(model, {}, *b, 3)),
              testing::StartsWith("data was "));
}

TEST(Fingerprint, TellsHowRowsAreRead) {
  const models::SparseAutoencoder model({.dim = 2, .latents = 4, .activation = models::Relu{}});
  const std::shared_ptr<data::EmbeddingSource> plain = data::in_memory({1, 0, 0, 1, 1, 0}, 2);
  const auto unit = data::unit_rows(plain);  // the same numbers
  EXPECT_EQ(differences(fingerprint(model, {}, *plain, 3), fingerprint(model, {}, *unit, 3)),
            "view of the data was unset and is unit rows now");
  const auto some = [&](double share) {
    return fingerprint(model, {}, *data::without_held_out(plain, share), 3);
  };
  EXPECT_THAT(
      differences(some(0.4), some(0.5)),
      testing::HasSubstr("view of the data was without the 40 % held out and is without the 50 % held out"));
}

}  // namespace
}  // namespace msae::train
