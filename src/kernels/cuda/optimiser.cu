#include "kernels/cuda/optimiser.h"

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned row_threads = 128, one_block = 1024, latent_threads = 256;

// So many floats next to each other: 4, where rows are aligned to that, or 1.
template <int count>
struct Some {
  float v[count];
};

template <int count>
__device__ Some<count> take(const float* from) {
  if constexpr (count == 4) {
    const auto four = *reinterpret_cast<const float4*>(from);
    return {{four.x, four.y, four.z, four.w}};
  } else {
    return {{*from}};
  }
}

template <int count>
__device__ void put(float* to, const Some<count>& some) {
  if constexpr (count == 4) {
    *reinterpret_cast<float4*>(to) = make_float4(some.v[0], some.v[1], some.v[2], some.v[3]);
  } else {
    *to = some.v[0];
  }
}

template <int count>
__device__ void put_factors(float* to, const Some<count>& some) {
  put(to, some);
}

template <int count>
__device__ void put_factors(bfloat16* to, const Some<count>& some) {
  if constexpr (count == 4) {
    const auto words = make_uint2(pair_of(some.v[0], some.v[1]), pair_of(some.v[2], some.v[3]));
    __stwb(reinterpret_cast<uint2*>(to), words);
  } else {
    *to = from_float<bfloat16>(some.v[0]);
  }
}

// Each thread its columns of a row, some at a time.
template <int count, typename Use>
__device__ void for_columns(int dim, Use use) {
  for (int d = static_cast<int>(threadIdx.x) * count; d < dim; d += static_cast<int>(blockDim.x) * count)
    use(d);
}

// The norm of a row, or `epsilon` where that is larger. NaN stays NaN, so that it is seen.
__device__ float least_norm(float norm, float epsilon) {
  return norm < epsilon ? epsilon : norm;
}

__device__ double square(float value) {
  return static_cast<double>(value) * static_cast<double>(value);
}

// A block a latent: rescales or projects, and takes the norm of what is left.
template <typename F, int count>
__global__ void rescale_kernel(const __grid_constant__ Optimise<F> work) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  const std::int64_t j = blockIdx.x, width = padded(work.dim);
  auto *row = work.decoder.value + j * work.dim, *encoder = work.encoder.value + j * work.dim;
  auto *gradient = work.decoder.gradient + j * width, *encoder_gradient = work.encoder.gradient + j * width;
  float factor = 0;  // of the row, taken out of the gradient
  if (work.before != Rows::as_they_are) {
    double own = 0, along = 0;
    for_columns<count>(work.dim, [&](int d) {
      const auto w = take<count>(row + d), g = take<count>(gradient + d);
#pragma unroll
      for (int i = 0; i < count; ++i) {
        own += square(w.v[i]);
        along += static_cast<double>(w.v[i]) * static_cast<double>(g.v[i]);
      }
    });
    own = block_sum(own, room);
    along = block_sum(along, room);
    auto norm = static_cast<float>(sqrt(own));
    if (work.before == Rows::rescale) {
      norm += work.row_epsilon;
      for_columns<count>(work.dim, [&](int d) {
        auto w = take<count>(row + d), v = take<count>(encoder + d);
#pragma unroll
        for (int i = 0; i < count; ++i) {
          w.v[i] /= norm;
          v.v[i] *= norm;
        }
        put(row + d, w);
        put(encoder + d, v);
      });
      if (threadIdx.x == 0) work.latent_bias.value[j] *= norm;
      factor = static_cast<float>(along / static_cast<double>(norm));
    } else {
      norm = least_norm(norm, work.row_epsilon);
      factor = static_cast<float>(along / (static_cast<double>(norm) * static_cast<double>(norm)));
    }
  }
  double squares = 0;
  for_columns<count>(work.dim, [&](int d) {
    auto g = take<count>(gradient + d);
    const auto v = take<count>(encoder_gradient + d);
    if (work.before != Rows::as_they_are) {
      const auto w = take<count>(row + d);
#pragma unroll
      for (int i = 0; i < count; ++i) g.v[i] = fmaf(-factor, w.v[i], g.v[i]);
      put(gradient + d, g);
    }
#pragma unroll
    for (int i = 0; i < count; ++i) squares += square(g.v[i]) + square(v.v[i]);
  });
  squares = block_sum(squares, room);
  if (threadIdx.x == 0) work.squares[j] = squares + square(work.latent_bias.gradient[j]);
}

