// A thread of a kernel: a stack of its own, which runs when it is told to. Sanitizers know each one as a
// thread.
#pragma once

namespace emulation {

/// Asks for a function not to be looked at by ThreadSanitizer. What it calls still is, unless that is
/// inlined: it works with plain pointers.
#define EMULATION_UNSEEN __attribute__((no_sanitize("thread")))

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next resume() calls this, on an empty stack. It may not throw.
  void begin(void (*body)());
  /// Goes on with this fiber until it pauses or ends. That orders nothing that either has done.
  void resume();
  /// Of the fiber that is running: back to where it was resumed.
  void pause();

 private:
  static void run();
  void arrive();
  void go_back(void** fake_stack);

  char* memory_;
  void (*body_)() = nullptr;
  void* stack_pointer_ = nullptr;
  void* context_ = nullptr;     // what ThreadSanitizer knows it as
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  // The same of who has resumed it.
  void* resumer_ = nullptr;
  void* resumer_context_ = nullptr;
  const void* resumer_stack_ = nullptr;
  unsigned long resumer_stack_size_ = 0;
};

/// What the caller has done until now comes before what those do who follow() the same place from now on.
void precede(char* place);
void follow(char* place);

}  // namespace emulation
