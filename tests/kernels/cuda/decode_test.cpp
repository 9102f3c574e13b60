#include "kernels/cuda/decode.h"

#include <gtest/gtest.h>

#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

constexpr std::int64_t latents = 40;
constexpr double factor = 0.7;
constexpr std::int64_t counted = 5;

struct Case {
  std::int64_t rows, dim, levels;
  double dense = 0;  // chance of a level to be a matrix
  bool squared = false;
  float l1 = 0;
  bool by_norm = true;
  bool left = false;  // whether that is asked for
  unsigned threads = 64;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.rows << " x " << c.dim << ", " << c.levels << " levels, dense " << c.dense
             << (c.squared ? ", squared" : "") << ", l1 " << c.l1 << (c.by_norm ? " by norm" : "")
             << (c.left ? ", left" : "") << ", " << c.threads << " threads";
}

// Levels that a row keeps something on. Every third row has nothing on the last of them, every fifth nothing
// at all.
bool may_keep(std::int64_t row, std::int64_t level, std::int64_t levels) {
  if (row % 5 == 4) return false;
  if (row % 3 == 1) return level <= levels / 2;
  if (row % 4 == 2) return level > 0;
  return true;
}

template <typename F>
class Decoding {
 public:
  explicit Decoding(const Case& c)
      : c_(c),
        random_(static_cast<std::uint64_t>(c.rows + 100 * c.dim + 7 * c.levels)),
        levels_(levels_of(std::vector<std::uint32_t>(static_cast<std::size_t>(c.levels)),
                          random_dense(static_cast<std::size_t>(c.levels), c.dense, random_))),
        decoder_(random_factors<F>(latents, c.dim, random_)),
        target_(c.rows, c.dim),
        pre_bias_(1, c.dim),
        kept_(static_cast<std::size_t>(c.rows * c.levels)) {
    target_.fill_with(random_);
    pre_bias_.fill_with(random_);
    for (const auto& entry : kernels::test::random_entries<float>(c.rows, latents, c.levels, 0.5, random_)) {
      if (!may_keep(entry.row, entry.level, c.levels) || levels_.is_dense(static_cast<int>(entry.level)))
        continue;
      entries_.push_back(entry);
      ++kept_[static_cast<std::size_t>(entry.row * c.levels + entry.level)];
    }
    for (std::int64_t l = 0; l < c.levels; ++l) add_matrix(l);
    for (std::int64_t b = 0; b < c.rows; ++b) {
      square_.push_back(b % 4 == 3 ? 0 : 0.5 + static_cast<double>(b));
      sum_.push_back(static_cast<float>(b + 1));
    }
  }

