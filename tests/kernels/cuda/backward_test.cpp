#include "kernels/cuda/backward.h"

#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <tuple>

#include "kernels/cuda/reference.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

constexpr double factor = 0.7;
constexpr std::int64_t counted = 5;

// What rows weigh: every fourth has no length.
struct Rows {
  int rows, dim;
  float l1;
  bool by_norm;
  std::vector<double> squares;
  DeviceArray<double> square;
  DeviceArray<Totals> totals;
  DeviceArray<Scalars> scalars;

  Rows(std::int64_t row_count, std::int64_t width, float weight, bool norm)
      : rows(static_cast<int>(row_count)),
        dim(static_cast<int>(width)),
        l1(weight),
        by_norm(norm),
        squares(squares_of(row_count)),
        square(squares),
        totals(1, Totals{.counted = counted}),
        scalars(1, Scalars{.factor = factor}) {}

  static std::vector<double> squares_of(std::int64_t count) {
    std::vector<double> values;
    for (std::int64_t b = 0; b < count; ++b) values.push_back(b % 4 == 3 ? 0 : 0.5 + static_cast<double>(b));
    return values;
  }

  RowWeights weights() const {
    return {.rows = rows,
            .dim = dim,
            .l1 = l1,
            .l1_by_norm = by_norm,
            .square = square.data(),
            .totals = totals.data(),
            .scalars = scalars.data()};
  }

  double of_latents(std::int64_t row) const {
    const auto weight = factor * static_cast<double>(l1);
    if (!by_norm) return weight / rows;
    const auto s = squares[static_cast<std::size_t>(row)];
    return s > 0 ? weight / (counted * std::sqrt(s)) : 0;
  }
};

// A slope's two terms may nearly cancel out.
Sum times_slope(const Sum& ds, double value, double cap) {
  if (cap == 0) return ds;
  const auto share = value / cap * (value / cap);
  return {ds.value * (1 - share), ds.size * (1 + share)};
}

struct SparseCase {
  std::int64_t rows, dim, latents;
  std::int64_t slots = 2;
  double density = 0.3, auxiliary = 0;
  float soft_cap = 0, l1 = 0;
  bool by_norm = true, adds = false;
  bool apart = false;        // pre_gradient is asked for
  bool with_encoder = true;  // encoder_gradient is
  unsigned threads = 64;
};

std::ostream& operator<<(std::ostream& out, const SparseCase& c) {
  return out << c.rows << " x " << c.dim << ", " << c.latents << " latents, " << c.slots << " slots, density "
             << c.density << ", auxiliary " << c.auxiliary << ", cap " << c.soft_cap << ", l1 " << c.l1
             << (c.by_norm ? " by norm" : "") << (c.adds ? ", adds" : "") << (c.apart ? ", apart" : "")
             << (c.with_encoder ? "" : ", no encoder") << ", " << c.threads << " threads";
}

template <typename F>
class SparseSums {
 public:
  struct Results {
    std::vector<float> decoder, encoder, bias;
    std::vector<F> pre;
    std::vector<int> fired;
  };

