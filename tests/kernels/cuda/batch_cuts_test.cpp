#include <gtest/gtest.h>

#include "kernels/cuda/reference.h"
#include "kernels/cuda/select.h"

namespace msae::kernels::cuda {
namespace {

using namespace test;

// Cuts may be put in several ways: what counts is which values they keep.
void expect_ranking(std::int64_t rows, std::int64_t latents, const std::vector<std::uint32_t>& keep,
                    Values kind) {
  SCOPED_TRACE(testing::Message() << rows << " x " << latents << ", values " << static_cast<int>(kind)
                                  << ", keep " << testing::PrintToString(keep));
  Random random(static_cast<std::uint64_t>(rows * 7919 + latents));
  const PreActivations data(rows, latents, kind, random);
  const auto levels = static_cast<int>(keep.size());
  DeviceArray<float> pre(data.rows()), bias(data.bias), smallest(levels);
  DeviceArray<BatchCut> cuts(levels);
  DeviceArray<unsigned long long> room(batch_cut_room(levels, static_cast<int>(rows)));
  cut_batch(stream, {.rows = static_cast<int>(rows),
                     .latents = static_cast<int>(latents),
                     .pre = pre.data(),
                     .bias = bias.data(),
                     .levels = levels_of(keep, std::vector<bool>(keep.size())),
                     .cuts = cuts.data(),
                     .smallest = smallest.data(),
                     .room = room.data()});
  const auto found = cuts.host();
  const auto smallest_found = smallest.host();
  const auto order = ranking(data.values, 0, rows);
  for (std::size_t l = 0; l < keep.size(); ++l) {
    SCOPED_TRACE(testing::Message() << "level " << l);
    const auto count = std::min(std::uint64_t{keep[l]} * static_cast<std::uint64_t>(rows), order.size());
    Table<int> expected(rows, latents);
    for (std::size_t i = 0; i < count; ++i) expected.data()[order[i]] = 1;
    for (std::int64_t b = 0; b < rows; ++b) {
      const auto cut = found[l].of(static_cast<std::uint32_t>(b));
      for (std::int64_t j = 0; j < latents; ++j) {
        const auto key = rank_key(data.values(b, j));
        const bool kept = key > cut.key || (key != 0 && key == cut.key && j < cut.end);
        ASSERT_EQ(kept, expected(b, j) != 0) << "row " << b << ", latent " << j;
      }
    }
    const auto least =
        count == 0 ? std::numeric_limits<float>::infinity() : data.values.data()[order[count - 1]];
    if (std::isnan(least)) {
      EXPECT_TRUE(std::isnan(smallest_found[l]));
    } else {
      EXPECT_EQ(smallest_found[l], least);
    }
  }
}

TEST(CudaBatchCuts, AreThoseOfARankingForEveryKindOfValues) {
  int turn = 0;
  for (const std::int64_t rows : {1, 2, 7, 33}) {
    for (const std::uint32_t latents : {1, 8, 9, 33, 130}) {
      for (const auto& keep : keep_lists(latents)) {
        for (const auto values : all_values) {
          if (rows < 3 || ++turn % 3 == 0) expect_ranking(rows, latents, keep, values);
        }
      }
    }
  }
}

// More rows and latents than the threads of a block.
TEST(CudaBatchCuts, AreThoseOfManyRows) {
  for (const auto values : {Values::plain, Values::whole, Values::equal, Values::closer}) {
    expect_ranking(1100, 5, {0, 1, 2, 4}, values);
    expect_ranking(70, 300, {1, 40, 100, 299}, values);
    expect_ranking(2, 2500, {3, 1000, 1024, 2000, 2499}, values);
  }
}

}  // namespace
}  // namespace msae::kernels::cuda
