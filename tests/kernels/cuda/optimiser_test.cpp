#include "kernels/cuda/optimiser.h"

#include <gtest/gtest.h>

#include "kernels/cpu/adam.h"
#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

constexpr float row_epsilon = 1e-3f, beta1 = 0.9f, beta2 = 0.98f, epsilon = 1e-4f;
constexpr float decay = 0.99f, rate = 0.02f, correction = 1.5f;

enum class Fault { none, gradient, row };  // a number that is none

struct Case {
  std::int64_t latents, dim;
  Rows before = Rows::project;
  bool unit_after = true;
  float clip = 0;
  bool factors = true;  // whether they are asked for
  Fault fault = Fault::none;
  unsigned threads = 64;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.latents << " x " << c.dim << ", before " << static_cast<int>(c.before)
             << (c.unit_after ? ", unit after" : "") << ", clip " << c.clip << (c.factors ? ", factors" : "")
             << ", fault " << static_cast<int>(c.fault) << ", " << c.threads << " threads";
}

// A parameter, its gradient and moments.
struct Host {
  Table<float> value, gradient, first, second;

  Host(std::int64_t rows, std::int64_t columns, Random& random)
      : value(rows, columns), gradient(rows, columns), first(rows, columns), second(rows, columns) {
    for (auto* table : {&value, &gradient, &first, &second}) table->fill_with(random);
    for (std::int64_t i = 0; i < rows * columns; ++i) second.data()[i] = std::abs(second.data()[i]);
  }

  void step(const Adam<float>& by) {
    adam(by, gradient.data(), value.rows() * value.columns(), value.data(), first.data(), second.data());
  }
};

// The same on the device; a matrix has padded gradients, behind whose rows nobody looks.
struct Device {
  DeviceArray<float> value, gradient, first, second;

  Device(const Host& host, bool matrix)
      : value(values_of(host.value)),
        gradient(matrix ? padded_rows<float>(host.gradient, kernels::test::nan_of<float>)
                        : values_of(host.gradient)),
        first(values_of(host.first)),
        second(values_of(host.second)) {}

  Trained trained() { return {value.data(), gradient.data(), first.data(), second.data()}; }
};

// Rounding aside; NaN is like itself.
testing::AssertionResult like(const std::vector<float>& actual, const Table<float>& expected,
                              double share = 4e-6) {
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double a = actual[i], e = expected.data()[i];
    if (std::isnan(a) && std::isnan(e)) continue;
    if (std::abs(a - e) <= share * (1 + std::abs(e))) continue;
    return testing::AssertionFailure() << "[" << i << "] is " << a << ", not " << e;
  }
  return testing::AssertionSuccess();
}

template <typename F>
class Optimising {
 public:
  explicit Optimising(const Case& c)
      : c_(c),
        random_(static_cast<std::uint64_t>(c.latents + 100 * c.dim)),
        encoder_(c.latents, c.dim, random_),
        decoder_(c.latents, c.dim, random_),
        latent_bias_(1, c.latents, random_),
        pre_bias_(1, c.dim, random_) {
    // A row of no length, one that is short, one without gradient.
    const auto row = [&](Table<float>& table, std::int64_t j, float factor) {
      for (std::int64_t d = 0; d < c.dim; ++d) table(j, d) *= factor;
    };
    row(decoder_.value, c.latents / 2, 0);
    if (c.latents > 2) row(decoder_.value, 1, 1e-5f);
    if (c.latents > 3) row(decoder_.gradient, 2, 0);
    if (c.fault == Fault::gradient) decoder_.gradient(0, c.dim - 1) = kernels::test::nan_of<float>;
    if (c.fault == Fault::row) decoder_.value(0, c.dim - 1) = kernels::test::nan_of<float>;
  }