  explicit SparseSums(const SparseCase& c)
      : c_(c),
        random_(static_cast<std::uint64_t>(c.rows + 100 * c.dim + c.latents)),
        rows_(c.rows, c.dim, c.l1, c.by_norm),
        decoder_(random_factors<F>(c.latents, c.dim, random_)),
        gradient_(random_factors<F>((c.slots + 1) * c.rows, c.dim, random_)),
        input_(random_factors<F>(c.rows, c.dim, random_)),
        before_(c.latents, c.dim) {
    before_.fill_with(random_);
    entries_ = kernels::test::random_entries<float>(c.rows, c.latents, c.slots, c.density, random_);
    for (auto& e : kernels::test::random_entries<float>(c.rows, c.latents, 1, c.auxiliary, random_)) {
      e.level = c.slots;
      entries_.push_back(e);
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tuple(a.latent, a.row) < std::tuple(b.latent, b.row);
    });
  }

  Results run() {
    const Limits limits(c_.threads);
    std::vector<std::uint32_t> begin(static_cast<std::size_t>(c_.latents) + 1), place;
    std::vector<float> value;
    for (const auto& e : entries_) {
      ++begin[static_cast<std::size_t>(e.latent) + 1];
      place.push_back(static_cast<std::uint32_t>(e.row << 8 | e.level));
      value.push_back(static_cast<float>(e.value));
    }
    for (std::size_t j = 1; j < begin.size(); ++j) begin[j] += begin[j - 1];
    const auto width = padded(c_.dim);
    DeviceArray<std::uint32_t> begins(begin), places(place);
    DeviceArray<float> values(value);
    const DeviceArray<F> decoder(padded_rows<F>(decoder_)), gradient(padded_rows<F>(gradient_)),
        input(padded_rows<F>(input_));
    auto decoder_gradient =
        c_.adds ? DeviceArray<float>(padded_rows<float>(before_)) : DeviceArray<float>(c_.latents * width);
    DeviceArray<float> encoder_gradient(c_.latents * width), bias(c_.latents);
    DeviceArray<F> pre(c_.rows * padded(c_.latents));
    DeviceArray<int> fired(c_.latents, 0);
    sparse_gradients<F>(stream, {.dim = static_cast<int>(c_.dim),
                                 .latents = static_cast<int>(c_.latents),
                                 .columns = {begins.data(), places.data(), values.data()},
                                 .decoder = decoder.data(),
                                 .gradient = gradient.data(),
                                 .input = input.data(),
                                 .auxiliary_slot = static_cast<int>(c_.slots),
                                 .soft_cap = c_.soft_cap,
                                 .weights = rows_.weights(),
                                 .decoder_gradient = decoder_gradient.data(),
                                 .adds = c_.adds,
                                 .encoder_gradient = c_.with_encoder ? encoder_gradient.data() : nullptr,
                                 .latent_bias_gradient = c_.with_encoder ? bias.data() : nullptr,
                                 .pre_gradient = c_.apart ? pre.data() : nullptr,
                                 .fired = fired.data()});
    return {decoder_gradient.host(), encoder_gradient.host(), bias.host(), pre.host(), fired.host()};
  }

  void check(const Results& actual) {
    constexpr double share = 4e-6;
    const auto width = padded(c_.dim);
    Table<Sum> decoder(c_.latents, width), encoder(c_.latents, width), bias(1, c_.latents),
        pre(c_.rows, padded(c_.latents));
    Table<int> found(c_.rows, padded(c_.latents));
    std::vector<int> fired(static_cast<std::size_t>(c_.latents));
    for (std::int64_t j = 0; c_.adds && j < c_.latents; ++j) {
      for (std::int64_t d = 0; d < c_.dim; ++d) decoder(j, d).add(static_cast<double>(before_(j, d)));
    }
    for (const auto& e : entries_) {
      const bool auxiliary = e.level == c_.slots;
      const auto g = [&](std::int64_t d) {
        return static_cast<double>(gradient_(e.level * c_.rows + e.row, d));
      };
      Sum ds;
      for (std::int64_t d = 0; d < c_.dim; ++d) {
        ds.add(g(d) * static_cast<double>(decoder_(e.latent, d)));
        decoder(e.latent, d).add(e.value * g(d));
      }
      if (!auxiliary && c_.l1 > 0) ds.add(rows_.of_latents(e.row));
      if (!auxiliary) fired[static_cast<std::size_t>(e.latent)] = 1;
      const auto dp = times_slope(ds, e.value, static_cast<double>(c_.soft_cap));
      if (c_.apart && !auxiliary) {
        pre(e.row, e.latent) = dp;
        found(e.row, e.latent) = 1;
        continue;
      }
      bias(0, e.latent).value += dp.value;
      bias(0, e.latent).size += dp.size;
      for (std::int64_t d = 0; d < c_.dim; ++d) {
        const auto x = static_cast<double>(input_(e.row, d));
        encoder(e.latent, d).value += dp.value * x;
        encoder(e.latent, d).size += dp.size * std::abs(x);
      }
    }
    EXPECT_TRUE(close(from_rows(actual.decoder, c_.latents, width, width), decoder, share)) << "decoder";
    if (c_.with_encoder) {
      EXPECT_TRUE(close(from_rows(actual.encoder, c_.latents, width, width), encoder, share)) << "encoder";
      EXPECT_TRUE(close(from_rows(actual.bias, 1, c_.latents, c_.latents), bias, share)) << "bias";
    }
    EXPECT_EQ(actual.fired, fired);
    for (std::int64_t i = 0; i < pre.rows() * pre.columns(); ++i) {
      const auto& value = actual.pre[static_cast<std::size_t>(i)];
      if (found.data()[i] == 0) {
        ASSERT_TRUE(untouched(value)) << i;
      } else {
        ASSERT_TRUE(close(as_float(value), pre.data()[i], share + rounding<F>)) << i;
      }
    }
  }

 private:
  SparseCase c_;
  Random random_;
  Rows rows_;
  Table<float> decoder_, gradient_, input_, before_;
  std::vector<Entry> entries_;
};

