// What several tests of kernels have in common: numbers as kernels take them, levels, lists of what rows
// keep, and rankings by plain sorting.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/cpu/adam.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/optimiser.h"
#include "kernels/cuda/plain_products.h"
#include "kernels/naive.h"

namespace msae::kernels::cuda::test {

using kernels::test::Entry;
using kernels::test::Random;
using kernels::test::Table;
using Factors = testing::Types<float, bfloat16>;

/// Without what may be between rows.
template <typename T>
std::vector<T> values_of(const Table<T>& table) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    for (std::int64_t j = 0; j < table.columns(); ++j) values.push_back(table(i, j));
  }
  return values;
}

/// How far a number may be off that has been rounded to an F.
template <typename F>
constexpr double rounding = sizeof(F) == 4 ? 1e-7 : 4e-3;

template <typename F>
F factor_of(float value) {
  F factor;
  assign(factor, value);
  return factor;
}

/// [rows, padded(columns)], filled up with `filling`.
template <typename F>
std::vector<F> padded_rows(const Table<float>& table, float filling = 0) {
  std::vector<F> rows(static_cast<std::size_t>(table.rows() * padded(table.columns())),
                      factor_of<F>(filling));
  for (std::int64_t i = 0; i < table.rows(); ++i) {
    for (std::int64_t j = 0; j < table.columns(); ++j) {
      rows[static_cast<std::size_t>(i * padded(table.columns()) + j)] = factor_of<F>(table(i, j));
    }
  }
  return rows;
}

/// The inverse, from `first` on.
template <typename F>
Table<float> from_rows(const std::vector<F>& values, std::int64_t rows, std::int64_t columns,
                       std::int64_t stride, std::int64_t first = 0) {
  Table<float> table(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      table(i, j) = as_float(values[static_cast<std::size_t>(first + i * stride + j)]);
    }
  }
  return table;
}

/// Of numbers that an F can hold.
template <typename F>
Table<float> random_factors(std::int64_t rows, std::int64_t columns, Random& random, double scale = 1) {
  Table<float> table(rows, columns);
  table.fill_with(random, scale);
  for (std::int64_t i = 0; i < rows * columns; ++i) table.data()[i] = as_float(factor_of<F>(table.data()[i]));
  return table;
}

/// A sum, and how large what it sums up is: rounding takes a share of that.
struct Sum {
  double value = 0, size = 0;
  void add(double term) {
    value += term;
    size += std::abs(term);
  }
};

/// Whether each number is its sum, up to such a share of what was summed up.
inline testing::AssertionResult close(const Table<float>& actual, const Table<Sum>& expected, double share) {
  for (std::int64_t i = 0; i < expected.rows(); ++i) {
    for (std::int64_t j = 0; j < expected.columns(); ++j) {
      const auto& sum = expected(i, j);
      const auto off = std::abs(static_cast<double>(actual(i, j)) - sum.value);
      if (off <= share * sum.size) continue;
      return testing::AssertionFailure() << "[" << i << ", " << j << "] is " << actual(i, j) << ", not "
                                         << sum.value << ", a sum of things as large as " << sum.size;
    }
  }
  return testing::AssertionSuccess();
}

inline testing::AssertionResult close(double actual, const Sum& expected, double share) {
  if (std::abs(actual - expected.value) <= share * expected.size) return testing::AssertionSuccess();
  return testing::AssertionFailure() << actual << ", not " << expected.value
                                     << ", a sum of things as large as " << expected.size;
}

/// Whether all bits are set, as in a DeviceArray that nobody has written to.
template <typename V>
bool untouched(const V& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&value);
  return std::all_of(bytes, bytes + sizeof(V), [](unsigned char byte) { return byte == 0xff; });
}

inline float weight_of(std::size_t level) {
  return 0.1f * static_cast<float>(level % 4 + 1);
}

/// Slots as a step deals them: matrices come first.
inline Levels levels_of(const std::vector<std::uint32_t>& keep, const std::vector<bool>& dense) {
  Levels levels;
  levels.count = static_cast<int>(keep.size());
  levels.dense = static_cast<int>(std::count(dense.begin(), dense.end(), true));
  int matrices = 0, lists = levels.dense;
  for (std::size_t l = 0; l < keep.size(); ++l) {
    levels.keep[l] = keep[l];
    levels.weight[l] = weight_of(l);
    levels.slot[l] = static_cast<std::uint8_t>(dense[l] ? matrices++ : lists++);
  }
  return levels;
}

