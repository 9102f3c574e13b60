// What a program sees that links the library as users do, and not its internals as the other tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <stdexcept>

#include "msae/msae.h"

namespace msae::test {
namespace {

// A source of the user's own.
class Ramp final : public data::EmbeddingSource {
 public:
  explicit Ramp(std::int64_t fails_at) : fails_at_(fails_at) {}
  std::int64_t rows() const override { return 100; }
  std::int64_t dim() const override { return 4; }
  std::string name() const override { return "ramp"; }

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    if (first <= fails_at_ && fails_at_ < first + count) throw std::domain_error("the user's own failure");
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>((first * 4 + 7 * i * i) % 31);
  }

  std::int64_t fails_at_;
};

models::SparseAutoencoderOptions small_model() {
  return {.dim = 4, .latents = 8, .activation = models::TopK{2}};
}

TEST(Linking, ExceptionsAreCaughtByTheirType) {
  EXPECT_THROW(data::open("none.h5"), IoError);
  EXPECT_THROW(resolve_device("cuda:99"), Error);
  EXPECT_THROW(models::SparseAutoencoder({.dim = 0}), std::invalid_argument);
  models::SparseAutoencoder model(small_model());
  EXPECT_THROW(model.encode(torch::zeros({3, 5})), c10::Error);
}

TEST(Linking, AModelIsPartOfAUsersModule) {
  struct Network : torch::nn::Module {
    Network() { register_module("sae", std::make_shared<models::SparseAutoencoder>(small_model())); }
  };
  const Network network;
  EXPECT_EQ(network.parameters().size(), 4);
  const auto found = std::dynamic_pointer_cast<models::SparseAutoencoder>(network.children().at(0));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->latents(), 8);
}

TEST(Linking, ASourceOfTheUsersIsTrainedOnAndItsFailureComesThrough) {
  models::SparseAutoencoder model(small_model());
  train::Trainer trainer(model, {.batch_size = 50, .steps = 4});
  Ramp whole(-1);
  EXPECT_EQ(trainer.fit(whole).steps, 4);
  Ramp broken(70);
  EXPECT_THROW(trainer.fit(broken), std::domain_error);
}

}  // namespace
}  // namespace msae::test