  void check() {
    const Limits limits(c_.threads);
    Device encoder(encoder_, true), decoder(decoder_, true), latent_bias(latent_bias_, false),
        pre_bias(pre_bias_, false);
    DeviceArray<double> squares(c_.latents);
    DeviceArray<Totals> totals(1, Totals{.clip = 77});
    const DeviceArray<Scalars> scalars(1, Scalars{.decay = decay, .rate = rate, .correction = correction});
    const auto width = padded(c_.dim);
    DeviceArray<F> encoder_factors(c_.latents * width), decoder_factors(c_.latents * width);
    optimise<F>(stream, {.latents = static_cast<int>(c_.latents),
                         .dim = static_cast<int>(c_.dim),
                         .before = c_.before,
                         .unit_after = c_.unit_after,
                         .row_epsilon = row_epsilon,
                         .clip = c_.clip,
                         .beta1 = beta1,
                         .beta2 = beta2,
                         .epsilon = epsilon,
                         .encoder = encoder.trained(),
                         .decoder = decoder.trained(),
                         .latent_bias = latent_bias.trained(),
                         .pre_bias = pre_bias.trained(),
                         .squares = squares.data(),
                         .totals = totals.data(),
                         .scalars = scalars.data(),
                         .encoder_factors = c_.factors ? encoder_factors.data() : nullptr,
                         .decoder_factors = c_.factors ? decoder_factors.data() : nullptr});
    const auto clip = step();
    EXPECT_NEAR(totals.host()[0].clip, clip, 1e-6 * clip);
    expect_like(encoder, encoder_, "encoder");
    expect_like(decoder, decoder_, "decoder");
    expect_like(latent_bias, latent_bias_, "latent bias");
    expect_like(pre_bias, pre_bias_, "pre bias");
    expect_factors(encoder_factors.host(), encoder.value.host());
    expect_factors(decoder_factors.host(), decoder.value.host());
  }

 private:
  // What the CPU makes of it; returns what gradients are multiplied by.
  double step() {
    std::vector<double> squares(static_cast<std::size_t>(c_.latents));
    kernels::rescale<float>({.rows = c_.before,
                             .decoder = decoder_.value.matrix(),
                             .decoder_gradient = decoder_.gradient.matrix(),
                             .encoder = encoder_.value.matrix(),
                             .encoder_gradient = encoder_.gradient.matrix(),
                             .latent_bias = latent_bias_.value.data(),
                             .latent_bias_gradient = latent_bias_.gradient.data(),
                             .epsilon = row_epsilon,
                             .squares = squares.data()},
                            0, c_.latents);
    double sum = 0;
    for (const auto square : squares) sum += square;
    for (std::int64_t d = 0; d < c_.dim; ++d) {
      sum += static_cast<double>(pre_bias_.gradient(0, d)) * static_cast<double>(pre_bias_.gradient(0, d));
    }
    const auto norm = std::sqrt(sum) + 1e-6, most = static_cast<double>(c_.clip);
    const auto clip = most > 0 && norm > most ? most / norm : 1;
    for (auto* one : {&encoder_, &decoder_, &latent_bias_, &pre_bias_}) {
      one->step({.clip = static_cast<float>(clip),
                 .decay = decay,
                 .beta1 = beta1,
                 .beta2 = beta2,
                 .rate = rate,
                 .correction = correction,
                 .epsilon = epsilon});
    }
    for (std::int64_t j = 0; c_.unit_after && j < c_.latents; ++j)
      kernels::to_unit_norm(&decoder_.value(j, 0), c_.dim, row_epsilon);
    return clip;
  }

  static void expect_like(const Device& actual, const Host& expected, const char* what) {
    EXPECT_TRUE(like(actual.value.host(), expected.value)) << what;
    EXPECT_TRUE(like(actual.first.host(), expected.first)) << what << "'s first moment";
    EXPECT_TRUE(like(actual.second.host(), expected.second)) << what << "'s second moment";
  }

