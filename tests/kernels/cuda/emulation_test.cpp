// The emulation itself: what its threads see of each other, and what it reports.
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "kernels/cuda/block.h"
#include "kernels/cuda/device.h"

namespace msae::kernels::cuda::test {
namespace {

class Emulation : public testing::TestWithParam<unsigned> {
 protected:
  unsigned threads() const { return GetParam(); }

  template <typename... Parameters, typename... Arguments>
  void run(dim3 blocks, std::size_t shared, void (*kernel)(Parameters...), Arguments... arguments) const {
    launch(stream, {blocks, threads(), shared}, kernel, arguments...);
  }
};

INSTANTIATE_TEST_SUITE_P(Warps, Emulation, testing::Values(32, 64, 96));

__device__ unsigned thread_of_grid() {
  const auto block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  return block * blockDim.x + threadIdx.x;
}

__global__ void count_threads(unsigned* seen, unsigned* calls) {
  seen[thread_of_grid()] = blockIdx.x << 24 | blockIdx.y << 16 | blockIdx.z << 8 | threadIdx.x;
  atomicAdd(calls, 1u);
}

TEST_P(Emulation, EveryThreadOfEveryBlockRunsOnce) {
  const dim3 blocks(5, 3, 2);
  const auto count = blocks.x * blocks.y * blocks.z * threads();
  DeviceArray<unsigned> seen(count), calls(1, 0u);
  run(blocks, 0, count_threads, seen.data(), calls.data());
  EXPECT_EQ(calls.host()[0], count);
  const auto found = seen.host();
  for (unsigned i = 0; i < count; ++i) {
    const auto block = i / threads();
    const auto expected = block % 5 << 24 | block / 5 % 3 << 16 | block / 15 << 8 | i % threads();
    ASSERT_EQ(found[i], expected) << i;
  }
}

TEST_P(Emulation, AnEmptyGridRunsNothing) {
  DeviceArray<unsigned> seen(1), calls(1, 0u);
  run(dim3(0, 3), 0, count_threads, seen.data(), calls.data());
  EXPECT_EQ(calls.host()[0], 0u);
}

template <typename V>
__global__ void sums(V* sum, V* earlier) {
  auto* room = reinterpret_cast<V*>(shared_memory());
  const auto own = static_cast<V>(thread_of_grid() + 1);
  sum[thread_of_grid()] = block_sum(own, room);
  V total = 0;
  earlier[thread_of_grid()] = sum_before(own, room, total);
  if (total != sum[thread_of_grid()]) sum[thread_of_grid()] = 0;
}

template <typename V>
void expect_sums(unsigned threads) {
  constexpr unsigned blocks = 5;
  DeviceArray<V> sum(blocks * threads), earlier(blocks * threads);
  launch(stream, {dim3(blocks), threads, most_warps * sizeof(V)}, sums<V>, sum.data(), earlier.data());
  const auto found = sum.host(), found_earlier = earlier.host();
  for (unsigned i = 0; i < blocks * threads; ++i) {
    V total = 0, before_this = 0;
    const auto first = i / threads * threads;
    for (auto other = first; other < first + threads; ++other) {
      total += static_cast<V>(other + 1);
      if (other < i) before_this += static_cast<V>(other + 1);
    }
    ASSERT_EQ(found[i], total) << i;
    ASSERT_EQ(found_earlier[i], before_this) << i;
  }
}

TEST_P(Emulation, SumsOfBlocks) {
  expect_sums<int>(threads());
  expect_sums<unsigned>(threads());
  expect_sums<std::uint64_t>(threads());
  expect_sums<float>(threads());
  expect_sums<double>(threads());
}

// [4, threads] by kind of shuffle.
template <typename V>
__global__ void shuffles(V* out, int by, int width) {
  const auto own = static_cast<V>(threadIdx.x) + static_cast<V>(0.5);
  out[threadIdx.x] = __shfl_sync(all_lanes, own, by, width);
  out[threadIdx.x + blockDim.x] = __shfl_xor_sync(all_lanes, own, by, width);
  out[threadIdx.x + 2 * blockDim.x] = __shfl_up_sync(all_lanes, own, static_cast<unsigned>(by), width);
  out[threadIdx.x + 3 * blockDim.x] = __shfl_down_sync(all_lanes, own, static_cast<unsigned>(by), width);
}

template <typename V>
void expect_shuffles(unsigned threads, int by, int width) {
  DeviceArray<V> out(4 * threads);
  launch(stream, {dim3(1), threads}, shuffles<V>, out.data(), by, width);
  const auto found = out.host();
  for (unsigned i = 0; i < threads; ++i) {
    const auto own = static_cast<int>(i) % width, group = static_cast<int>(i) - own;
    const int lanes[] = {by % width, own ^ by, own - by, own + by};
    for (unsigned kind = 0; kind < 4; ++kind) {
      const auto lane = lanes[kind] >= 0 && lanes[kind] < width ? lanes[kind] : own;
      ASSERT_EQ(found[kind * threads + i], static_cast<V>(group + lane) + static_cast<V>(0.5))
          << "kind " << kind << " thread " << i << " by " << by << " width " << width;
    }
  }
}

TEST_P(Emulation, ShufflesTakeTheValueOfAnotherLane) {
  for (const int width : {32, 8}) {
    for (const int by : {0, 1, 2, 5, 7, 16, 31}) {
      expect_shuffles<int>(threads(), by, width);
      expect_shuffles<std::uint64_t>(threads(), by, width);
      expect_shuffles<float>(threads(), by, width);
      expect_shuffles<double>(threads(), by, width);
    }
  }
}

__global__ void votes(unsigned* out) {
  out[threadIdx.x] = __ballot_sync(all_lanes, threadIdx.x % 3 == 0);
  auto* any = out + blockDim.x;
  any[threadIdx.x] = static_cast<unsigned>(__any_sync(all_lanes, threadIdx.x == 40));
  auto* all = any + blockDim.x;
  all[threadIdx.x] = static_cast<unsigned>(__all_sync(all_lanes, threadIdx.x != 40));
}

TEST_P(Emulation, VotesAreOfAWarp) {
  DeviceArray<unsigned> out(3 * threads());
  run(dim3(1), 0, votes, out.data());
  const auto found = out.host();
  for (unsigned i = 0; i < threads(); ++i) {
    unsigned thirds = 0;
    for (unsigned other = 0; other < warp; ++other) {
      if ((i / warp * warp + other) % 3 == 0) thirds |= 1u << other;
    }
    ASSERT_EQ(found[i], thirds) << i;
    ASSERT_EQ(found[threads() + i], i / warp == 1 ? 1u : 0u) << i;
    ASSERT_EQ(found[2 * threads() + i], i / warp == 1 ? 0u : 1u) << i;
  }
}

// Warps go through it as many times as they like; only some threads write.
__global__ void warps_apart(unsigned* out) {
  unsigned sum = 0;
  for (unsigned i = 0; i < 3 * (warp_of_block() + 1); ++i) {
    if (lane() % 2 == i % 2) sum += i;
    sum = __shfl_xor_sync(all_lanes, sum, 1);
  }
  sum = warp_sum(sum);
  __syncthreads();
  if (lane() == 0) out[warp_of_block()] = sum;
}

TEST_P(Emulation, WarpsDoNotWaitForEachOther) {
  DeviceArray<unsigned> out(threads() / warp);
  run(dim3(1), 0, warps_apart, out.data());
  const auto found = out.host();
  for (unsigned w = 0; w < threads() / warp; ++w) {
    const auto rounds = 3 * (w + 1);
    EXPECT_EQ(found[w], warp / 2 * (rounds * (rounds - 1) / 2)) << w;
  }
}

__global__ void reverse(const int* in, int* out, unsigned* fresh) {
  auto* room = reinterpret_cast<int*>(shared_memory());
  if (room[threadIdx.x] != -1) atomicAdd(fresh, 1u);
  __syncthreads();
  room[threadIdx.x] = in[thread_of_grid()];
  __syncthreads();
  out[thread_of_grid()] = room[blockDim.x - 1 - threadIdx.x];
}

TEST_P(Emulation, SharedMemoryIsTheBlocksOwnAndFreshForEach) {
  constexpr unsigned blocks = 7;
  std::vector<int> in(blocks * threads());
  std::iota(in.begin(), in.end(), 3);
  DeviceArray<int> from(in), to(static_cast<std::int64_t>(in.size()));
  DeviceArray<unsigned> fresh(1, 0u);
  run(dim3(blocks), threads() * sizeof(int), reverse, from.data(), to.data(), fresh.data());
  EXPECT_EQ(fresh.host()[0], 0u);
  const auto found = to.host();
  for (unsigned i = 0; i < in.size(); ++i) {
    ASSERT_EQ(found[i], in[i / threads() * threads() + threads() - 1 - i % threads()]) << i;
  }
}

// A Hillis-Steele scan within a warp's part of shared memory, which __syncwarp alone orders.
__global__ void scan(unsigned* out) {
  auto* room = reinterpret_cast<unsigned*>(shared_memory()) + warp_of_block() * warp;
  room[lane()] = 1;
  __syncwarp();
  for (unsigned step = 1; step < warp; step *= 2) {
    const auto other = lane() >= step ? room[lane() - step] : 0;
    __syncwarp();
    room[lane()] += other;
    __syncwarp();
  }
  out[thread_of_grid()] = room[lane()];
}

TEST_P(Emulation, SyncwarpOrdersAWarp) {
  DeviceArray<unsigned> out(4 * threads());
  run(dim3(4), threads() * sizeof(unsigned), scan, out.data());
  const auto found = out.host();
  for (unsigned i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], i % warp + 1) << i;
}

struct Counters {
  int added = 0, least = 0, most = 0;
  unsigned bits = 0, added_unsigned = 0, most_unsigned = 0;
  unsigned long long added_long = 0, least_long = ~0ull;
};

__global__ void atomics(Counters* all) {
  auto* shared = reinterpret_cast<unsigned*>(shared_memory());
  if (threadIdx.x == 0) *shared = 0;
  __syncthreads();
  const auto i = thread_of_grid();
  const auto number = static_cast<int>(i);
  atomicAdd(shared, 1u);
  atomicAdd(&all->added, -number);
  atomicMin(&all->least, 10 - number);
  atomicMax(&all->most, number - 10);
  atomicOr(&all->bits, 1u << i % 32);
  atomicMax(&all->most_unsigned, i);
  atomicAdd(&all->added_long, 1ull << 33);
  atomicMin(&all->least_long, (1ull << 40) - i);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(&all->added_unsigned, *shared);
}

TEST_P(Emulation, AtomicsLoseNothing) {
  constexpr unsigned blocks = 6;
  const auto count = blocks * threads();
  DeviceArray<Counters> all(1, Counters{});
  run(dim3(blocks), sizeof(unsigned), atomics, all.data());
  const auto found = all.host()[0];
  const auto last = static_cast<int>(count) - 1;
  EXPECT_EQ(found.added, -last * (last + 1) / 2);
  EXPECT_EQ(found.least, 10 - last);
  EXPECT_EQ(found.most, last - 10);
  EXPECT_EQ(found.bits, ~0u);
  EXPECT_EQ(found.most_unsigned, count - 1);
  EXPECT_EQ(found.added_long, static_cast<unsigned long long>(count) << 33);
  EXPECT_EQ(found.least_long, (1ull << 40) - (count - 1));
  EXPECT_EQ(found.added_unsigned, count);
}

__global__ void raise_flag(int* flags) {
  if (thread_of_grid() % 2 == 1) raise(&flags[0]);
  if (thread_of_grid() > 1000000) raise(&flags[1]);
}

TEST_P(Emulation, ManyMayRaiseAFlag) {
  DeviceArray<int> flags(2, 0);
  run(dim3(5), 0, raise_flag, flags.data());
  EXPECT_EQ(flags.host(), (std::vector<int>{1, 0}));
}

// Threads that nobody waits for any more may return.
__global__ void return_early(unsigned* out) {
  __syncthreads();
  if (threadIdx.x % 2 == 1) return;
  out[threadIdx.x / 2] = threadIdx.x;
}

TEST_P(Emulation, ThreadsReturnWhenTheyAreThrough) {
  DeviceArray<unsigned> out(threads() / 2);
  run(dim3(1), 0, return_early, out.data());
  const auto found = out.host();
  for (unsigned i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], 2 * i);
}