/// No level, or each with such a chance, is a matrix.
inline std::vector<bool> random_dense(std::size_t levels, double chance, Random& random) {
  std::vector<bool> dense;
  for (std::size_t l = 0; l < levels; ++l) dense.push_back(random.chance(chance));
  return dense;
}

/// Entries as kernels have them, all by row. What is behind a row's own has all its bits set.
struct Lists {
  std::int64_t capacity;
  std::vector<std::uint32_t> begin, latent;
  std::vector<float> value;

  /// \param entries of levels that are lists
  Lists(std::vector<Entry> entries, std::int64_t rows, std::int64_t levels, std::int64_t room_of_a_row)
      : capacity(room_of_a_row),
        latent(static_cast<std::size_t>(rows * capacity), ~0u),
        value(latent.size(), std::bit_cast<float>(~0u)) {
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tuple(a.row, a.level, a.latent) < std::tuple(b.row, b.level, b.latent);
    });
    auto next = entries.begin();
    for (std::int64_t row = 0; row < rows; ++row) {
      std::uint32_t count = 0;
      for (std::int64_t level = 0; level < levels; ++level) {
        begin.push_back(count);
        for (; next != entries.end() && next->row == row && next->level == level; ++next) {
          const auto at = static_cast<std::size_t>(row * capacity + count++);
          latent.at(at) = static_cast<std::uint32_t>(next->latent);
          value.at(at) = static_cast<float>(next->value);
        }
      }
      begin.push_back(count);
    }
  }

  /// Entries of the fullest row.
  static std::int64_t most(const std::vector<Entry>& entries, std::int64_t rows) {
    std::vector<std::int64_t> count(static_cast<std::size_t>(rows));
    for (const auto& entry : entries) ++count[static_cast<std::size_t>(entry.row)];
    return rows == 0 ? 0 : *std::max_element(count.begin(), count.end());
  }
};

/// Lists on the device.
class DeviceLists {
 public:
  explicit DeviceLists(const Lists& lists)
      : capacity_(lists.capacity), begin_(lists.begin), latent_(lists.latent), value_(lists.value) {}
  /// To be written.
  DeviceLists(std::int64_t rows, std::int64_t levels, std::int64_t capacity)
      : capacity_(capacity), begin_(rows * (levels + 1)), latent_(rows * capacity), value_(rows * capacity) {}

  Entries entries() { return {capacity_, begin_.data(), latent_.data(), value_.data()}; }
  std::vector<std::uint32_t> begin() const { return begin_.host(); }
  std::vector<std::uint32_t> latent() const { return latent_.host(); }
  std::vector<float> value() const { return value_.host(); }

 private:
  std::int64_t capacity_;
  DeviceArray<std::uint32_t> begin_, latent_;
  DeviceArray<float> value_;
};

/// What ranks a value: NaN comes before all numbers, and what is not positive is 0.
inline std::uint32_t rank_key(float value) {
  if (std::isnan(value)) return 0x7fffffffu;
  return value > 0 ? std::bit_cast<std::uint32_t>(value) : 0;
}

/// Numbers of the positive values among those of rows first..last, by (value descending, number ascending).
inline std::vector<std::int64_t> ranking(const Table<float>& values, std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> order;
  for (auto i = first * values.columns(); i < last * values.columns(); ++i) {
    if (rank_key(values.data()[i]) != 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    return rank_key(values.data()[i]) > rank_key(values.data()[j]);
  });
  return order;
}

/// The first level that keeps each value, or -1; keep[l] of each row, or as many of the batch as that makes.
inline Table<int> level_table(const Table<float>& values, const std::vector<std::uint32_t>& keep,
                              bool over_batch) {
  Table<int> levels(values.rows(), values.columns(), -1);
  const auto step = over_batch ? values.rows() : 1;
  for (std::int64_t first = 0; first < values.rows(); first += step) {
    std::uint64_t rank = 0;
    for (const auto at : ranking(values, first, first + step)) {
      const auto level =
          std::find_if(keep.begin(), keep.end(),
                       [&](std::uint32_t k) { return rank < std::uint64_t{k} * std::uint64_t(step); }) -
          keep.begin();
      ++rank;
      if (level < static_cast<std::int64_t>(keep.size())) levels.data()[at] = static_cast<int>(level);
    }
  }
  return levels;
}

