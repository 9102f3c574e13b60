// Selects 8 levels of 256 rows of 6144 latents, of which 20% are positive, for callgrind to count (run.sh
// callgrind).
#include <algorithm>
#include <cstdio>
#include <vector>

#include "kernels/cpu/select.h"
#include "kernels/cpu/simd.h"  // which instruction sets are compiled in; before Highway, which asks
#include "kernels/naive.h"
// clang-format off
#include <hwy/targets.h>
// clang-format on

namespace {

constexpr std::int64_t rows = 256, latents = 6144, tile = 1536;
constexpr std::int64_t levels[] = {64, 128, 256, 512, 1024, 2048, 4096, 6144};

}  // namespace

// The whole of what is counted: all rows, after one that has touched the memory.
extern "C" [[gnu::noinline]] std::int64_t select_rows(msae::kernels::Selector<float>& selector,
                                                      const float* pre, const float* bias,
                                                      msae::kernels::ChunkEntries<float>& entries) {
  std::int64_t kept = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (row % msae::kernels::chunk_rows == 0) entries.clear(entries.runs_per_row);
    selector.read(pre + row * latents, bias);
    selector.append(selector.cuts(levels), std::size(levels), entries);
    kept += entries.row_begin(entries.rows) - entries.row_begin(entries.rows - 1);
  }
  return kept;
}

int main() {
#ifdef HWY_AVX2
  hwy::SetSupportedTargetsForTest(HWY_AVX2);  // valgrind knows no wider ones
#endif
  msae::kernels::test::Random random(1);
  std::vector<float> pre(rows * latents), bias(latents, -0.6F);
  for (auto& value : pre) value = static_cast<float>(random.number());
  msae::kernels::Selector<float> selector(latents, tile, 0);
  msae::kernels::ChunkEntries<float> entries;
  entries.clear(latents / tile * static_cast<std::int64_t>(std::size(levels)));
  entries.grow(msae::kernels::chunk_rows * latents);
  const auto kept = select_rows(selector, pre.data(), bias.data(), entries);
  std::printf("elements: %lld\nkept: %lld\n", static_cast<long long>(rows * latents),
              static_cast<long long>(kept));
}