  // They are the parameter's own, and nobody touches what rows are filled up with.
  void expect_factors(const std::vector<F>& factors, const std::vector<float>& values) const {
    const auto width = padded(c_.dim);
    for (std::int64_t j = 0; j < c_.latents; ++j) {
      for (std::int64_t d = 0; d < width; ++d) {
        const auto factor = factors[static_cast<std::size_t>(j * width + d)];
        if (!c_.factors || d >= c_.dim) {
          ASSERT_TRUE(untouched(factor)) << j << ", " << d;
          continue;
        }
        const auto expected = as_float(factor_of<F>(values[static_cast<std::size_t>(j * c_.dim + d)]));
        ASSERT_TRUE(as_float(factor) == expected || (std::isnan(as_float(factor)) && std::isnan(expected)))
            << j << ", " << d << ": " << as_float(factor) << ", not " << expected;
      }
    }
  }

  Case c_;
  Random random_;
  Host encoder_, decoder_, latent_bias_, pre_bias_;
};

template <typename F>
void expect_like_cpu(const Case& c) {
  SCOPED_TRACE(testing::Message() << c);
  Optimising<F>(c).check();
}

constexpr Rows all_modes[] = {Rows::as_they_are, Rows::project, Rows::rescale};

template <typename F>
class CudaOptimiser : public testing::Test {};
TYPED_TEST_SUITE(CudaOptimiser, Factors);

TYPED_TEST(CudaOptimiser, DoesWhatTheOneOfTheCpuDoes) {
  unsigned turn = 0;
  for (const std::int64_t dim : {1, 3, 4, 8, 13, 64, 129, 260, 1030, 2048}) {
    for (const std::int64_t latents : {1, 2, 5, 70}) {
      if (latents * dim > 20000) continue;
      for (const auto before : all_modes) {
        ++turn;
        expect_like_cpu<TypeParam>({.latents = latents,
                                    .dim = dim,
                                    .before = before,
                                    .unit_after = turn % 4 != 0,
                                    .clip = turn % 3 == 0   ? 0
                                            : turn % 3 == 1 ? 0.5f
                                                            : 1e6f,
                                    .factors = turn % 5 != 0,
                                    .threads = 32 * (1 + turn % 4)});
      }
    }
  }
}

TYPED_TEST(CudaOptimiser, ClipsEveryMode) {
  for (const std::int64_t dim : {12, 13}) {
    for (const auto before : all_modes) {
      for (const bool unit_after : {false, true}) {
        for (const float clip : {0.0f, 0.01f, 3.0f, 100.0f}) {
          expect_like_cpu<TypeParam>(
              {.latents = 9, .dim = dim, .before = before, .unit_after = unit_after, .clip = clip});
        }
      }
    }
  }
}

// They spoil their row and nothing else.
TYPED_TEST(CudaOptimiser, ShowsNumbersThatAreNone) {
  for (const std::int64_t dim : {12, 13}) {
    for (const auto before : all_modes) {
      for (const bool unit_after : {false, true}) {
        for (const auto fault : {Fault::gradient, Fault::row}) {
          for (const float clip : {0.0f, 0.01f}) {
            expect_like_cpu<TypeParam>({.latents = 5,
                                        .dim = dim,
                                        .before = before,
                                        .unit_after = unit_after,
                                        .clip = clip,
                                        .fault = fault});
          }
        }
      }
    }
  }
}

