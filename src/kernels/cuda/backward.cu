#include "kernels/cuda/backward.h"

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"
#include "kernels/cuda/row_weights.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned column_threads = 128, dense_threads = 128, sum_threads = 128;
constexpr int dense_rows = 16, sum_chunk = 64;
static_assert(most_rows <= std::int64_t{65535} * dense_rows, "as high as a grid may be");

__device__ float slope(float latent, float soft_cap) {
  if (soft_cap == 0) return 1;
  const float share = latent / soft_cap;
  return 1 - share * share;
}

// A block a latent. A warp takes every so many of its entries; its lanes share the dimensions, eight of each
// `each` times 256.
template <typename F, int each>
__global__ void __launch_bounds__(column_threads, each <= 3 ? 4 : (each <= 5 ? 3 : 2))
    sparse_kernel(const __grid_constant__ SparseGradients<F> work) {
  auto* room = reinterpret_cast<float*>(shared_memory());  // [warps, width], then [warps]
  const std::int64_t j = blockIdx.x, width = padded(work.dim);
  const auto begin = work.columns.begin[j], end = work.columns.begin[j + 1];
  const std::int64_t matrix = static_cast<std::int64_t>(work.weights.rows) * width;
  const auto first_of = [&](int v) {
    return v * static_cast<int>(warp) * group + static_cast<int>(lane()) * group;
  };
  constexpr bool kept = each <= 4 || each == 6;  // the decoder's row; elsewhere registers are too few
  // So are they for the input of floats, which is asked for before its factor is known where there is room.
  constexpr bool ahead = sizeof(F) == sizeof(bfloat16) || each <= 2;
  Eight decoder[kept ? each : 1], decoder_sum[each], encoder_sum[each];
  const auto decoder_of = [&](int v) { return load(work.decoder + j * width + first_of(v)); };
#pragma unroll
  for (int v = 0; v < each; ++v) {
    decoder_sum[v] = encoder_sum[v] = zeros();
    if (kept) decoder[kept ? v : 0] = first_of(v) < width ? decoder_of(v) : zeros();
  }
  float bias = 0;
  bool fired = false;
  for (auto i = begin + warp_of_block(); i < end; i += warps_of_block()) {
    const auto place = work.columns.place[i];
    const float value = work.columns.value[i];
    const std::int64_t row = place >> 8;
    const int slot = static_cast<int>(place & 255);
    const bool auxiliary = slot == work.auxiliary_slot, apart = work.pre_gradient && !auxiliary;
    const auto* gradient = work.gradient + slot * matrix + row * width;
    // All that the entry needs is asked for at once; beyond the width there are zeros.
    const auto fetch_if = [&](bool wanted, const F* from, int v) {
      return wanted && first_of(v) < width ? fetch(from + first_of(v)) : Fetched<F>{};
    };
    const auto* of_input = work.input + row * width;
    Fetched<F> own[each], input[ahead ? each : 1];
#pragma unroll
    for (int v = 0; v < each; ++v) own[v] = fetch_if(true, gradient, v);
    if (ahead) {
#pragma unroll
      for (int v = 0; v < each; ++v) input[ahead ? v : 0] = fetch_if(!apart, of_input, v);
    }
    float ds = 0;
#pragma unroll
    for (int v = 0; v < each; ++v) {
      const Eight g = eight(own[v]);
      if (kept) {
        ds = dot(g, decoder[kept ? v : 0], ds);
      } else if (first_of(v) < width) {
        ds = dot(g, decoder_of(v), ds);
      }
      add(decoder_sum[v], value, g);
    }
    ds = warp_sum(ds);
    if (!auxiliary) {
      ds += latents_weight(work.weights, row);
      fired = true;
    }
    const float dp = ds * slope(value, work.soft_cap);
    if (apart) {
      if (lane() == 0) work.pre_gradient[row * padded(work.latents) + j] = from_float<F>(dp);
      continue;
    }
    bias += dp;
#pragma unroll
    for (int v = 0; v < each; ++v) {
      add(encoder_sum[v], dp, eight(ahead ? input[ahead ? v : 0] : fetch_if(true, of_input, v)));
    }
  }
  if (fired && lane() == 0) raise(&work.fired[j]);

  const auto total = [&](const Eight(&sums)[each], float* to, bool adds) {
    __syncthreads();
#pragma unroll
    for (int v = 0; v < each; ++v) {
      if (first_of(v) < width) store(room + warp_of_block() * width + first_of(v), sums[v]);
    }
    __syncthreads();
    for (auto d = static_cast<std::int64_t>(threadIdx.x); d < width; d += blockDim.x) {
      float sum = adds ? to[j * width + d] : 0;
      for (unsigned w = 0; w < warps_of_block(); ++w) sum += room[w * width + d];
      to[j * width + d] = sum;
    }
  };
  if (!work.adds || begin != end) total(decoder_sum, work.decoder_gradient, work.adds);
  if (!work.encoder_gradient) return;
  total(encoder_sum, work.encoder_gradient, false);
  auto* biases = room + warps_of_block() * width;
  if (lane() == 0) biases[warp_of_block()] = bias;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float sum = 0;
  for (unsigned w = 0; w < warps_of_block(); ++w) sum += biases[w];
  work.latent_bias_gradient[j] = sum;
}

