#include <algorithm>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

template <typename T>
void pack(const Matrix<const T>& from, std::int64_t first, std::int64_t last, Sliced<T>& to) {
  for (std::int64_t s = 0; s < to.slices(); ++s) {
    const auto width = to.width(s);
    for (auto i = first; i < last; ++i) {
      auto* row = to.slice(s) + i * slice_width<T>;
      std::fill(std::copy_n(from.row(i) + s * slice_width<T>, width, row), row + slice_width<T>, T{0});
    }
  }
}

template void pack(const Matrix<const float>&, std::int64_t, std::int64_t, Sliced<float>&);
template void pack(const Matrix<const double>&, std::int64_t, std::int64_t, Sliced<double>&);

}  // namespace msae::kernels