/// Kinds of pre-activations.
enum class Values {
  plain,
  few,        ///< three are positive in a row
  none,       ///< is positive
  equal,      ///< all are the same
  whole,      ///< many are the same
  powers,     ///< of two: few share their upper 12 bits, and their others are 0
  close,      ///< all share their upper 12 bits
  closer,     ///< all share their upper 22 bits
  two_bins,   ///< as `close`, in two places
  subnormal,  ///< and zeros
  odd,        ///< infinite ones, no numbers, zeros of both signs
};
inline constexpr Values all_values[] = {Values::plain,    Values::few,       Values::none,  Values::equal,
                                        Values::whole,    Values::powers,    Values::close, Values::closer,
                                        Values::two_bins, Values::subnormal, Values::odd};

inline float some_value(Values values, Random& random) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto number = static_cast<float>(random.number());
  const auto bits_above = [](float least, std::int64_t bits) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(least) + static_cast<std::uint32_t>(bits));
  };
  switch (values) {
    case Values::plain:
      return number;
    case Values::few:
      return random.chance(0.02) ? 1 + number : -1 - number;
    case Values::none:
      return number > 0 ? -number : number;
    case Values::equal:
      return 1.5f;
    case Values::whole:
      return static_cast<float>(random.below(7) - 3);
    case Values::powers:
      return std::ldexp(1.0f, static_cast<int>(random.below(200)) - 100);
    case Values::close:
      return bits_above(1, random.below(1 << 19));
    case Values::closer:
      return bits_above(1, random.below(1 << 9));
    case Values::two_bins:
      return bits_above(random.chance(0.5) ? 1.0f : 2.0f, random.below(1 << 12));
    case Values::subnormal:
      return static_cast<float>(random.below(2000) - 500) * std::numeric_limits<float>::denorm_min();
    default:
      switch (random.below(9)) {
        case 0:
          return infinity;
        case 1:
          return -infinity;
        case 2:
          return kernels::test::nan_of<float>;
        case 3:
          return -kernels::test::nan_of<float>;
        case 4:
          return 0.0f;
        case 5:
          return -0.0f;
        case 6:
          return std::numeric_limits<float>::max();
        case 7:
          return std::numeric_limits<float>::min();
        default:
          return number;
      }
  }
}

/// Pre-activations without and with their bias.
struct PreActivations {
  Table<float> pre;         ///< [rows, latents]
  std::vector<float> bias;  ///< [latents]
  Table<float> values;      ///< pre + bias

  PreActivations(std::int64_t rows, std::int64_t latents, Values kind, Random& random)
      : pre(rows, latents), values(rows, latents) {
    const bool biased = kind == Values::plain || kind == Values::whole;
    for (std::int64_t j = 0; j < latents; ++j) {
      bias.push_back(biased ? static_cast<float>(random.below(5) - 2) / 2 : 0);
    }
    for (std::int64_t b = 0; b < rows; ++b) {
      for (std::int64_t j = 0; j < latents; ++j) {
        pre(b, j) = some_value(kind, random);
        values(b, j) = pre(b, j) + bias[static_cast<std::size_t>(j)];
      }
    }
  }

  /// [rows, padded(latents)]; nobody may care for what rows are filled up with.
  std::vector<float> rows() const { return padded_rows<float>(pre, kernels::test::nan_of<float>); }
};

/// Lists of levels: none kept, one, all, more than there are, one or many of them.
inline std::vector<std::vector<std::uint32_t>> keep_lists(std::uint32_t latents) {
  std::vector<std::vector<std::uint32_t>> lists = {{0}, {1}, {latents}, {latents + 5}, {0, 1, latents + 1}};
  if (latents < 7) return lists;
  lists.push_back({latents / 4, latents / 2, latents - 1});
  lists.push_back({1, 2, 3, latents, 2 * latents});
  std::vector<std::uint32_t> many;
  for (std::uint32_t l = 0; l < static_cast<std::uint32_t>(max_levels); ++l)
    many.push_back(l + l * latents / 80);
  lists.push_back(many);
  return lists;
}

}  // namespace msae::kernels::cuda::test