TEST(CudaMarkDead, CountsLatentsThatHaveBeenSilent) {
  constexpr std::int64_t seen = 1000, batch = 10;  // 990 before it
  for (const std::int64_t latents : {1, 63, 64, 65, 700}) {
    std::vector<std::int64_t> last;
    std::vector<std::uint8_t> expected;
    unsigned long long count = 3;
    for (std::int64_t j = 0; j < latents; ++j) {
      last.push_back(j % 3 == 0 ? 489 : j % 3 == 1 ? 490 : 990);
      expected.push_back(j % 3 == 0 ? 1 : 0);
      count += expected.back();
    }
    const DeviceArray<std::int64_t> last_active(last);
    const DeviceArray<Scalars> scalars(1, Scalars{.rows_seen = seen});
    DeviceArray<std::uint8_t> dead(latents);
    DeviceArray<Totals> totals(1, Totals{.dead = 3});
    mark_dead(stream, {.rows = batch,
                       .latents = static_cast<int>(latents),
                       .dead_after = 500,
                       .last_active = last_active.data(),
                       .scalars = scalars.data(),
                       .dead = dead.data(),
                       .totals = totals.data()});
    EXPECT_EQ(dead.host(), expected);
    EXPECT_EQ(totals.host()[0].dead, count);
  }
}

TEST(CudaCountStep, AddsToTheCountersOfARun) {
  for (const std::int64_t rows : {1, 33, 64, 1100}) {
    for (const std::int64_t latents : {1, 64, 65, 700}) {
      for (const std::int64_t levels : {std::int64_t{1}, std::int64_t{3}, std::int64_t{max_levels}}) {
        std::vector<double> losses, residuals;
        std::vector<std::uint32_t> kept;
        std::vector<int> flags;
        std::vector<std::int64_t> last, expected_last;
        std::vector<unsigned long long> counts(static_cast<std::size_t>(levels));
        double loss = 0, residual = 0;
        for (std::int64_t b = 0; b < rows; ++b) {
          losses.push_back(static_cast<double>(b % 7) / 4);
          residuals.push_back(static_cast<double>(b % 5) / 2);
          loss += losses.back();
          residual += residuals.back();
          for (std::int64_t l = 0; l < levels; ++l) {
            kept.push_back(static_cast<std::uint32_t>((b + 3 * l) % 11));
            counts[static_cast<std::size_t>(l)] += kept.back();
          }
        }
        for (std::int64_t j = 0; j < latents; ++j) {
          flags.push_back(j % 4 == 0 ? 1 : 0);
          last.push_back(j);
          expected_last.push_back(j % 4 == 0 ? 5000 : j);
        }
        const DeviceArray<double> device_loss(losses), device_residual(residuals);
        const DeviceArray<std::uint32_t> device_kept(kept);
        const DeviceArray<Totals> totals(1, Totals{.square = 12.5});
        const DeviceArray<Scalars> scalars(1, Scalars{.loss_weight = 0.5, .rows_seen = 5000});
        DeviceArray<int> fired(flags);
        DeviceArray<double> sums(std::vector<double>{1, 2, 3, 4, 5});
        DeviceArray<std::int64_t> last_active(last);
        DeviceArray<unsigned long long> device_counts(levels);
        count_step(stream, {.rows = static_cast<int>(rows),
                            .latents = static_cast<int>(latents),
                            .levels = static_cast<int>(levels),
                            .loss = device_loss.data(),
                            .residual = device_residual.data(),
                            .kept = device_kept.data(),
                            .totals = totals.data(),
                            .scalars = scalars.data(),
                            .fired = fired.data(),
                            .sums = sums.data(),
                            .last_active = last_active.data(),
                            .counts = device_counts.data()});
        SCOPED_TRACE(testing::Message()
                     << rows << " rows, " << latents << " latents, " << levels << " levels");
        // Sums of quarters are exact.
        EXPECT_EQ(sums.host(),
                  (std::vector<double>{1 + loss * 0.5 * static_cast<double>(rows), 2 + residual, 3 + 12.5,
                                       4 + static_cast<double>(counts[0]), 5 + static_cast<double>(rows)}));
        EXPECT_EQ(device_counts.host(), counts);
        EXPECT_EQ(last_active.host(), expected_last);
        EXPECT_EQ(fired.host(), std::vector<int>(flags.size())) << "cleared for the next step";
      }
    }
  }
}

}  // namespace
}  // namespace msae::kernels::cuda
