// Runs kernels on the CPU, so that sanitizers see what their threads do. Each thread of a block is a fiber
// that runs until it has to wait; what orders threads on a GPU, and nothing else, orders them for
// ThreadSanitizer. Blocks are dealt to teams of fibers: those of different teams are not ordered. Threads
// that wait for one that does not come end the process, as does an exception.
//
// Not emulated: static __shared__ arrays, warps that are not full, several dimensions of a block, and threads
// that wait for each other in loops of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "kernels/cuda/emulation/vector_types.h"

namespace emulation {

/// Threads of a block at most, on any device.
inline constexpr unsigned device_threads = 1024;

/// Calls `kernel` in all threads of all blocks, and returns when they are through.
/// \param threads of a block, a multiple of 32
/// \param shared bytes of a block's memory
void run(dim3 blocks, unsigned threads, std::size_t shared, const std::function<void()>& kernel);

/// The memory of the caller's block, aligned to 16 bytes; all its bits are set at first.
unsigned char* shared_memory();

void sync_block();
void sync_warp(unsigned mask);
/// What lane `from` of the caller's warp gives for `value`. Orders nothing, like those below.
/// \param what the name of the operation
std::uint64_t exchange(const char* what, unsigned mask, std::uint64_t value, unsigned from);
/// The lanes that say so.
unsigned vote(const char* what, unsigned mask, bool aye);

/// Says what is wrong, and aborts.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace emulation
