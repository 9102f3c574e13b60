#include "kernels/cpu/adam.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Table;

template <typename T>
constexpr double adam_tolerance = sizeof(T) == 4 ? 1e-6 : 1e-13;

constexpr std::int64_t adam_counts[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 128, 130};

template <typename T>
class Optimiser : public testing::Test {};
TYPED_TEST_SUITE(Optimiser, test::Precisions);

// As the paper has it, biases corrected in the moments and weights decayed on their own.
TYPED_TEST(Optimiser, TakesStepsOfAdamW) {
  using T = TypeParam;
  const double learning_rate = 1e-2, weight_decay = 0.1, beta1 = 0.9, beta2 = 0.98, epsilon = 1e-3,
               clip = 0.3;
  for (const auto count : adam_counts) {
    SCOPED_TRACE(testing::Message() << count << " parameters");
    test::Random random(static_cast<std::uint64_t>(count));
    Table<T> parameter(1, count + 1), first(1, count + 1), second(1, count + 1);
    parameter.fill_with(random);
    for (auto* table : {&parameter, &first, &second}) (*table)(0, count) = -7;  // which nobody may touch
    Table<double> theta(1, count), m(1, count), v(1, count);
    for (std::int64_t i = 0; i < count; ++i) theta(0, i) = static_cast<double>(parameter(0, i));
    for (int t = 1; t <= 3; ++t) {
      const auto gradient = Table<T>(1, count).fill_with(random);
      const auto unbias1 = 1 - std::pow(beta1, t), unbias2 = 1 - std::pow(beta2, t);
      adam<T>({.clip = static_cast<T>(clip),
               .decay = static_cast<T>(1 - learning_rate * weight_decay),
               .beta1 = static_cast<T>(beta1),
               .beta2 = static_cast<T>(beta2),
               .rate = static_cast<T>(learning_rate / unbias1),
               .correction = static_cast<T>(1 / std::sqrt(unbias2)),
               .epsilon = static_cast<T>(epsilon)},
              gradient.data(), count, parameter.data(), first.data(), second.data());
      for (std::int64_t i = 0; i < count; ++i) {
        const auto g = clip * static_cast<double>(gradient(0, i));
        m(0, i) = beta1 * m(0, i) + (1 - beta1) * g;
        v(0, i) = beta2 * v(0, i) + (1 - beta2) * g * g;
        theta(0, i) -= learning_rate * weight_decay * theta(0, i);
        theta(0, i) -= learning_rate * (m(0, i) / unbias1) / (std::sqrt(v(0, i) / unbias2) + epsilon);
      }
    }
    EXPECT_LE(test::difference(parameter, theta), adam_tolerance<T>);
    EXPECT_LE(test::difference(first, m), adam_tolerance<T>);
    EXPECT_LE(test::difference(second, v), 2 * adam_tolerance<T>);
    for (const auto* table : {&parameter, &first, &second}) EXPECT_EQ((*table)(0, count), -7);
  }
}

TYPED_TEST(Optimiser, LeavesParametersWithoutGradientToTheirDecay) {
  using T = TypeParam;
  const std::vector<T> gradient(9, 0);
  std::vector<T> parameter(9, 2), first(9, 0), second(9, 0);
  adam<T>(
      {.clip = 1, .decay = 0.5, .beta1 = 0.75, .beta2 = 0.875, .rate = 1, .correction = 1, .epsilon = 0.125},
      gradient.data(), 9, parameter.data(), first.data(), second.data());
  EXPECT_EQ(parameter, std::vector<T>(9, 1));
  EXPECT_EQ(first, gradient);
  EXPECT_EQ(second, gradient);
}

