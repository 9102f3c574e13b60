#include "train/fingerprint.h"

#include <gmock/gmock.h>

namespace msae::train {
namespace {

std::string words(const models::Activation& activation, const TrainOptions& options = {}) {
  const models::SparseAutoencoder model({.dim = 4, .latents = 8, .activation = activation});
  return fingerprint(model, options, 100, 30);
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

}  // namespace
}  // namespace msae::train
