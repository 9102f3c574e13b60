#include "kernels/cpu/backward.h"

#include <gtest/gtest.h>

#include "kernels/naive.h"

namespace msae::kernels {
namespace {

using test::Entry;
using test::Table;

struct BackwardShape {
  std::int64_t rows, dim, latents, slots;
  double density;
};

std::ostream& operator<<(std::ostream& out, const BackwardShape& s) {
  return out << s.rows << " x " << s.dim << ", " << s.latents << " latents, slots " << s.slots << ", density "
             << s.density;
}

constexpr BackwardShape backward_shapes[] = {
    {1, 1, 1, 1, 1},
    {2, 5, 7, 4, 0.5},
    {127, 63, 16, 3, 0.5},
    {128, 64, 33, 2, 1},
    {129, 65, 100, 8, 0.2},
    {300, 130, 33, 5, 0.1},
    {129, 128, 1536 + 5, 2, 0.03},
    {300, 1, 100, 1, 0},
    {2, 130, 1536 + 5, 254, 1},
    {127, 128, 7, 6, 0.5},
};

template <typename T>
constexpr double backward_tolerance = sizeof(T) == 4 ? 3e-6 : 1e-14;

// All that the three passes read, and what they write.
template <typename T>
struct Passes {
  explicit Passes(const BackwardShape& s)
      : shape(s),
        random(static_cast<std::uint64_t>(s.rows + s.dim)),
        entries(test::random_entries<T>(s.rows, s.latents, s.slots, s.density, random)),
        columns(test::by_latent<T>(entries, s.rows, s.latents)),
        decoder(s.latents, s.dim),
        gradient(s.rows * s.slots, s.dim),
        input(s.rows, s.dim),
        matrix_gradient(s.latents, s.dim, test::nan_of<T>, 2),
        bias_gradient(1, s.latents, test::nan_of<T>),
        sums(s.latents, slice_width<T>, test::nan_of<T>) {
    test::sort_by_latent(entries);
    test::slice_up(decoder.fill_with(random), sliced_decoder);
    test::slice_up(gradient.fill_with(random), sliced_gradient);
    test::slice_up(input.fill_with(random), sliced_input);
  }

  DecoderBackward<T> decoder_work() {
    return {.chunks = columns,
            .decoder = &sliced_decoder,
            .gradient = &sliced_gradient,
            .slots = shape.slots,
            .decoder_gradient = matrix_gradient.matrix()};
  }
  EncoderBackward<T> encoder_work() {
    return {.chunks = columns, .input = &sliced_input, .encoder_gradient = matrix_gradient.matrix()};
  }

  // Gives every entry a gradient, 0 to those that fill up.
  void set_gradients() {
    for (auto& chunk : columns) std::fill_n(chunk.gradient.data(), chunk.begin[shape.latents], T{0});
    for_each_entry(entries, columns, [&](const Entry&, ChunkColumns<T>& chunk, std::int64_t i) {
      chunk.gradient[i] = static_cast<T>(random.number());
    });
  }

  // In the order of `entries`.
  Table<T> gradients() {
    Table<T> all(1, static_cast<std::int64_t>(entries.size()));
    std::int64_t at = 0;
    for_each_entry(entries, columns, [&](const Entry&, ChunkColumns<T>& chunk, std::int64_t i) {
      all(0, at++) = chunk.gradient[i];
    });
    return all;
  }