template <typename F, int each>
void sparse_gradients_of(Stream stream, const SparseGradients<F>& work) {
  const auto block = block_of(column_threads);
  const auto room = (static_cast<std::size_t>(padded(work.dim)) + 1) * (block / warp) * sizeof(float);
  launch(stream, {dim3(static_cast<unsigned>(work.latents)), block, room}, sparse_kernel<F, each>, work);
}

// A thread eight latents, a block some rows.
template <typename F>
__global__ void dense_kernel(const __grid_constant__ DenseGradients<F> work) {
  const auto width = padded(work.latents);
  const auto first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * group;
  if (first >= width) return;
  const int begin = static_cast<int>(blockIdx.y) * dense_rows, end = min(begin + dense_rows, work.count);
  unsigned fired = 0;
  for (int r = begin; r < end; ++r) {
    const std::int64_t row = work.first + r, at = row * width + first;
    const auto words = *reinterpret_cast<const uint2*>(work.slot + at);
    const unsigned word[2] = {words.x, words.y};
    const float constant = latents_weight(work.weights, row);
    Eight gradient = zeros();
#pragma unroll
    for (int i = 0; i < group; ++i) {
      const int slot = static_cast<int>(word[i / 4] >> i % 4 * 8 & 255);
      if (slot >= work.dense) continue;
      fired |= 1u << i;
      const float ds =
          to_float(work.product[(static_cast<std::int64_t>(slot) * work.count + r) * width + first + i]) +
          constant;
      float value = 0;
      if (work.soft_cap != 0) {
        value = to_float(work.values[(static_cast<std::int64_t>(slot) * work.rows) * width + at + i]);
      }
      gradient.v[i] = ds * slope(value, work.soft_cap);
    }
    store(work.pre_gradient + at, gradient);
  }
#pragma unroll
  for (int i = 0; i < group; ++i) {
    if ((fired >> i & 1) != 0) raise(&work.fired[first + i]);
  }
}

// A thread eight columns, a block some rows.
template <typename F>
__global__ void sum_kernel(const __grid_constant__ SumRows<F> work) {
  const auto width = padded(work.columns);
  const auto first = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * group;
  if (first >= width) return;
  const std::int64_t chunk = blockIdx.y, begin = chunk * sum_chunk;
  const auto end = begin + sum_chunk < work.rows ? begin + sum_chunk : work.rows;
  Eight sum = zeros();
  for (auto row = begin; row < end; ++row) {
    add(sum, work.weight ? work.weight[row] : 1, load(work.from + row * width + first));
  }
  store(work.room + chunk * width + first, sum);
}

template <typename F>
__global__ void sum_chunks_kernel(const __grid_constant__ SumRows<F> work, std::int64_t chunks) {
  const auto column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= work.columns) return;
  float sum = 0;
#pragma unroll 8
  for (std::int64_t c = 0; c < chunks; ++c) sum += work.room[c * padded(work.columns) + column];
  work.to[column] = (work.adds ? work.to[column] : 0) + work.sign * sum;
}

std::int64_t chunks_of(std::int64_t rows) {
  return (rows + sum_chunk - 1) / sum_chunk;
}

}  // namespace

template <typename F>
void sparse_gradients(Stream stream, const SparseGradients<F>& work) {
  constexpr int share = static_cast<int>(warp) * group;
  switch ((static_cast<int>(padded(work.dim)) + share - 1) / share) {
    case 1:
      return sparse_gradients_of<F, 1>(stream, work);
    case 2:
      return sparse_gradients_of<F, 2>(stream, work);
    case 3:
      return sparse_gradients_of<F, 3>(stream, work);
    case 4:
      return sparse_gradients_of<F, 4>(stream, work);
    case 5:
      return sparse_gradients_of<F, 5>(stream, work);
    case 6:
      return sparse_gradients_of<F, 6>(stream, work);
    case 7:
    case 8:
      return sparse_gradients_of<F, 8>(stream, work);
    default:
      throw std::invalid_argument("dim: at most " + std::to_string(most_dimensions));
  }
}

template <typename F>
void dense_gradients(Stream stream, const DenseGradients<F>& work) {
  const auto block = block_of(dense_threads);
  const dim3 blocks(blocks_for(padded(work.latents), std::int64_t{block} * group),
                    blocks_for(work.count, dense_rows));
  launch(stream, {blocks, block}, dense_kernel<F>, work);
}

std::int64_t sum_room(std::int64_t rows, int columns) {
  return chunks_of(rows) * padded(columns);
}

template <typename F>
void sum_rows(Stream stream, const SumRows<F>& work) {
  const auto chunks = chunks_of(work.rows);
  const auto block = block_of(sum_threads);
  const dim3 blocks(blocks_for(padded(work.columns), std::int64_t{block} * group),
                    static_cast<unsigned>(chunks));
  launch(stream, {blocks, block}, sum_kernel<F>, work);
  launch(stream, {dim3(blocks_for(work.columns, block)), block}, sum_chunks_kernel<F>, work, chunks);
}

template void sparse_gradients(Stream, const SparseGradients<float>&);
template void sparse_gradients(Stream, const SparseGradients<bfloat16>&);
template void dense_gradients(Stream, const DenseGradients<float>&);
template void dense_gradients(Stream, const DenseGradients<bfloat16>&);
template void sum_rows(Stream, const SumRows<float>&);
template void sum_rows(Stream, const SumRows<bfloat16>&);

}  // namespace msae::kernels::cuda
