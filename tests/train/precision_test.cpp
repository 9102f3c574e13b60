// Nobody computes with other products than those that were asked for.
#include "train/precision.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>

#include "msae/train/engine.h"
#include "support/error_of.h"
#include "train/one_step.h"

namespace msae::train {
namespace {

TEST(MakeEngine, DoesNotComputeOtherwiseThanAskedFor) {
  auto options = small();
  options.fused.precision = Precision::tf32;
  models::SparseAutoencoder model({.dim = 5, .latents = 14, .activation = models::Relu{}});
  for (const auto kind : {EngineKind::automatic, EngineKind::autograd, EngineKind::fused}) {
    options.engine = kind;
    EXPECT_THAT(test::error_of<std::invalid_argument>([&] { make_engine(model, options); }),
                testing::HasSubstr("tf32 products are for CUDA devices"));
  }
  // A device without memory stands for a GPU.
  models::SparseAutoencoder elsewhere(model.options());
  elsewhere.decoder = elsewhere.decoder.to(torch::kMeta);
  const auto refusal = [&](Precision precision, const std::string& obstacle) {
    options.fused.precision = precision;
    return test::error_of<std::invalid_argument>(
        [&] { require_precision_of_autograd(elsewhere, options, obstacle); });
  };
  EXPECT_EQ(refusal(Precision::full, "it rests"), "no error");
  EXPECT_EQ(refusal(Precision::tf32, ""), "precision: the autograd engine computes in full precision alone");
  EXPECT_EQ(
      refusal(Precision::bfloat16, "it rests"),
      "precision: the autograd engine computes in full precision alone, and the fused one does not take "
      "this: it rests");
  options.fused.precision = Precision::bfloat16;
  EXPECT_NO_THROW(require_precision_of_autograd(model, options, "it rests"));
}

}  // namespace
}  // namespace msae::train