// The nearest upper half of a float, as numbers tell.
unsigned short nearest_half(std::uint32_t bits) {
  const double value = __uint_as_float(bits);
  const auto below = bits & 0xffff0000u, above = below + 0x10000u;  // by magnitude
  constexpr std::uint32_t sign = 0x80000000u, infinity = 0x7f800000u;
  const auto number = [](std::uint32_t of) {
    if ((of & ~sign) != infinity) return static_cast<double>(__uint_as_float(of));
    return std::copysign(std::ldexp(1.0, 128), __uint_as_float(of));
  };
  if ((bits & ~sign) == infinity) return static_cast<unsigned short>(bits >> 16);
  const auto down = std::abs(value - number(below)), up = std::abs(number(above) - value);
  const bool even = (below >> 16) % 2 == 0;
  return static_cast<unsigned short>((down < up || (down == up && even) ? below : above) >> 16);
}

TEST(EmulatedNumbers, Bfloat16IsTheNearestOrTheEvenOfTwo) {
  for (std::uint32_t high = 0; high <= 0xffff; ++high) {
    for (const std::uint32_t low : {0x0000u, 0x0001u, 0x1234u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const auto bits = high << 16 | low;
      const auto value = __uint_as_float(bits);
      const auto rounded = __bfloat16_as_ushort(__float2bfloat16_rn(value));
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(__bfloat162float(__ushort_as_bfloat16(rounded)))) << bits;
      } else {
        ASSERT_EQ(rounded, nearest_half(bits)) << bits;
      }
    }
  }
}

