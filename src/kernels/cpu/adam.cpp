#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adam.cpp"
#include "kernels/cpu/simd.h"
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include <algorithm>
#include <cmath>

#include "kernels/cpu/adam.h"

HWY_BEFORE_NAMESPACE();
namespace msae::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
double dot(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    even = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), even);
    odd = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), odd);
  }
  double sum = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd))));
  for (; i < count; ++i) sum += static_cast<double>(a[i] * b[i]);
  return sum;
}

// to += factor * from
template <typename T>
void add_scaled(T factor, const T* HWY_RESTRICT from, std::int64_t count, T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto f = hn::Set(d, factor);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::MulAdd(f, hn::LoadU(d, from + i), hn::LoadU(d, to + i)), d, to + i);
  }
  for (; i < count; ++i) to[i] += factor * from[i];
}

template <typename T>
void scale(T factor, T* HWY_RESTRICT values, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto f = hn::Set(d, factor);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Mul(f, hn::LoadU(d, values + i)), d, values + i);
  for (; i < count; ++i) values[i] *= factor;
}

template <typename T>
void rescale_rows(const Rescale<T>& work, std::int64_t first, std::int64_t last) {
  const auto dim = work.decoder.columns;
  for (auto j = first; j < last; ++j) {
    auto *row = work.decoder.row(j), *gradient = work.decoder_gradient.row(j);
    if (work.rows != Rows::as_they_are) {
      auto norm = static_cast<T>(std::sqrt(dot(row, row, dim)));
      if (work.rows == Rows::rescale) {
        norm += work.epsilon;
        scale(1 / norm, row, dim);
        scale(norm, work.encoder.row(j), dim);
        work.latent_bias[j] *= norm;
        norm = 1;
      } else {
        norm = std::max(norm, work.epsilon);
      }
      const auto along = static_cast<T>(dot(gradient, row, dim)) / norm;
      add_scaled(-along / norm, row, dim, gradient);
    }
    const auto* encoder_gradient = work.encoder_gradient.row(j);
    const auto bias = static_cast<double>(work.latent_bias_gradient[j]);
    work.squares[j] =
        dot(gradient, gradient, dim) + dot(encoder_gradient, encoder_gradient, dim) + bias * bias;
  }
}

template <typename T>
void adam_step(const Adam<T>& step, const T* HWY_RESTRICT gradient, std::int64_t count,
               T* HWY_RESTRICT parameter, T* HWY_RESTRICT first, T* HWY_RESTRICT second) {
  const auto some = [&](auto d, std::int64_t i) {
    const auto g = hn::Mul(hn::LoadU(d, gradient + i), hn::Set(d, step.clip));
    const auto m =
        hn::MulAdd(hn::LoadU(d, first + i), hn::Set(d, step.beta1), hn::Mul(g, hn::Set(d, 1 - step.beta1)));
    const auto v = hn::MulAdd(hn::LoadU(d, second + i), hn::Set(d, step.beta2),
                              hn::Mul(hn::Mul(g, g), hn::Set(d, 1 - step.beta2)));
    const auto size = hn::MulAdd(hn::Sqrt(v), hn::Set(d, step.correction), hn::Set(d, step.epsilon));
    const auto decayed = hn::Mul(hn::LoadU(d, parameter + i), hn::Set(d, step.decay));
    hn::StoreU(m, d, first + i);
    hn::StoreU(v, d, second + i);
    hn::StoreU(hn::Sub(decayed, hn::Mul(hn::Set(d, step.rate), hn::Div(m, size))), d, parameter + i);
  };
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) some(d, i);
  for (; i < count; ++i) some(hn::CappedTag<T, 1>(), i);
}

template <typename T>
void to_unit(T* row, std::int64_t count, T epsilon) {
  scale(1 / std::max(static_cast<T>(std::sqrt(dot(row, row, count))), epsilon), row, count);
}

}  // namespace

void rescale32(const Rescale<float>& work, std::int64_t first, std::int64_t last) {
  rescale_rows(work, first, last);
}
void rescale64(const Rescale<double>& work, std::int64_t first, std::int64_t last) {
  rescale_rows(work, first, last);
}
void adam32(const Adam<float>& step, const float* g, std::int64_t count, float* p, float* m, float* v) {
  adam_step(step, g, count, p, m, v);
}
void adam64(const Adam<double>& step, const double* g, std::int64_t count, double* p, double* m, double* v) {
  adam_step(step, g, count, p, m, v);
}
void to_unit32(float* row, std::int64_t count, float epsilon) {
  to_unit(row, count, epsilon);
}
void to_unit64(double* row, std::int64_t count, double epsilon) {
  to_unit(row, count, epsilon);
}

}  // namespace msae::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace msae::kernels {
namespace {

HWY_EXPORT(rescale32);
HWY_EXPORT(rescale64);
HWY_EXPORT(adam32);
HWY_EXPORT(adam64);
HWY_EXPORT(to_unit32);
HWY_EXPORT(to_unit64);

}  // namespace

template <typename T>
void rescale(const Rescale<T>& work, std::int64_t first, std::int64_t last) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(rescale32)(work, first, last);
  } else {
    HWY_DYNAMIC_DISPATCH(rescale64)(work, first, last);
  }
}

template <typename T>
void adam(const Adam<T>& step, const T* gradient, std::int64_t count, T* parameter, T* first, T* second) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(adam32)(step, gradient, count, parameter, first, second);
  } else {
    HWY_DYNAMIC_DISPATCH(adam64)(step, gradient, count, parameter, first, second);
  }
}

template <typename T>
void to_unit_norm(T* row, std::int64_t count, T epsilon) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(to_unit32)(row, count, epsilon);
  } else {
    HWY_DYNAMIC_DISPATCH(to_unit64)(row, count, epsilon);
  }
}

template void rescale(const Rescale<float>&, std::int64_t, std::int64_t);
template void rescale(const Rescale<double>&, std::int64_t, std::int64_t);
template void adam(const Adam<float>&, const float*, std::int64_t, float*, float*, float*);
template void adam(const Adam<double>&, const double*, std::int64_t, double*, double*, double*);
template void to_unit_norm(float*, std::int64_t, float);
template void to_unit_norm(double*, std::int64_t, double);

}  // namespace msae::kernels
#endif