// One block.
template <typename F>
__global__ void clip_kernel(const __grid_constant__ Optimise<F> work) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  double squares = 0;
  for (auto j = threadIdx.x; j < static_cast<unsigned>(work.latents); j += blockDim.x)
    squares += work.squares[j];
  for (auto d = threadIdx.x; d < static_cast<unsigned>(work.dim); d += blockDim.x) {
    squares += square(work.pre_bias.gradient[d]);
  }
  squares = block_sum(squares, room);
  if (threadIdx.x != 0) return;
  const double share = static_cast<double>(work.clip) / (sqrt(squares) + 1e-6);
  work.totals->clip = work.clip > 0 && share < 1 ? share : 1;  // NaN leaves gradients as they are
}

// One step of AdamW on some numbers.
template <typename F, int count>
struct Step {
  float clip, decay, rate, correction, beta1, beta2, epsilon;

  __device__ explicit Step(const Optimise<F>& work)
      : clip(static_cast<float>(work.totals->clip)),
        decay(work.scalars->decay),
        rate(work.scalars->rate),
        correction(work.scalars->correction),
        beta1(work.beta1),
        beta2(work.beta2),
        epsilon(work.epsilon) {}

  __device__ Some<count> operator()(const Trained& trained, std::int64_t at, std::int64_t gradient_at) const {
    auto value = take<count>(trained.value + at), first = take<count>(trained.first + at);
    auto second = take<count>(trained.second + at);
    const auto gradient = take<count>(trained.gradient + gradient_at);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const float g = gradient.v[i] * clip;
      first.v[i] = fmaf(first.v[i], beta1, g * (1 - beta1));
      second.v[i] = fmaf(second.v[i], beta2, g * g * (1 - beta2));
      const float size = fmaf(sqrtf(second.v[i]), correction, epsilon);
      value.v[i] = value.v[i] * decay - rate * (first.v[i] / size);
    }
    put(trained.first + at, first);
    put(trained.second + at, second);
    return value;
  }
};

// A block a latent, and one more for pre_bias.
template <typename F, int count>
__global__ void adam_kernel(const __grid_constant__ Optimise<F> work) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  auto* updated = reinterpret_cast<float*>(room + most_warps);  // [dim], the decoder's row
  const std::int64_t j = blockIdx.x, width = padded(work.dim);
  if (j == work.latents) {
    const Step<F, 1> step(work);
    for_columns<1>(work.dim, [&](int d) { put(work.pre_bias.value + d, step(work.pre_bias, d, d)); });
    return;
  }
  const Step<F, count> step(work);
  double own = 0;
  for_columns<count>(work.dim, [&](int d) {
    const auto at = j * work.dim + d, padded_at = j * width + d;
    const auto encoder = step(work.encoder, at, padded_at);
    put(work.encoder.value + at, encoder);
    if (work.encoder_factors) put_factors(work.encoder_factors + padded_at, encoder);
    const auto decoder = step(work.decoder, at, padded_at);
    put(updated + d, decoder);
#pragma unroll
    for (int i = 0; i < count; ++i) own += square(decoder.v[i]);
  });
  float norm = 1;
  if (work.unit_after) norm = least_norm(static_cast<float>(sqrt(block_sum(own, room))), work.row_epsilon);
  for_columns<count>(work.dim, [&](int d) {
    auto decoder = take<count>(updated + d);
#pragma unroll
    for (int i = 0; i < count; ++i) decoder.v[i] /= norm;
    put(work.decoder.value + j * work.dim + d, decoder);
    if (work.decoder_factors) put_factors(work.decoder_factors + j * width + d, decoder);
  });
  if (threadIdx.x != 0) return;
  const Step<F, 1> one(work);
  put(work.latent_bias.value + j, one(work.latent_bias, j, j));
}

