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

  /// Room for `size` values, half as much again where there was less; the first `kept` stay.
  void grow(std::int64_t size, std::int64_t kept) {
    if (size > capacity_) replace(size + size / 2, kept);
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
    const auto wanted = static_cast<std::size_t>(size) * sizeof(T);
    const auto alignment = wanted >= huge_page ? huge_page : line;
    const auto bytes = (wanted + alignment - 1) / alignment * alignment;
    if (kept == 0) memory_.reset();
    std::unique_ptr<T, Free> fresh(static_cast<T*>(std::aligned_alloc(alignment, bytes)));
    if (!fresh) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (alignment == huge_page)
      madvise(fresh.get(), bytes, MADV_HUGEPAGE);  // where it fails, pages are small
#endif
    if (kept > 0) std::memcpy(fresh.get(), memory_.get(), static_cast<std::size_t>(kept) * sizeof(T));
    memory_ = std::move(fresh);
    capacity_ = static_cast<std::int64_t>(bytes / sizeof(T));
  }

  std::unique_ptr<T, Free> memory_;
  std::int64_t capacity_ = 0;
};

}  // namespace msae::kernels