TEST(EmulatedNumbers, Bfloat16IsTheUpperHalfOfAFloat) {
  for (std::uint32_t half = 0; half <= 0xffff; ++half) {
    const auto value = __bfloat162float(__ushort_as_bfloat16(static_cast<unsigned short>(half)));
    ASSERT_EQ(__float_as_uint(value), half << 16);
    ASSERT_TRUE(std::isnan(value) || __bfloat16_as_ushort(__float2bfloat16_rn(value)) == half) << half;
  }
}

TEST(EmulatedNumbers, AreCountedAndCompared) {
  EXPECT_EQ(__popc(0xf0f0u), 8);
  EXPECT_EQ(__popcll(~0ull), 64);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__clz(-1), 0);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(8), 4);
  constexpr auto nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(min(nan, 2.0f), 2.0f);
  EXPECT_EQ(max(nan, 2.0f), 2.0f);
  EXPECT_EQ(min(-3, 2), -3);
  EXPECT_EQ(max(std::int64_t{-3}, std::int64_t{2}), 2);
  EXPECT_EQ(min(-3, 2u), 2u) << "both are unsigned";
  static_assert(std::is_same_v<decltype(min(-3, 2u)), unsigned>);
}

TEST(EmulatedMemory, ArraysGoToTheDeviceAndComeBack) {
  const std::vector<double> values = {1, 2, 3};
  DeviceArray<double> array(values);
  EXPECT_EQ(array.size(), 3);
  EXPECT_EQ(array.host(), values);
  auto moved = std::move(array);
  EXPECT_EQ(moved.host(), values);
  EXPECT_EQ(DeviceArray<int>(3, 7).host(), (std::vector<int>{7, 7, 7}));
  EXPECT_TRUE(DeviceArray<int>(0).host().empty());
}