template <typename F>
void expect_sparse(const SparseCase& c) {
  SCOPED_TRACE(testing::Message() << c);
  SparseSums<F> sums(c);
  sums.check(sums.run());
}

template <typename F>
class CudaBackward : public testing::Test {};
TYPED_TEST_SUITE(CudaBackward, Factors);

TYPED_TEST(CudaBackward, SumsUpListsForEveryOption) {
  unsigned turn = 0;
  for (const bool apart : {false, true}) {
    for (const bool adds : {false, true}) {
      for (const double auxiliary : {0.0, 0.4}) {
        for (const float soft_cap : {0.0f, 2.5f}) {
          for (const float l1 : {0.0f, 0.6f}) {
            ++turn;
            expect_sparse<TypeParam>({.rows = 1 + turn % 3 * 16,
                                      .dim = 9 + turn,
                                      .latents = 13,
                                      .slots = 1 + turn % 4,
                                      .density = turn % 5 == 0 ? 0.03 : 0.5,
                                      .auxiliary = auxiliary,
                                      .soft_cap = soft_cap,
                                      .l1 = l1,
                                      .by_norm = turn % 3 != 0,
                                      .adds = adds,
                                      .apart = apart,
                                      .with_encoder = !apart || auxiliary > 0 || turn % 2 == 0,
                                      .threads = 32 * (1 + turn / 2 % 4)});
          }
        }
      }
    }
  }
}

// So many registers a lane take a gradient: one group of eight to eight of them.
TYPED_TEST(CudaBackward, SumsUpListsOfEveryWidth) {
  unsigned turn = 0;
  for (const std::int64_t dim :
       {1, 7, 8, 250, 256, 257, 513, 764, 1024, 1030, 1281, 1535, 1537, 1800, 2048}) {
    for (const bool apart : {false, true}) {
      ++turn;
      expect_sparse<TypeParam>({.rows = 6,
                                .dim = dim,
                                .latents = 5,
                                .slots = 2,
                                .density = 0.6,
                                .auxiliary = turn % 3 == 0 ? 0.5 : 0,
                                .soft_cap = turn % 4 < 2 ? 0 : 3.0f,
                                .adds = turn % 5 == 0,
                                .apart = apart,
                                .threads = 32 * (1 + turn % 4)});
    }
  }
}

TYPED_TEST(CudaBackward, SumsUpListsOfManyRows) {
  expect_sparse<TypeParam>({.rows = 150, .dim = 20, .latents = 3, .slots = 3, .density = 0.8, .threads = 96});
  expect_sparse<TypeParam>(
      {.rows = 150, .dim = 20, .latents = 3, .slots = 254, .density = 0.8, .threads = 128});
  expect_sparse<TypeParam>({.rows = 3, .dim = 20, .latents = 150, .density = 0.0});
  for (const std::int64_t rows : {31, 32, 33, 65}) {  // a warp looks at 32 entries at a time
    for (const bool apart : {false, true}) {
      expect_sparse<TypeParam>({.rows = rows,
                                .dim = 20,
                                .latents = 3,
                                .density = 1.0,
                                .apart = apart,
                                .with_encoder = !apart,
                                .threads = 32});
    }
  }
}

