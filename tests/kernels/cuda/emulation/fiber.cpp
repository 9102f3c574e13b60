#include "kernels/cuda/emulation/fiber.h"

#include <sanitizer/common_interface_defs.h>
#include <sanitizer/tsan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

// There only in programs that have the sanitizer.
#pragma weak __tsan_acquire
#pragma weak __tsan_release
#pragma weak __tsan_create_fiber
#pragma weak __tsan_destroy_fiber
#pragma weak __tsan_get_current_fiber
#pragma weak __tsan_switch_to_fiber
#pragma weak __sanitizer_start_switch_fiber
#pragma weak __sanitizer_finish_switch_fiber

// Saves what a function has to leave as it was on the stack, and the stack pointer at `save`; goes on from
// `take`, which another call has saved.
extern "C" void emulation_switch_stack(void** save, void* take);

#ifndef __x86_64__
#error "Fibers are written for x86-64 only"
#endif

asm(R"(
.text
.globl emulation_switch_stack
.type emulation_switch_stack, @function
emulation_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emulation_switch_stack, . - emulation_switch_stack
)");

namespace emulation {
namespace {

constexpr std::size_t stack_size = 256 * 1024;
constexpr std::size_t saved_registers = 6;

thread_local Fiber* running;

}  // namespace

// Its lowest page is not for use: a stack that overflows ends the process.
Fiber::Fiber() {
  void* memory =
      mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), PROT_NONE);
  memory_ = static_cast<char*>(memory);
  if (__tsan_create_fiber) context_ = __tsan_create_fiber(0);
}

Fiber::~Fiber() {
  if (context_) __tsan_destroy_fiber(context_);
  munmap(memory_, stack_size);
}

EMULATION_UNSEEN void Fiber::begin(void (*body)()) {
  body_ = body;
  fake_stack_ = nullptr;
  // As if run() had been called, from nowhere, and its first act were to switch.
  auto* top = reinterpret_cast<void**>(memory_ + stack_size);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&run);
  for (std::size_t i = 0; i < saved_registers; ++i) *--top = nullptr;
  stack_pointer_ = top;
}

EMULATION_UNSEEN void Fiber::resume() {
  running = this;
  void* own_fake_stack = nullptr;
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&own_fake_stack, memory_, stack_size);
  if (context_) {
    resumer_context_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(context_, __tsan_switch_to_fiber_no_sync);
  }
  emulation_switch_stack(&resumer_, stack_pointer_);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(own_fake_stack, nullptr, nullptr);
}

EMULATION_UNSEEN void Fiber::pause() {
  go_back(&fake_stack_);
  arrive();
}

__attribute__((no_sanitize("thread", "address"))) void Fiber::run() {
  auto* const fiber = running;
  fiber->arrive();
  fiber->body_();
  fiber->go_back(nullptr);
}

EMULATION_UNSEEN void Fiber::arrive() {
  if (!__sanitizer_finish_switch_fiber) return;
  __sanitizer_finish_switch_fiber(fake_stack_, &resumer_stack_, &resumer_stack_size_);
}

// A fake stack that nobody asks for is given up.
EMULATION_UNSEEN void Fiber::go_back(void** fake_stack) {
  if (__sanitizer_start_switch_fiber) {
    __sanitizer_start_switch_fiber(fake_stack, resumer_stack_, resumer_stack_size_);
  }
  if (context_) __tsan_switch_to_fiber(resumer_context_, __tsan_switch_to_fiber_no_sync);
  emulation_switch_stack(&stack_pointer_, resumer_);
}

EMULATION_UNSEEN void precede(char* place) {
  if (__tsan_release) __tsan_release(place);
}

EMULATION_UNSEEN void follow(char* place) {
  if (__tsan_acquire) __tsan_acquire(place);
}

}  // namespace emulation
