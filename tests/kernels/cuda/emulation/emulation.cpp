#include "kernels/cuda/emulation/emulation.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cuda/emulation/cuda_runtime.h"
#include "kernels/cuda/emulation/fiber.h"

namespace emulation {
namespace {

constexpr unsigned warp = 32;

// Where `count` threads meet, again and again. Who leaves it for the next meeting may be ahead of those who
// have not left this one, but not further: two places for what they leave there are enough.
struct Meeting {
  unsigned count = 0, present = 0, turn = 0;
  const char* what = nullptr;
  char edge[2] = {};
};

struct Warp {
  Meeting meeting;
  std::uint64_t value[2][warp] = {};
};

// A thread of a kernel.
struct Worker {
  Fiber fiber;
  unsigned index = 0;
  bool done = false;
  const Meeting* meeting = nullptr;  // that it waits for
  unsigned turn = 0;
};

// Runs blocks, one after another.
struct Team {
  Worker* worker[device_threads] = {};
  Warp warp_of[device_threads / warp];
  Meeting block;
  unsigned threads = 0;
  // Memory of the block, and of all blocks of the launch: no two have the same, for nothing orders them.
  std::size_t shared_size = 0;
  unsigned char* shared = nullptr;
  std::vector<unsigned char*> all_shared;
  const std::function<void()>* kernel = nullptr;
  char begun = 0, ended = 0;  // what the blocks follow, and precede
};

// Each of two threads of the process works for two teams.
constexpr unsigned team_count = 4, process_threads = 2;
Team teams[team_count];

thread_local Team* team;
thread_local Worker* self;

void prepare(Team& to, unsigned threads, std::size_t shared, const std::function<void()>& kernel) {
  for (unsigned i = 0; i < threads; ++i) {
    if (!to.worker[i]) to.worker[i] = new Worker;
    to.worker[i]->index = i;
  }
  for (auto& one : to.warp_of) one.meeting.count = warp;
  to.block.count = to.threads = threads;
  to.shared_size = shared;
  to.kernel = &kernel;
}

// What each fiber does.
EMULATION_UNSEEN void work() noexcept {
  follow(&team->begun);
  try {
    (*team->kernel)();
  } catch (const std::exception& error) {
    fail("thread %u of block %u, %u threw: %s", threadIdx.x, blockIdx.x, blockIdx.y, error.what());
  } catch (...) {
    fail("thread %u of block %u, %u threw", threadIdx.x, blockIdx.x, blockIdx.y);
  }
  precede(&team->ended);
  self->done = true;
}

[[noreturn]] void fail_stuck(const Team& of) {
  std::string text;
  const auto tell = [&text](const Meeting& meeting, const std::string& whose) {
    if (meeting.present == 0) return;
    text += "; " + std::to_string(meeting.present) + " of " + whose + " wait at " + meeting.what;
  };
  tell(of.block, std::to_string(of.threads) + " threads");
  for (unsigned w = 0; w < of.threads / warp; ++w) {
    tell(of.warp_of[w].meeting, "the 32 lanes of warp " + std::to_string(w));
  }
  unsigned done = 0, first = 0;
  for (unsigned i = of.threads; i-- > 0;) {
    if (!of.worker[i]->done) continue;
    ++done;
    first = i;
  }
  if (done > 0) text += "; " + std::to_string(done) + " have returned, the first is " + std::to_string(first);
  fail("block %u, %u is stuck%s", blockIdx.x, blockIdx.y, text.c_str());
}

void take_shared_memory(Team& to) {
  if (to.shared_size == 0) return;
  void* memory = nullptr;
  if (posix_memalign(&memory, 16, to.shared_size) != 0) fail("no memory for a block");
  std::memset(memory, 0xff, to.shared_size);
  to.shared = static_cast<unsigned char*>(memory);
  to.all_shared.push_back(to.shared);
}

void free_shared_memory(Team& of) {
  for (auto* one : of.all_shared) std::free(one);
  of.all_shared.clear();
  of.shared = nullptr;
}

EMULATION_UNSEEN bool can_go_on(const Worker& worker) {
  return !worker.done && (!worker.meeting || worker.meeting->turn != worker.turn);
}

// Threads have their turns in this order and in the opposite one: what depends on it comes to light.
EMULATION_UNSEEN void run_block(Team& of) {
  take_shared_memory(of);
  precede(&of.begun);
  for (unsigned i = 0; i < of.threads; ++i) {
    of.worker[i]->done = false;
    of.worker[i]->fiber.begin(work);
  }
  team = &of;
  unsigned left = of.threads;
  for (bool forth = true; left > 0; forth = !forth) {
    bool stuck = true;
    for (unsigned i = 0; i < of.threads; ++i) {
      auto& worker = *of.worker[forth ? i : of.threads - 1 - i];
      if (!can_go_on(worker)) continue;
      stuck = false;
      self = &worker;
      threadIdx.x = worker.index;
      worker.fiber.resume();
      if (worker.done) --left;
    }
    if (stuck) fail_stuck(of);
  }
}

EMULATION_UNSEEN void run_blocks(dim3 blocks, unsigned first) {
  gridDim = blocks;
  blockDim = dim3(teams[0].threads);
  const auto count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
  for (std::uint64_t i = first; i < count; i += process_threads) {
    blockIdx.x = static_cast<unsigned>(i % blocks.x);
    blockIdx.y = static_cast<unsigned>(i / blocks.x % blocks.y);
    blockIdx.z = static_cast<unsigned>(i / blocks.x / blocks.y);
    run_block(teams[i % team_count]);
  }
  for (auto t = first; t < team_count; t += process_threads) follow(&teams[t].ended);
}

// Waits until all are there.
/// \param orders whether what they did before it comes before what they do after it
EMULATION_UNSEEN void meet(Meeting& meeting, const char* what, bool orders) {
  const auto turn = meeting.turn;
  if (meeting.present == 0) {
    meeting.what = what;
  } else if (meeting.what != what && std::strcmp(meeting.what, what) != 0) {
    fail("block %u, %u: thread %u is at %s, others at %s", blockIdx.x, blockIdx.y, self->index, what,
         meeting.what);
  }
  if (orders) precede(&meeting.edge[turn % 2]);
  if (++meeting.present == meeting.count) {
    meeting.present = 0;
    ++meeting.turn;
  } else {
    self->meeting = &meeting;
    self->turn = turn;
    self->fiber.pause();
    self->meeting = nullptr;
  }
  if (orders) follow(&meeting.edge[turn % 2]);
}

// The values of the caller's warp.
EMULATION_UNSEEN const std::uint64_t* gather(const char* what, unsigned mask, std::uint64_t value) {
  if (mask != 0xffffffffu) fail("%s of some of a warp's lanes is not emulated", what);
  auto& own = team->warp_of[self->index / warp];
  auto* values = own.value[own.meeting.turn % 2];
  values[self->index % warp] = value;
  meet(own.meeting, what, false);
  return values;
}

}  // namespace

void run(dim3 blocks, unsigned threads, std::size_t shared, const std::function<void()>& kernel) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const auto count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
  for (unsigned i = 0; i < team_count && i < count; ++i) prepare(teams[i], threads, shared, kernel);
  std::vector<std::thread> crew;
  for (unsigned i = 0; i < process_threads && i < count; ++i) crew.emplace_back(run_blocks, blocks, i);
  for (auto& one : crew) one.join();
  for (auto& one : teams) free_shared_memory(one);
}

EMULATION_UNSEEN unsigned char* shared_memory() {
  return team->shared;
}

EMULATION_UNSEEN void sync_block() {
  meet(team->block, "__syncthreads", true);
}

EMULATION_UNSEEN void sync_warp(unsigned mask) {
  if (mask != 0xffffffffu) fail("__syncwarp of some of a warp's lanes is not emulated");
  meet(team->warp_of[self->index / warp].meeting, "__syncwarp", true);
}

EMULATION_UNSEEN std::uint64_t exchange(const char* what, unsigned mask, std::uint64_t value, unsigned from) {
  return gather(what, mask, value)[from];
}

EMULATION_UNSEEN unsigned vote(const char* what, unsigned mask, bool aye) {
  const auto* ayes = gather(what, mask, aye ? 1 : 0);
  unsigned lanes = 0;
  for (unsigned i = 0; i < warp; ++i) lanes |= static_cast<unsigned>(ayes[i]) << i;
  return lanes;
}

void fail(const char* format, ...) {
  std::fputs("emulation: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputs("\n", stderr);
  std::abort();
}

}  // namespace emulation