template <typename F, int count>
void optimise_by(Stream stream, const Optimise<F>& work) {
  const auto latents = static_cast<unsigned>(work.latents);
  const auto block = block_of(row_threads);
  constexpr auto sums = most_warps * sizeof(double);
  const auto row = static_cast<std::size_t>(padded(work.dim)) * sizeof(float);
  launch(stream, {dim3(latents), block, sums}, rescale_kernel<F, count>, work);
  launch(stream, {dim3(1), block_of(one_block), sums}, clip_kernel<F>, work);
  launch(stream, {dim3(latents + 1), block, sums + row}, adam_kernel<F, count>, work);
}

// A thread a latent.
__global__ void dead_kernel(const __grid_constant__ MarkDead work) {
  auto* room = reinterpret_cast<int*>(shared_memory());
  const auto j = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const auto seen = work.scalars->rows_seen - work.rows;
  const bool dead = j < work.latents && seen - work.last_active[j] > work.dead_after;
  if (j < work.latents) work.dead[j] = dead ? 1 : 0;
  const int count = block_sum(dead ? 1 : 0, room);
  if (threadIdx.x == 0 && count > 0) atomicAdd(&work.totals->dead, static_cast<unsigned long long>(count));
}

// A block a level, and one more for the sums of losses.
__global__ void sums_kernel(const __grid_constant__ CountStep work) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  const int level = static_cast<int>(blockIdx.x);
  if (level < work.levels) {
    unsigned long long count = 0;
    for (std::int64_t b = threadIdx.x; b < work.rows; b += blockDim.x)
      count += work.kept[b * work.levels + level];
    count = block_sum(count, reinterpret_cast<unsigned long long*>(room));
    if (threadIdx.x != 0) return;
    work.counts[level] = count;
    if (level == 0) work.sums[3] += static_cast<double>(count);
    return;
  }
  double loss = 0, residual = 0;
  for (int b = static_cast<int>(threadIdx.x); b < work.rows; b += static_cast<int>(blockDim.x)) {
    loss += work.loss[b];
    residual += work.residual[b];
  }
  loss = block_sum(loss, room);
  residual = block_sum(residual, room);
  if (threadIdx.x != 0) return;
  work.sums[0] += loss * work.scalars->loss_weight * work.rows;
  work.sums[1] += residual;
  work.sums[2] += work.totals->square;
  work.sums[4] += work.rows;
}

// A thread a latent.
__global__ void fired_kernel(const __grid_constant__ CountStep work) {
  const auto j = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= work.latents || work.fired[j] == 0) return;
  work.fired[j] = 0;
  work.last_active[j] = work.scalars->rows_seen;
}

}  // namespace

template <typename F>
void optimise(Stream stream, const Optimise<F>& work) {
  if (work.dim % 4 == 0) {
    optimise_by<F, 4>(stream, work);
  } else {
    optimise_by<F, 1>(stream, work);
  }
}

void mark_dead(Stream stream, const MarkDead& work) {
  const auto block = block_of(latent_threads);
  launch(stream, {dim3(blocks_for(work.latents, block)), block, most_warps * sizeof(int)}, dead_kernel, work);
}

void count_step(Stream stream, const CountStep& work) {
  launch(stream,
         {dim3(static_cast<unsigned>(work.levels) + 1), block_of(one_block), most_warps * sizeof(double)},
         sums_kernel, work);
  const auto block = block_of(latent_threads);
  launch(stream, {dim3(blocks_for(work.latents, block)), block}, fired_kernel, work);
}

template void optimise(Stream, const Optimise<float>&);
template void optimise(Stream, const Optimise<bfloat16>&);

}  // namespace msae::kernels::cuda