  void check() {
    const Limits limits(c_.threads);
    const auto width = padded(c_.dim), matrix = c_.rows * width;
    std::vector<float> dense;
    for (const auto& table : matrices_) {
      for (const auto value : padded_rows<float>(table)) dense.push_back(value);
    }
    DeviceLists lists(Lists(entries_, c_.rows, c_.levels, Lists::most(entries_, c_.rows) + 1));
    const DeviceArray<std::uint32_t> kept(kept_);
    const DeviceArray<F> decoder(padded_rows<F>(decoder_));
    const DeviceArray<float> device_dense(dense), sum(sum_), target(padded_rows<float>(target_)),
        pre_bias(values_of(pre_bias_));
    const DeviceArray<double> square(square_);
    const DeviceArray<Totals> totals(1, Totals{.counted = counted});
    const DeviceArray<Scalars> scalars(1, Scalars{.factor = factor});
    DeviceArray<F> gradient(c_.levels * matrix);
    DeviceArray<float> room(c_.rows * decode_room(static_cast<int>(c_.levels), static_cast<int>(c_.dim)));
    DeviceArray<double> loss(c_.rows), residual(c_.rows), widest(c_.rows);
    DeviceArray<float> left(matrix);
    const RowWeights weights{.rows = static_cast<int>(c_.rows),
                             .dim = static_cast<int>(c_.dim),
                             .squared = c_.squared,
                             .l1 = c_.l1,
                             .l1_by_norm = c_.by_norm,
                             .square = square.data(),
                             .totals = totals.data(),
                             .scalars = scalars.data()};
    decode<F>(stream, {.rows = weights.rows,
                       .dim = weights.dim,
                       .levels = levels_,
                       .entries = lists.entries(),
                       .kept = kept.data(),
                       .decoder = decoder.data(),
                       .dense = device_dense.data(),
                       .pre_bias = pre_bias.data(),
                       .target = target.data(),
                       .sum = c_.l1 > 0 ? sum.data() : nullptr,
                       .weights = weights,
                       .gradient = gradient.data(),
                       .room = room.data(),
                       .loss = loss.data(),
                       .residual = residual.data(),
                       .widest = widest.data(),
                       .left = c_.left ? left.data() : nullptr});
    reconstruct();
    check_gradients(gradient.host());
    const auto losses = loss.host(), residuals = residual.host(), widests = widest.host();
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      const auto at = static_cast<std::size_t>(b);
      EXPECT_TRUE(close(losses[at], loss_of(b), 2e-6)) << "loss of row " << b;
      EXPECT_TRUE(close(residuals[at], square_of(b, 0), 2e-6)) << "residual of row " << b;
      EXPECT_TRUE(close(widests[at], square_of(b, c_.levels - 1), 2e-6)) << "widest of row " << b;
    }
    check_left(left.host());
  }

 private:
  // What a level's matrix adds: nothing where nothing is kept, and nobody looks at it where no later level
  // keeps anything either.
  void add_matrix(std::int64_t level) {
    if (!levels_.is_dense(static_cast<int>(level))) return;
    Table<float> added(c_.rows, c_.dim);
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      const bool keeps = may_keep(b, level, c_.levels);
      const bool beyond = level > 0 && b % 15 == 1 && !keeps;
      for (std::int64_t d = 0; d < c_.dim; ++d) {
        if (keeps) added(b, d) = static_cast<float>(random_.number());
        if (beyond) added(b, d) = kernels::test::nan_of<float>;
      }
      if (keeps) kept_[static_cast<std::size_t>(b * c_.levels + level)] = 3;
    }
    matrices_.push_back(added);
  }

  // Errors of all levels, as their definition has them.
  void reconstruct() {
    errors_.assign(static_cast<std::size_t>(c_.levels), Table<Sum>(c_.rows, c_.dim));
    for (std::int64_t l = 0; l < c_.levels; ++l) {
      auto& errors = errors_[static_cast<std::size_t>(l)];
      for (std::int64_t b = 0; b < c_.rows; ++b) {
        for (std::int64_t d = 0; d < c_.dim; ++d) {
          auto& error = errors(b, d);
          error.add(static_cast<double>(pre_bias_(0, d)));
          error.add(-static_cast<double>(target_(b, d)));
          for (std::int64_t m = 0; m <= l; ++m) {
            if (!levels_.is_dense(static_cast<int>(m)) || !may_keep(b, m, c_.levels)) continue;
            error.add(static_cast<double>(matrices_[levels_.slot[m]](b, d)));
          }
        }
      }
      for (const auto& entry : entries_) {
        if (entry.level > l) continue;
        for (std::int64_t d = 0; d < c_.dim; ++d)
          errors(entry.row, d).add(entry.value * static_cast<double>(decoder_(entry.latent, d)));
      }
    }
  }

  double error_weight(std::int64_t b) const {
    if (c_.squared) return factor / static_cast<double>(c_.rows * c_.dim);
    const auto square = square_[static_cast<std::size_t>(b)];
    return square > 0 ? factor / (counted * square) : 0;
  }

  double latents_weight(std::int64_t b) const {
    const auto l1 = factor * static_cast<double>(c_.l1);
    if (!c_.by_norm) return l1 / static_cast<double>(c_.rows);
    const auto square = square_[static_cast<std::size_t>(b)];
    return square > 0 ? l1 / (counted * std::sqrt(square)) : 0;
  }

  double weight(std::int64_t level) const {
    return static_cast<double>(weight_of(static_cast<std::size_t>(level)));
  }

  Sum square_of(std::int64_t b, std::int64_t level) const {
    Sum sum;
    for (std::int64_t d = 0; d < c_.dim; ++d) {
      const auto& error = errors_[static_cast<std::size_t>(level)](b, d);
      sum.value += error.value * error.value;
      sum.size += error.size * error.size;
    }
    return sum;
  }

  Sum loss_of(std::int64_t b) const {
    Sum loss;
    for (std::int64_t l = 0; l < c_.levels; ++l) {
      const auto square = square_of(b, l);
      loss.value += error_weight(b) * weight(l) * square.value;
      loss.size += error_weight(b) * weight(l) * square.size;
    }
    if (c_.l1 > 0) loss.add(latents_weight(b) * static_cast<double>(sum_[static_cast<std::size_t>(b)]));
    return loss;
  }

  void check_gradients(const std::vector<F>& gradient) const {
    const auto width = padded(c_.dim);
    for (std::int64_t l = 0; l < c_.levels; ++l) {
      SCOPED_TRACE(testing::Message() << "level " << l);
      const bool dense = levels_.is_dense(static_cast<int>(l));
      const auto actual = from_rows(gradient, c_.rows, width, width, levels_.slot[l] * c_.rows * width);
      for (std::int64_t b = 0; b < c_.rows; ++b) {
        bool adds = l == 0;  // something, here or later
        for (auto m = l; m < c_.levels; ++m) adds |= kept_[static_cast<std::size_t>(b * c_.levels + m)] > 0;
        // Latents that are none have no gradient.
        if (!adds && !dense) continue;
        for (std::int64_t d = 0; d < width; ++d) {
          Sum expected;
          for (auto m = l; adds && d < c_.dim && m < c_.levels; ++m) {
            const auto& error = errors_[static_cast<std::size_t>(m)](b, d);
            const auto times = 2 * error_weight(b) * weight(m);
            expected.value += times * error.value;
            expected.size += times * error.size;
          }
          ASSERT_TRUE(close(as_float(actual(b, d)), expected, 2e-6 + rounding<F>))
              << "row " << b << ", " << d;
        }
      }
    }
  }

  void check_left(const std::vector<float>& left) const {
    const auto width = padded(c_.dim);
    const auto actual = from_rows(left, c_.rows, width, width);
    for (std::int64_t b = 0; b < c_.rows; ++b) {
      for (std::int64_t d = 0; d < width; ++d) {
        if (!c_.left) {
          ASSERT_TRUE(untouched(left[static_cast<std::size_t>(b * width + d)]));
          continue;
        }
        auto expected = d < c_.dim ? errors_.back()(b, d) : Sum{};
        expected.value = -expected.value;
        ASSERT_TRUE(close(actual(b, d), expected, 2e-6)) << "row " << b << ", " << d;
      }
    }
  }

  Case c_;
  Random random_;
  Levels levels_;
  Table<float> decoder_, target_, pre_bias_;
  std::vector<std::uint32_t> kept_;
  std::vector<Entry> entries_;
  std::vector<Table<float>> matrices_;  // by slot
  std::vector<double> square_;
  std::vector<float> sum_;
  std::vector<Table<Sum>> errors_;
};

