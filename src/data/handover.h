/// \file
/// How one thread makes what another takes, a few ahead.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>

namespace msae::data {

/// Number i of all that is made lies in slot i % room, which is the maker's until made() and the taker's
/// until taken(): neither needs a lock for what is in it.
class Handover {
 public:
  /// \param room      slots, at least 1
  /// \param interrupt ends the taker's waits, too, once it is true; it is looked at some times a second
  explicit Handover(std::int64_t room, const std::atomic<bool>* interrupt = nullptr)
      : room_(room), interrupt_(interrupt) {}

  /// The maker's: waits for a slot. False once stopped.
  bool wait_for_room();
  std::size_t slot_to_make() const { return static_cast<std::size_t>(made_ % room_); }
  void made();
  /// Nothing more is made, for the exception being handled.
  void failed();

  /// The taker's: waits for the next one. False once stopped, or interrupted while there was none.
  /// \throws what failed() was told of, when all that was made before is taken
  bool wait_for_made();
  std::size_t slot_to_take() const { return static_cast<std::size_t>(taken_ % room_); }
  void taken();

  /// Ends every wait, from any thread.
  void stop();
  const std::atomic<bool>& stopping() const { return stopping_; }
  /// As if new, once the maker's thread has ended.
  void reset();

 private:
  std::int64_t room_;
  const std::atomic<bool>* interrupt_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t made_ = 0, taken_ = 0;  // each is written by its own side, and read by that without the lock
  std::atomic<bool> stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace msae::data
