// Memory that a training step uses again and again.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace msae::kernels {

/// Uninitialised values that grow and never shrink. Large ones ask for huge pages: kernels jump between rows,
/// and every jump would look for a page's address.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size) { reserve(size); }

  /// Room for `size` values; what was there is lost where there was less. \throws std::bad_alloc
  void reserve(std::int64_t size) {
    if (size > capacity_) replace(size, 0);
  }

  /// Room for `size` values, an eighth more where there was less; the first `kept` stay.
  void grow(std::int64_t size, std::int64_t kept) {
    if (size > capacity_) replace(size + size / 8, kept);
  }

  T* data() { return memory_.get(); }
  const T* data() const { return memory_.get(); }
  T& operator[](std::int64_t i) { return memory_.get()[i]; }
  const T& operator[](std::int64_t i) const { return memory_.get()[i]; }
  std::int64_t bytes() const { return capacity_ * std::int64_t{sizeof(T)}; }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };

  static constexpr std::size_t line = 64, huge_page = std::size_t{1} << 21;

  void replace(std::int64_t size, std::int64_t kept) {
    const auto bytes = (static_cast<std::size_t>(size) * sizeof(T) + line - 1) / line * line;
    if (kept == 0) memory_.reset();
    void* memory = nullptr;
    if (posix_memalign(&memory, bytes >= huge_page ? huge_page : line, bytes) != 0) throw std::bad_alloc();
    std::unique_ptr<T, Free> fresh(static_cast<T*>(memory));
#ifdef MADV_HUGEPAGE
    // Not the rest, of which a whole page would be taken. Where it fails, pages are small.
    if (bytes >= huge_page) madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    if (kept > 0) std::memcpy(fresh.get(), memory_.get(), static_cast<std::size_t>(kept) * sizeof(T));
    memory_ = std::move(fresh);
    capacity_ = static_cast<std::int64_t>(bytes / sizeof(T));
  }

  std::unique_ptr<T, Free> memory_;
  std::int64_t capacity_ = 0;
};

}  // namespace msae::kernels