TYPED_TEST(Optimiser, DividesRowsByTheirNorms) {
  using T = TypeParam;
  for (const auto count : adam_counts) {
    test::Random random(static_cast<std::uint64_t>(count));
    auto row = Table<T>(1, count).fill_with(random, 10);
    auto expected = Table<double>(1, count);
    double square = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      square += static_cast<double>(row(0, i)) * static_cast<double>(row(0, i));
    }
    for (std::int64_t i = 0; i < count; ++i)
      expected(0, i) = static_cast<double>(row(0, i)) / std::sqrt(square);
    to_unit_norm(row.data(), count, static_cast<T>(1e-6));
    EXPECT_LE(test::difference(row, expected), adam_tolerance<T>) << count;
  }
}

TYPED_TEST(Optimiser, DividesShortRowsByEpsilon) {
  using T = TypeParam;
  std::vector<T> row(5, T{0.25} / 1024);
  to_unit_norm(row.data(), 5, T{1} / 1024);
  EXPECT_EQ(row, std::vector<T>(5, 0.25));
  std::vector<T> nothing(5, 0);
  to_unit_norm(nothing.data(), 5, T{1} / 1024);
  EXPECT_EQ(nothing, std::vector<T>(5, 0));
}

// A dictionary with its encoder and their gradients, one row of the decoder without length.
template <typename T>
struct Dictionary {
  Dictionary(std::int64_t latent_count, std::int64_t width)
      : latents(latent_count),
        dim(width),
        decoder(latent_count, width, 0, 1),
        decoder_gradient(latent_count, width, 0, 2),
        encoder(latent_count, width, 0, 3),
        encoder_gradient(latent_count, width, 0, 4),
        bias(1, latent_count),
        bias_gradient(1, latent_count) {
    test::Random random(static_cast<std::uint64_t>(latent_count + width));
    for (auto* table : {&decoder, &decoder_gradient, &encoder, &encoder_gradient, &bias, &bias_gradient}) {
      table->fill_with(random, 3);
    }
    for (std::int64_t d = 0; d < width; ++d) decoder(latent_count / 2, d) = 0;
  }

  Rescale<T> work(Rows rows, double* squares) {
    return {.rows = rows,
            .decoder = decoder.matrix(),
            .decoder_gradient = decoder_gradient.matrix(),
            .encoder = encoder.matrix(),
            .encoder_gradient = encoder_gradient.matrix(),
            .latent_bias = bias.data(),
            .latent_bias_gradient = bias_gradient.data(),
            .epsilon = static_cast<T>(epsilon),
            .squares = squares};
  }

  static constexpr double epsilon = 1.0 / 1024;
  std::int64_t latents, dim;
  Table<T> decoder, decoder_gradient, encoder, encoder_gradient, bias, bias_gradient;
};

template <typename T>
Table<double> doubles_of(const Table<T>& table) {
  Table<double> result(table.rows(), table.columns());
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    for (std::int64_t j = 0; j < table.columns(); ++j) result(i, j) = static_cast<double>(table(i, j));
  }
  return result;
}

double dot_of_rows(const Table<double>& a, const Table<double>& b, std::int64_t row) {
  double sum = 0;
  for (std::int64_t d = 0; d < a.columns(); ++d) sum += a(row, d) * b(row, d);
  return sum;
}