TEST(EmulatedMemory, IsNotANumberAtFirst) {
  for (const auto value : DeviceArray<float>(5).host()) EXPECT_TRUE(std::isnan(value));
  for (const auto value : DeviceArray<double>(5).host()) EXPECT_TRUE(std::isnan(value));
  for (const auto value : DeviceArray<std::int64_t>(5).host()) EXPECT_EQ(value, -1);
}

TEST(EmulatedLaunch, BlocksHaveAsManyThreadsAsATestWants) {
  const auto usual = most_shared();
  EXPECT_EQ(block_of(32), 32u);
  EXPECT_EQ(block_of(256), 64u);
  {
    const Limits limits(96, 1000);
    EXPECT_EQ(block_of(256), 96u);
    EXPECT_EQ(most_shared(), 1000u);
  }
  EXPECT_EQ(block_of(256), 64u);
  EXPECT_EQ(most_shared(), usual);
}

__global__ void nothing() {}

TEST(EmulatedLaunch, IsRefusedAsOnADevice) {
  EXPECT_THROW(launch(stream, {dim3(1), 2048}, nothing), DeviceError);
  EXPECT_THROW(launch(stream, {dim3(1, 70000), 32}, nothing), DeviceError);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "it has been told";
  cudaLaunchConfig_t config{};
  config.gridDim = config.blockDim = dim3(1);
  config.blockDim.x = 32;
  config.dynamicSmemBytes = 100 * 1024;
  EXPECT_NE(cudaLaunchKernelEx(&config, nothing), cudaSuccess) << "has not been asked for";
  EXPECT_NE(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  launch(stream, {dim3(1), 32, 100 * 1024}, nothing);
  launch(stream, {dim3(1), 32, 60 * 1024}, nothing);
  EXPECT_EQ(cudaLaunchKernelEx(&config, nothing), cudaSuccess) << "as recorded launches are, later";
  EXPECT_THROW(launch(stream, {dim3(1), 32, 1 << 20}, nothing), DeviceError);
}

}  // namespace
}  // namespace msae::kernels::cuda::test