template <typename F>
void expect_definition(const Case& c) {
  SCOPED_TRACE(testing::Message() << c);
  Decoding<F>(c).check();
}

template <typename F>
class CudaDecode : public testing::Test {};
TYPED_TEST_SUITE(CudaDecode, Factors);

TYPED_TEST(CudaDecode, IsItsDefinitionForEveryOption) {
  int turn = 0;
  for (const std::int64_t levels : {1, 2, 3, 6}) {
    for (const std::int64_t dim : {1, 7, 8, 9, 65}) {
      for (const double dense : {0.0, 0.5, 1.0}) {
        for (const bool squared : {false, true}) {
          ++turn;
          expect_definition<TypeParam>({.rows = turn % 5 == 0 ? 1 : 17,
                                        .dim = dim,
                                        .levels = levels,
                                        .dense = dense,
                                        .squared = squared,
                                        .l1 = turn % 3 == 0 ? 0.4f : 0,
                                        .by_norm = turn % 2 == 0,
                                        .left = turn % 4 < 2,
                                        .threads = 32u * static_cast<unsigned>(1 + turn % 3)});
        }
      }
    }
  }
}

TYPED_TEST(CudaDecode, IsItsDefinitionForEveryWidth) {
  int turn = 0;
  for (const std::int64_t dim : {255, 257, 511, 520, 777, 1030, 1537, 2047, 2048, 2100}) {
    for (const std::int64_t levels : {1, 3}) {
      ++turn;
      expect_definition<TypeParam>({.rows = 5,
                                    .dim = dim,
                                    .levels = levels,
                                    .dense = turn % 3 == 0 ? 0.5 : 0,
                                    .squared = turn % 4 == 0,
                                    .l1 = turn % 5 == 0 ? 0.4f : 0,
                                    .left = turn % 2 == 0,
                                    .threads = turn % 4 < 2 ? 64u : 256u});
    }
  }
}

// Errors of so many levels or dimensions do not fit into a block's memory.
TYPED_TEST(CudaDecode, KeepsErrorsOfManyLevelsInTheRoom) {
  EXPECT_EQ(decode_room(max_levels, 160), 0);
  EXPECT_EQ(decode_room(max_levels, 161), max_levels * 168);
  for (const double dense : {0.0, 0.3}) {
    for (const std::int64_t dim : {9, 161, 203}) {
      expect_definition<TypeParam>(
          {.rows = 9, .dim = dim, .levels = max_levels, .dense = dense, .left = true});
    }
    expect_definition<TypeParam>({.rows = 5, .dim = 2100, .levels = 5, .dense = dense, .squared = true});
  }
}