TYPED_TEST(CudaBackward, RefusesRowsThatRegistersCannotHold) {
  SparseGradients<TypeParam> work;
  work.dim = most_dimensions + 1;
  EXPECT_THROW(sparse_gradients(stream, work), std::invalid_argument);
}

template <typename V>
bool same_bytes(const std::vector<V>& a, const std::vector<V>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(V)) == 0;
}

TYPED_TEST(CudaBackward, HasTheSameBitsEachTime) {
  for (const bool apart : {false, true}) {
    SparseSums<TypeParam> sums(
        {.rows = 70, .dim = 100, .latents = 20, .density = 0.7, .auxiliary = 0.3, .l1 = 0.5, .apart = apart});
    const auto once = sums.run(), again = sums.run();
    EXPECT_TRUE(same_bytes(once.decoder, again.decoder));
    EXPECT_TRUE(same_bytes(once.encoder, again.encoder));
    EXPECT_TRUE(same_bytes(once.bias, again.bias));
    EXPECT_TRUE(same_bytes(once.pre, again.pre));
  }
}

struct DenseCase {
  std::int64_t rows, latents, first, count;
  std::int64_t dense = 1;
  float soft_cap = 0, l1 = 0;
  bool by_norm = true;
  unsigned threads = 64;
};

template <typename F>
void expect_dense(const DenseCase& c) {
  SCOPED_TRACE(testing::Message() << c.rows << " x " << c.latents << ", rows from " << c.first << " on "
                                  << c.count << ", dense " << c.dense << ", cap " << c.soft_cap << ", l1 "
                                  << c.l1);
  const Limits limits(c.threads);
  Random random(static_cast<std::uint64_t>(c.rows + 100 * c.latents + c.first));
  const auto width = padded(c.latents);
  const Rows rows(c.rows, 8, c.l1, c.by_norm);
  std::vector<std::uint8_t> slot(static_cast<std::size_t>(c.rows * width), no_level);
  for (std::int64_t b = 0; b < c.rows; ++b) {
    for (std::int64_t j = 0; j < c.latents; ++j) {
      if (j % 7 == 3 || !random.chance(0.6)) continue;  // some latents are of no level in all rows
      // Those from `dense` on are lists.
      slot[static_cast<std::size_t>(b * width + j)] = static_cast<std::uint8_t>(random.below(c.dense + 2));
    }
  }
  auto product = random_factors<F>(c.dense * c.count, c.latents, random);
  auto values = random_factors<F>(c.dense * c.rows, c.latents, random, 2);
  DeviceArray<std::uint8_t> slots(slot);
  // A product leaves what rows are filled up with as it is.
  DeviceArray<F> products(padded_rows<F>(product, kernels::test::nan_of<float>)),
      latents(padded_rows<F>(values)), pre(c.rows * width);
  DeviceArray<int> fired(c.latents, 0);
  dense_gradients<F>(stream, {.rows = static_cast<int>(c.rows),
                              .latents = static_cast<int>(c.latents),
                              .first = static_cast<int>(c.first),
                              .count = static_cast<int>(c.count),
                              .dense = static_cast<int>(c.dense),
                              .slot = slots.data(),
                              .product = products.data(),
                              .values = latents.data(),
                              .soft_cap = c.soft_cap,
                              .weights = rows.weights(),
                              .pre_gradient = pre.data(),
                              .fired = fired.data()});
  const auto actual = pre.host();
  std::vector<int> expected_fired(static_cast<std::size_t>(c.latents));
  for (std::int64_t b = 0; b < c.rows; ++b) {
    for (std::int64_t j = 0; j < width; ++j) {
      const auto at = static_cast<std::size_t>(b * width + j);
      if (b < c.first || b >= c.first + c.count) {
        ASSERT_TRUE(untouched(actual[at])) << "row " << b << ", latent " << j;
        continue;
      }
      Sum expected;
      if (slot[at] < c.dense) {
        expected.add(static_cast<double>(product(slot[at] * c.count + b - c.first, j)));
        if (c.l1 > 0) expected.add(rows.of_latents(b));
        expected = times_slope(expected, static_cast<double>(values(slot[at] * c.rows + b, j)),
                               static_cast<double>(c.soft_cap));
        expected_fired[static_cast<std::size_t>(j)] = 1;
      }
      ASSERT_TRUE(close(as_float(actual[at]), expected, 1e-6 + rounding<F>))
          << "row " << b << ", latent " << j;
    }
  }
  EXPECT_EQ(fired.host(), expected_fired);
}

