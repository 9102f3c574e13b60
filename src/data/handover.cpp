#include "data/handover.h"

#include <chrono>

namespace msae::data {

bool Handover::wait_for_room() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || made_ < taken_ + room_; });
  return !stopping_;
}

void Handover::made() {
  const std::lock_guard lock(mutex_);
  ++made_;
  changed_.notify_all();
}

void Handover::failed() {
  const std::lock_guard lock(mutex_);
  failure_ = std::current_exception();
  changed_.notify_all();
}

bool Handover::wait_for_made() {
  std::unique_lock lock(mutex_);
  const auto is_there = [this] { return stopping_ || made_ > taken_ || failure_; };
  if (!interrupt_) changed_.wait(lock, is_there);
  while (!changed_.wait_for(lock, std::chrono::milliseconds(50), is_there)) {
    if (*interrupt_) return false;  // set by a signal's handler, which can wake nobody
  }
  if (stopping_) return false;
  if (made_ == taken_) std::rethrow_exception(failure_);
  return true;
}

void Handover::taken() {
  const std::lock_guard lock(mutex_);
  ++taken_;
  changed_.notify_all();
}

void Handover::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Handover::reset() {
  stopping_ = false;
  failure_ = nullptr;
  made_ = taken_ = 0;
}

}  // namespace msae::data