  BackwardShape shape;
  test::Random random;
  std::vector<Entry> entries;
  std::vector<ChunkColumns<T>> columns;
  Table<T> decoder, gradient, input, matrix_gradient, bias_gradient, sums;
  Sliced<T> sliced_decoder, sliced_gradient, sliced_input;
};

template <typename T>
class Backward : public testing::Test {};
TYPED_TEST_SUITE(Backward, test::Precisions);

TYPED_TEST(Backward, OfTheDecoderAndTheLatents) {
  using T = TypeParam;
  for (const auto& shape : backward_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Passes<T> passes(shape);
    backward(passes.decoder_work(), 0, shape.latents, passes.sums.data());
    Table<double> decoder_gradient(shape.latents, shape.dim);
    Table<double> ds(1, static_cast<std::int64_t>(passes.entries.size()));
    std::int64_t at = 0;
    for (const auto& entry : passes.entries) {
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        const auto g = static_cast<double>(passes.gradient(entry.row * shape.slots + entry.level, d));
        decoder_gradient(entry.latent, d) += entry.value * g;
        ds(0, at) += g * static_cast<double>(passes.decoder(entry.latent, d));
      }
      ++at;
    }
    EXPECT_LE(test::difference(passes.matrix_gradient, decoder_gradient), backward_tolerance<T>);
    EXPECT_TRUE(passes.matrix_gradient.gaps_hold(test::nan_of<T>));
    EXPECT_LE(test::difference(passes.gradients(), ds), backward_tolerance<T>);
  }
}

TYPED_TEST(Backward, OfTheEncoder) {
  using T = TypeParam;
  for (const auto& shape : backward_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Passes<T> passes(shape);
    passes.set_gradients();
    const auto dp = passes.gradients();
    backward(passes.encoder_work(), 0, shape.latents, passes.sums.data());
    Table<double> encoder_gradient(shape.latents, shape.dim);
    std::int64_t at = 0;
    for (const auto& entry : passes.entries) {
      for (std::int64_t d = 0; d < shape.dim; ++d) {
        encoder_gradient(entry.latent, d) +=
            static_cast<double>(dp(0, at)) * static_cast<double>(passes.input(entry.row, d));
      }
      ++at;
    }
    EXPECT_LE(test::difference(passes.matrix_gradient, encoder_gradient), backward_tolerance<T>);
    EXPECT_TRUE(passes.matrix_gradient.gaps_hold(test::nan_of<T>));
  }
}

TYPED_TEST(Backward, OfThePreActivationsBelowASoftCapAndAnL1Term) {
  using T = TypeParam;
  for (const auto& shape : backward_shapes) {
    for (const bool with_l1 : {false, true}) {
      for (const T cap : {T{0}, T{2.5}}) {
        SCOPED_TRACE(testing::Message() << shape << ", l1 " << with_l1 << ", cap " << cap);
        Passes<T> passes(shape);
        passes.set_gradients();
        for (auto& chunk : passes.columns) {  // what fills up has a gradient by the way, which does not count
          for (std::uint32_t i = 0; i < chunk.begin[shape.latents]; ++i) {
            if (chunk.value[i] == 0) chunk.gradient[i] = 100;
          }
        }
        const auto ds = passes.gradients();
        const auto row_l1 = Table<T>(1, shape.rows).fill_with(passes.random);
        Table<double> dp(1, ds.columns()), bias_gradient(1, shape.latents);
        std::int64_t at = 0;
        for (const auto& entry : passes.entries) {
          auto slope = static_cast<double>(ds(0, at));
          // A model with an L1 term has one level: others are of auxiliary latents, which it is not about.
          if (with_l1 && entry.level == 0) slope += static_cast<double>(row_l1(0, entry.row));
          if (cap > 0) slope *= 1 - entry.value / cap * (entry.value / cap);
          dp(0, at++) = slope;
          bias_gradient(0, entry.latent) += slope;
        }
        backward(Slope<T>{.chunks = passes.columns,
                          .row_l1 = with_l1 ? row_l1.data() : nullptr,
                          .soft_cap = cap,
                          .latent_bias_gradient = passes.bias_gradient.data()},
                 0, shape.latents);
        EXPECT_LE(test::difference(passes.gradients(), dp), backward_tolerance<T>);
        EXPECT_LE(test::difference(passes.bias_gradient, bias_gradient), backward_tolerance<T>);
        for (const auto& chunk : passes.columns) {
          for (std::uint32_t i = 0; i < chunk.begin[shape.latents]; ++i) {
            if (chunk.value[i] == 0) {
              ASSERT_EQ(chunk.gradient[i], 0) << "fills up";
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(Backward, InAnyRangesOfLatentsTheSame) {
  using T = TypeParam;
  for (const auto& shape : backward_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Passes<T> whole(shape), parts(shape);
    const auto run = [&](Passes<T>& passes, std::int64_t pieces) {
      const auto in_pieces = [&](const auto& work) {
        for (auto piece = pieces - 1; piece >= 0; --piece) {
          work(piece * shape.latents / pieces, (piece + 1) * shape.latents / pieces);
        }
      };
      in_pieces(
          [&](auto first, auto last) { backward(passes.decoder_work(), first, last, passes.sums.data()); });
      const auto decoder_gradient = passes.matrix_gradient;
      in_pieces([&](auto first, auto last) {
        backward(Slope<T>{.chunks = passes.columns, .latent_bias_gradient = passes.bias_gradient.data()},
                 first, last);
      });
      in_pieces(
          [&](auto first, auto last) { backward(passes.encoder_work(), first, last, passes.sums.data()); });
      return decoder_gradient;
    };
    const auto decoder_gradient = run(whole, 1);
    EXPECT_TRUE(test::same_bits(run(parts, 3), decoder_gradient));
    EXPECT_TRUE(test::same_bits(parts.gradients(), whole.gradients()));
    EXPECT_TRUE(test::same_bits(parts.bias_gradient, whole.bias_gradient));
    EXPECT_TRUE(test::same_bits(parts.matrix_gradient, whole.matrix_gradient));
  }
}

TYPED_TEST(Backward, AddsToWhatIsThereWhereToldSo) {
  using T = TypeParam;
  for (const auto& shape : backward_shapes) {
    SCOPED_TRACE(testing::Message() << shape);
    Passes<T> passes(shape), added(shape);
    const auto run = [&](Passes<T>& p, bool adds, const auto& finish) {
      auto decoder_work = p.decoder_work();
      decoder_work.adds = adds;
      backward(decoder_work, 0, shape.latents, p.sums.data());
      finish(p.matrix_gradient);
      backward(Slope<T>{.chunks = p.columns, .latent_bias_gradient = p.bias_gradient.data(), .adds = adds}, 0,
               shape.latents);
      auto encoder_work = p.encoder_work();
      encoder_work.adds = adds;
      backward(encoder_work, 0, shape.latents, p.sums.data());
    };
    Table<double> decoder(shape.latents, shape.dim), encoder = decoder, bias(1, shape.latents);
    const auto plus_one = [](Table<double>& to, const Table<T>& from) {
      for (std::int64_t i = 0; i < from.rows(); ++i) {
        for (std::int64_t j = 0; j < from.columns(); ++j) to(i, j) = 1 + static_cast<double>(from(i, j));
      }
    };
    run(passes, false, [&](const Table<T>& gradient) { plus_one(decoder, gradient); });
    plus_one(encoder, passes.matrix_gradient);
    plus_one(bias, passes.bias_gradient);
    added.matrix_gradient = Table<T>(shape.latents, shape.dim, 1);
    added.bias_gradient = Table<T>(1, shape.latents, 1);
    run(added, true, [&](Table<T>& gradient) {
      EXPECT_LE(test::difference(gradient, decoder), backward_tolerance<T>);
      gradient = Table<T>(shape.latents, shape.dim, 1);
    });
    EXPECT_LE(test::difference(added.matrix_gradient, encoder), backward_tolerance<T>);
    EXPECT_LE(test::difference(added.bias_gradient, bias), backward_tolerance<T>);
  }
}

TYPED_TEST(Backward, LeavesLatentsBeyondItsRangeAlone) {
  using T = TypeParam;
  Passes<T> passes({129, 65, 33, 2, 0.3});
  passes.set_gradients();
  backward(passes.encoder_work(), 5, 9, passes.sums.data());
  for (std::int64_t j = 0; j < 33; ++j) {
    EXPECT_EQ(std::isnan(passes.matrix_gradient(j, 0)), j < 5 || j >= 9) << "latent " << j;
    EXPECT_EQ(std::isnan(passes.sums(j, 0)), j >= 4) << "no room beyond four latents";
  }
}

}  // namespace
}  // namespace msae::kernels
