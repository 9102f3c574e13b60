// Faults of kernels: those that the emulation reports, and those that it shows to sanitizers (`--planted
// NAME`).
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "kernels/cuda/block.h"
#include "kernels/cuda/device.h"

namespace msae::kernels::cuda::test {
namespace {

constexpr unsigned threads = 64;

// In a new process: one that ThreadSanitizer has seen fork starts no threads.
class Faults : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

template <typename Act>
__global__ void each_thread(Act act) {
  act();
}

template <typename Act>
void in_each_thread(Act act, std::size_t shared = 0, unsigned blocks = 1) {
  launch(stream, {dim3(blocks), threads, shared}, each_thread<Act>, act);
}

TEST_F(Faults, AThreadThatReturnsBeforeABarrier) {
  const auto act = [] {
    if (threadIdx.x == 5) return;
    __syncthreads();
  };
  EXPECT_DEATH(
      in_each_thread(act),
      "block 0, 0 is stuck; 63 of 64 threads wait at __syncthreads; 1 have returned, the first is 5");
}

TEST_F(Faults, ALaneThatReturnsBeforeAShuffle) {
  const auto act = [] {
    if (threadIdx.x != 40) __shfl_xor_sync(all_lanes, 1, 1);
  };
  EXPECT_DEATH(in_each_thread(act),
               "31 of the 32 lanes of warp 1 wait at __shfl_xor_sync; 33 have returned, the first is 0");
}

TEST_F(Faults, LanesThatWaitForTheBlockWhileOthersVote) {
  const auto act = [] {
    if (threadIdx.x < 16) __syncthreads();
    if (threadIdx.x < warp) __ballot_sync(all_lanes, true);
    if (threadIdx.x >= 16) __syncthreads();
  };
  EXPECT_DEATH(in_each_thread(act),
               "48 of 64 threads wait at __syncthreads; 16 of the 32 lanes of warp 0 wait at __ballot_sync");
}

TEST_F(Faults, LanesThatShuffleDifferently) {
  const auto act = [] {
    if (threadIdx.x % 2 == 0) __shfl_xor_sync(all_lanes, 1, 1);
    if (threadIdx.x % 2 == 1) __shfl_up_sync(all_lanes, 1, 1);
  };
  EXPECT_DEATH(in_each_thread(act), "thread 1 is at __shfl_up_sync, others at __shfl_xor_sync");
}

TEST_F(Faults, ABarrierThatSomeThreadsPassOnceMore) {
  const auto act = [] {
    for (unsigned i = 0; i <= threadIdx.x / warp; ++i) __syncthreads();
  };
  EXPECT_DEATH(in_each_thread(act), "32 of 64 threads wait at __syncthreads; 32 have returned");
}

TEST_F(Faults, AMaskOfSomeLanes) {
  EXPECT_DEATH(in_each_thread([] { __ballot_sync(0xffffu, true); }),
               "some of a warp's lanes is not emulated");
}

TEST_F(Faults, AnException) {
  const auto act = [] {
    if (threadIdx.x == 3 && blockIdx.x == 2) throw std::runtime_error("no");
  };
  EXPECT_DEATH(in_each_thread(act, 0, 3), "thread 3 of block 2, 0 threw: no");
}

// Kernels with a fault, and without.

// Threads read what their neighbours have written.
void pass_on(bool barrier) {
  DeviceArray<unsigned> out(threads);
  const auto act = [barrier, to = out.data()] {
    auto* room = reinterpret_cast<unsigned*>(shared_memory());
    room[threadIdx.x] = threadIdx.x;
    if (barrier) __syncthreads();
    to[threadIdx.x] = room[(threadIdx.x + 1) % blockDim.x];
  };
  in_each_thread(act, threads * sizeof(unsigned));
}

// The barrier that lets them write again.
void pass_on_twice(bool barrier) {
  DeviceArray<unsigned> out(threads);
  const auto act = [barrier, to = out.data()] {
    auto* room = reinterpret_cast<unsigned*>(shared_memory());
    for (unsigned i = 0; i < 2; ++i) {
      room[threadIdx.x] = threadIdx.x;
      __syncthreads();
      to[threadIdx.x] = room[(threadIdx.x + 1) % blockDim.x];
      if (barrier) __syncthreads();
    }
  };
  in_each_thread(act, threads * sizeof(unsigned));
}

// A shuffle does not order memory.
void pass_on_in_a_warp(bool barrier) {
  DeviceArray<unsigned> out(threads);
  const auto act = [barrier, to = out.data()] {
    auto* room = reinterpret_cast<unsigned*>(shared_memory());
    room[threadIdx.x] = threadIdx.x;
    __shfl_xor_sync(all_lanes, 1, 1);
    if (barrier) __syncwarp();
    to[threadIdx.x] = room[threadIdx.x ^ 1];
  };
  in_each_thread(act, threads * sizeof(unsigned));
}

// Nor does a barrier order the blocks.
void count_blocks(bool atomic) {
  DeviceArray<unsigned> count(1, 0u);
  const auto act = [atomic, to = count.data()] {
    __syncthreads();
    if (threadIdx.x != 0) return;
    if (atomic) {
      atomicAdd(to, 1u);
    } else {
      ++*to;
    }
  };
  in_each_thread(act, 0, 3);
}

// Each has shared memory of its own.
void write_in_many_blocks() {
  constexpr unsigned blocks = 9;
  const auto act = [] {
    const auto place = (threadIdx.x + blockIdx.x) % blockDim.x;
    reinterpret_cast<unsigned*>(shared_memory())[place] = place;
  };
  in_each_thread(act, threads * sizeof(unsigned), blocks);
}

// The last thread writes elements that the one before it leaves out.
void write_upto(unsigned count) {
  DeviceArray<float> out(threads);
  in_each_thread([count, to = out.data()] {
    for (auto i = threadIdx.x; i < count; i += blockDim.x) to[i] = 1;
  });
}

void write_shared_upto(unsigned count) {
  const auto act = [count] {
    auto* room = reinterpret_cast<float*>(shared_memory());
    for (auto i = threadIdx.x; i < count; i += blockDim.x) room[i] = 1;
  };
  in_each_thread(act, threads * sizeof(float));
}

void write_own_upto(unsigned count) {
  DeviceArray<unsigned> out(threads);
  in_each_thread([count, to = out.data()] {
    unsigned four[4] = {};
    unsigned* volatile own = four;
    __syncthreads();
    for (unsigned i = 0; i < count; ++i) own[i] = i;
    to[threadIdx.x] = own[threadIdx.x % 4];
  });
}

void read_four_from(unsigned first) {
  DeviceArray<float> in(8, 1.0f), out(threads);
  in_each_thread([first, from = in.data(), to = out.data()] {
    to[threadIdx.x] = reinterpret_cast<const float4*>(from + first)->x;
  });
}

TEST(Planted, KernelsWithoutAFaultAreLeftAlone) {
  pass_on(true);
  pass_on_twice(true);
  pass_on_in_a_warp(true);
  count_blocks(true);
  write_in_many_blocks();
  write_upto(threads);
  write_shared_upto(threads);
  write_own_upto(4);
  read_four_from(4);
}

TEST(Planted, DISABLED_race) {
  pass_on(false);
}
TEST(Planted, DISABLED_race_of_rounds) {
  pass_on_twice(false);
}
TEST(Planted, DISABLED_race_of_lanes) {
  pass_on_in_a_warp(false);
}
TEST(Planted, DISABLED_race_of_blocks) {
  count_blocks(false);
}

TEST(Planted, DISABLED_bounds) {
  write_upto(threads + 1);
}
TEST(Planted, DISABLED_bounds_of_shared) {
  write_shared_upto(threads + 1);
}
TEST(Planted, DISABLED_bounds_of_own) {
  write_own_upto(5);
}
TEST(Planted, DISABLED_alignment) {
  read_four_from(1);
}

}  // namespace
}  // namespace msae::kernels::cuda::test