// What becomes of a dictionary, in the order of the definition: rescale, project, measure.
template <typename T>
void expect_rescaled(Rows rows, std::int64_t latents, std::int64_t dim) {
  SCOPED_TRACE(testing::Message() << latents << " x " << dim << ", rows " << static_cast<int>(rows));
  Dictionary<T> dictionary(latents, dim);
  auto w = doubles_of(dictionary.decoder), gw = doubles_of(dictionary.decoder_gradient);
  auto v = doubles_of(dictionary.encoder);
  const auto gv = doubles_of(dictionary.encoder_gradient), gb = doubles_of(dictionary.bias_gradient);
  auto bias = doubles_of(dictionary.bias);
  Table<double> squares(1, latents), found_squares(1, latents);
  for (std::int64_t j = 0; j < latents; ++j) {
    const auto norm = std::sqrt(dot_of_rows(w, w, j));
    auto unit = w;  // of which row j is looked at
    for (std::int64_t d = 0; d < dim; ++d) {
      unit(j, d) /= rows == Rows::rescale ? norm + dictionary.epsilon : std::max(norm, dictionary.epsilon);
    }
    if (rows == Rows::rescale) {
      for (std::int64_t d = 0; d < dim; ++d) {
        w(j, d) = unit(j, d);
        v(j, d) *= norm + dictionary.epsilon;
      }
      bias(0, j) *= norm + dictionary.epsilon;
    }
    if (rows != Rows::as_they_are) {
      const auto along = dot_of_rows(gw, unit, j);
      for (std::int64_t d = 0; d < dim; ++d) gw(j, d) -= along * unit(j, d);
    }
    squares(0, j) = dot_of_rows(gw, gw, j) + dot_of_rows(gv, gv, j) + gb(0, j) * gb(0, j);
  }
  // The same in one go and in pieces.
  const auto middle = latents / 3;
  rescale(dictionary.work(rows, found_squares.data()), middle, latents);
  rescale(dictionary.work(rows, found_squares.data()), 0, middle);
  EXPECT_LE(test::difference(dictionary.decoder, w), adam_tolerance<T>);
  EXPECT_LE(test::difference(dictionary.encoder, v), adam_tolerance<T>);
  EXPECT_LE(test::difference(dictionary.bias, bias), adam_tolerance<T>);
  EXPECT_LE(test::difference(dictionary.decoder_gradient, gw), adam_tolerance<T>);
  EXPECT_LE(test::difference(found_squares, squares), adam_tolerance<T>);
  EXPECT_EQ(test::difference(dictionary.encoder_gradient, gv), 0);
  EXPECT_EQ(test::difference(dictionary.bias_gradient, gb), 0);
  if (rows != Rows::rescale) {
    EXPECT_EQ(test::difference(dictionary.decoder, w), 0);
    EXPECT_EQ(test::difference(dictionary.encoder, v), 0);
    EXPECT_EQ(test::difference(dictionary.bias, bias), 0);
  }
}

TYPED_TEST(Optimiser, MeasuresTheGradientsOfALatent) {
  for (const auto dim : adam_counts) expect_rescaled<TypeParam>(Rows::as_they_are, 7, dim);
}

TYPED_TEST(Optimiser, TakesOutOfAGradientWhatOnlyChangesTheLength) {
  for (const auto dim : adam_counts) {
    if (dim > 1) expect_rescaled<TypeParam>(Rows::project, 7, dim);  // of one number nothing would be left
  }
  expect_rescaled<TypeParam>(Rows::project, 100, 5);
}

TYPED_TEST(Optimiser, RescalesRowsAgainstTheirEncoderBeforeItProjects) {
  for (const auto dim : adam_counts) {
    if (dim > 1) expect_rescaled<TypeParam>(Rows::rescale, 7, dim);
  }
  expect_rescaled<TypeParam>(Rows::rescale, 100, 5);
}

TYPED_TEST(Optimiser, LeavesOtherLatentsAlone) {
  using T = TypeParam;
  Dictionary<T> before(9, 33), after(9, 33);
  std::vector<double> squares(9, -1);
  rescale(after.work(Rows::rescale, squares.data()), 2, 4);
  for (std::int64_t j = 0; j < 9; ++j) {
    const bool inside = j >= 2 && j < 4;
    EXPECT_EQ(squares[static_cast<std::size_t>(j)] != -1, inside);
    EXPECT_EQ(after.decoder(j, 0) != before.decoder(j, 0), inside && before.decoder(j, 0) != 0);
    EXPECT_EQ(after.encoder(j, 32) != before.encoder(j, 32), inside);
    EXPECT_EQ(after.bias(0, j) != before.bias(0, j), inside);
    EXPECT_EQ(after.decoder_gradient(j, 32) != before.decoder_gradient(j, 32), inside);
  }
}

}  // namespace
}  // namespace msae::kernels