// Of dead latents.
template <typename F>
void expect_auxiliary(std::int64_t rows, std::int64_t dim, double density, unsigned long long dead) {
  SCOPED_TRACE(testing::Message() << rows << " x " << dim << ", density " << density << ", " << dead
                                  << " dead");
  constexpr double aux = 0.3;
  Random random(static_cast<std::uint64_t>(rows + 100 * dim));
  const auto decoder = random_factors<F>(latents, dim, random);
  const auto left = Table<float>(rows, dim).fill_with(random);
  const auto entries = kernels::test::random_entries<float>(rows, latents, 1, density, random);
  std::vector<double> widest, before;
  std::int64_t left_over = 0;
  for (std::int64_t b = 0; b < rows; ++b) {
    widest.push_back(b % 3 == 1 ? 0 : 1 + static_cast<double>(b));
    before.push_back(static_cast<double>(b) / 8);
    left_over += widest.back() > 0 ? 1 : 0;
  }
  DeviceLists lists(Lists(entries, rows, 1, Lists::most(entries, rows) + 1));
  const DeviceArray<F> device_decoder(padded_rows<F>(decoder));
  const DeviceArray<float> device_left(padded_rows<float>(left));
  const DeviceArray<double> device_widest(widest);
  DeviceArray<Totals> totals(1, Totals{.left_over = -1, .dead = dead});
  const DeviceArray<Scalars> scalars(1, Scalars{.factor = factor});
  DeviceArray<F> gradient(rows * padded(dim));
  DeviceArray<double> loss(before);
  const DecodeAuxiliary<F> work{.rows = static_cast<int>(rows),
                                .dim = static_cast<int>(dim),
                                .entries = lists.entries(),
                                .decoder = device_decoder.data(),
                                .left = device_left.data(),
                                .widest = device_widest.data(),
                                .weight = aux,
                                .totals = totals.data(),
                                .scalars = scalars.data(),
                                .gradient = gradient.data(),
                                .loss = loss.data()};
  decode(stream, work);
  const auto losses = loss.host();
  const auto gradients = gradient.host();
  if (dead == 0) {
    EXPECT_EQ(losses, before);
    for (const auto& value : gradients) ASSERT_TRUE(untouched(value));
    return;
  }
  EXPECT_EQ(totals.host()[0].left_over, left_over);
  Table<Sum> error(rows, padded(dim));
  for (std::int64_t b = 0; b < rows; ++b) {
    for (std::int64_t d = 0; d < dim; ++d) error(b, d).add(-static_cast<double>(left(b, d)));
  }
  for (const auto& e : entries) {
    for (std::int64_t d = 0; d < dim; ++d)
      error(e.row, d).add(e.value * static_cast<double>(decoder(e.latent, d)));
  }
  const auto actual = from_rows(gradients, rows, padded(dim), padded(dim));
  for (std::int64_t b = 0; b < rows; ++b) {
    const auto w = widest[static_cast<std::size_t>(b)];
    const auto weight = w > 0 ? factor * aux / (static_cast<double>(left_over) * w) : 0;
    Sum expected;
    expected.add(before[static_cast<std::size_t>(b)]);
    for (std::int64_t d = 0; d < padded(dim); ++d) {
      const auto& e = error(b, d);
      expected.value += weight * e.value * e.value;
      expected.size += weight * e.size * e.size;
      const Sum slope{2 * weight * e.value, 2 * weight * e.size};
      ASSERT_TRUE(close(actual(b, d), slope, 2e-6 + rounding<F>)) << b << ", " << d;
    }
    EXPECT_TRUE(close(losses[static_cast<std::size_t>(b)], expected, 2e-6)) << b;
  }
}

TYPED_TEST(CudaDecode, ExplainsWhatIsLeftOverByDeadLatents) {
  for (const std::int64_t rows : {1, 2, 33, 70}) {
    for (const std::int64_t dim : {1, 8, 13, 600}) {
      for (const double density : {0.0, 0.3}) expect_auxiliary<TypeParam>(rows, dim, density, 5);
    }
  }
}

TYPED_TEST(CudaDecode, HasNothingToDoWithoutDeadLatents) {
  expect_auxiliary<TypeParam>(3, 13, 0.3, 0);
}

}  // namespace
}  // namespace msae::kernels::cuda