TYPED_TEST(CudaBackward, PassesOnGradientsOfMatrices) {
  unsigned turn = 0;
  for (const std::int64_t latents : {1, 7, 8, 9, 33, 255, 1030}) {
    for (const std::int64_t rows : {1, 7, 8, 9, 33}) {
      ++turn;
      const auto first = rows / 3, count = (rows - first + 1) / 2;
      for (const auto& [from, some] : {std::pair(std::int64_t{0}, rows), std::pair(first, count)}) {
        expect_dense<TypeParam>({.rows = rows,
                                 .latents = latents,
                                 .first = from,
                                 .count = some,
                                 .dense = 1 + turn % 6,
                                 .soft_cap = turn % 2 == 0 ? 3.0f : 0,
                                 .l1 = turn % 4 < 2 ? 0.6f : 0,
                                 .by_norm = turn % 5 != 0,
                                 .threads = 32 * (1 + turn % 3)});
      }
    }
  }
}

template <typename F>
void expect_sum(std::int64_t rows, std::int64_t columns, bool weighted, float sign, bool adds) {
  SCOPED_TRACE(testing::Message() << rows << " x " << columns << (weighted ? ", weighted" : "") << ", sign "
                                  << sign << (adds ? ", adds" : ""));
  Random random(static_cast<std::uint64_t>(rows + 100 * columns));
  const auto from = random_factors<F>(rows, columns, random);
  const auto weight = Table<float>(1, rows).fill_with(random),
             before = Table<float>(1, columns).fill_with(random);
  const DeviceArray<F> device_from(padded_rows<F>(from, kernels::test::nan_of<float>));
  const DeviceArray<float> weights(values_of(weight));
  DeviceArray<float> room(sum_room(rows, static_cast<int>(columns)));
  auto to = adds ? DeviceArray<float>(values_of(before)) : DeviceArray<float>(columns);
  sum_rows<F>(stream, {.rows = rows,
                       .columns = static_cast<int>(columns),
                       .from = device_from.data(),
                       .weight = weighted ? weights.data() : nullptr,
                       .sign = sign,
                       .adds = adds,
                       .room = room.data(),
                       .to = to.data()});
  Table<Sum> expected(1, columns);
  for (std::int64_t d = 0; d < columns; ++d) {
    if (adds) expected(0, d).add(static_cast<double>(before(0, d)));
    for (std::int64_t b = 0; b < rows; ++b) {
      const auto times = static_cast<double>(sign) * (weighted ? static_cast<double>(weight(0, b)) : 1);
      expected(0, d).add(times * static_cast<double>(from(b, d)));
    }
  }
  EXPECT_TRUE(close(from_rows(to.host(), 1, columns, columns), expected, 4e-6));
}

TYPED_TEST(CudaBackward, SumsUpRows) {
  unsigned turn = 0;
  for (const std::int64_t rows : {1, 2, 7, 8, 15, 16, 17, 64, 200, 530}) {
    for (const std::int64_t columns : {1, 7, 8, 9, 500, 1025}) {
      for (const bool weighted : {false, true}) {
        ++turn;
        expect_sum<TypeParam>(rows, columns, weighted, turn % 3 == 0 ? 1.0f : -1.0f, turn % 4 < 2);
      }
    }
  }
}

}  // namespace
}  // namespace msae::kernels::cuda
