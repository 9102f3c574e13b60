#include "kernels/cuda/backward.h"

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"
#include "kernels/cuda/row_weights.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned column_threads = 128, dense_threads = 128, sum_threads = 128, total_threads = 1024;
constexpr int dense_rows = 8, sum_chunk = 16;

__device__ float slope(float latent, float soft_cap) {
  if (soft_cap == 0) return 1;
  const float share = latent / soft_cap;
  return 1 - share * share;
}

// So many blocks of latents that a multiprocessor has at least: what they sum up has to be in registers.
template <typename F, int each, bool encoder>
constexpr int latents_at_once = each <= 3 ? (!encoder && sizeof(F) == sizeof(bfloat16) ? 5 : 4)
                                          : (each <= 5 ? 3 : 2);

// A block a latent. A warp takes every so many of its entries; its lanes share the dimensions, eight of each
// `each` times 256. Without `encoder` nothing is summed up for the encoder's row.
template <typename F, int each, bool encoder>
__global__ void __launch_bounds__(column_threads, latents_at_once<F, each, encoder>)
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
  constexpr bool ahead = encoder && (sizeof(F) == sizeof(bfloat16) || each <= 2);
  Fetched<F> decoder[kept ? each : 1];
  Eight decoder_sum[each], encoder_sum[encoder ? each : 1];
  const auto decoder_of = [&](int v) { return fetch(work.decoder + j * width + first_of(v)); };
#pragma unroll
  for (int v = 0; v < each; ++v) {
    decoder_sum[v] = encoder_sum[encoder ? v : 0] = zeros();
    if (kept) decoder[kept ? v : 0] = first_of(v) < width ? decoder_of(v) : Fetched<F>{};
  }
  float bias = 0;
  bool fired = false;
  // Beyond the width there are zeros.
  const auto fetch_if = [&](bool wanted, const F* from, int v) {
    return wanted && first_of(v) < width ? fetch(from + first_of(v)) : Fetched<F>{};
  };
  const auto gradient_of = [&](std::uint32_t place, Fetched<F>(&to)[each]) {
    const auto* gradient = work.gradient + static_cast<int>(place & 255) * matrix + (place >> 8) * width;
#pragma unroll
    for (int v = 0; v < each; ++v) to[v] = fetch_if(true, gradient, v);
  };
  // Lanes read where the warp's next entries are; each entry's gradient is asked for while the one before it
  // is summed up, where registers allow that.
  constexpr bool next_too = !encoder;
  for (auto i = begin + warp_of_block(); i < end; i += warps_of_block() * warp) {
    const auto own = i + lane() * warps_of_block();
    const auto own_place = own < end ? work.columns.place[own] : 0;
    const float own_value = own < end ? work.columns.value[own] : 0;
    const int some = static_cast<int>(min((end - i + warps_of_block() - 1) / warps_of_block(), warp));
    Fetched<F> g_next[each];
    if (next_too) gradient_of(__shfl_sync(all_lanes, own_place, 0), g_next);
    for (int n = 0; n < some; ++n) {
      const auto place = __shfl_sync(all_lanes, own_place, n);
      const float value = __shfl_sync(all_lanes, own_value, n);
      const std::int64_t row = place >> 8;
      const bool auxiliary = static_cast<int>(place & 255) == work.auxiliary_slot,
                 apart = work.pre_gradient && !auxiliary;
      const auto* of_input = work.input + row * width;
      // All that the entry needs is asked for at once.
      Fetched<F> g_own[each], input[ahead ? each : 1];
      if (next_too) {
        const auto following = __shfl_sync(all_lanes, own_place, n + 1);
#pragma unroll
        for (int v = 0; v < each; ++v) g_own[v] = g_next[v];
        if (n + 1 < some) gradient_of(following, g_next);
      } else {
        gradient_of(place, g_own);
      }
      if (ahead) {
#pragma unroll
        for (int v = 0; v < each; ++v) input[ahead ? v : 0] = fetch_if(!apart, of_input, v);
      }
      float ds = 0;
#pragma unroll
      for (int v = 0; v < each; ++v) {
        const Eight g = eight(g_own[v]);
        if (kept) {
          ds = dot(g, eight(decoder[kept ? v : 0]), ds);
        } else if (first_of(v) < width) {
          ds = dot(g, eight(decoder_of(v)), ds);
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
      if (!encoder) continue;
      bias += dp;
#pragma unroll
      for (int v = 0; v < each; ++v) {
        add(encoder_sum[encoder ? v : 0], dp,
            eight(ahead ? input[ahead ? v : 0] : fetch_if(true, of_input, v)));
      }
    }
  }
  if (fired && lane() == 0) raise(&work.fired[j]);

  const auto total = [&](const auto& sums, float* to, bool adds) {
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
  if constexpr (encoder) {
    total(encoder_sum, work.encoder_gradient, false);
    auto* biases = room + warps_of_block() * width;
    if (lane() == 0) biases[warp_of_block()] = bias;
    __syncthreads();
    if (threadIdx.x != 0) return;
    float sum = 0;
    for (unsigned w = 0; w < warps_of_block(); ++w) sum += biases[w];
    work.latent_bias_gradient[j] = sum;
  }
}

template <typename F, int each>
void sparse_gradients_of(Stream stream, const SparseGradients<F>& work) {
  const auto block = block_of(column_threads);
  const auto room = (static_cast<std::size_t>(padded(work.dim)) + 1) * (block / warp) * sizeof(float);
  const Grid grid{dim3(static_cast<unsigned>(work.latents)), block, room};
  if (work.encoder_gradient) {
    launch(stream, grid, sparse_kernel<F, each, true>, work);
  } else {
    launch(stream, grid, sparse_kernel<F, each, false>, work);
  }
}

// A thread eight latents, a block some rows. Products of `at_once` levels are asked for together.
template <typename F, int at_once>
__global__ void __launch_bounds__(dense_threads, sizeof(F) == sizeof(bfloat16) ? 8 : 6)
    dense_kernel(const __grid_constant__ DenseGradients<F> work) {
  const auto width = padded(work.latents), matrix = work.count * width;
  const auto first = (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * group;
  if (first >= width) return;
  const int begin = static_cast<int>(blockIdx.x) * dense_rows, end = min(begin + dense_rows, work.count);
  unsigned fired = 0;
  const auto slots_of = [&](int r) {
    return *reinterpret_cast<const uint2*>(work.slot + (work.first + r) * width + first);
  };
  auto next = slots_of(begin);
  for (int r = begin; r < end; ++r) {
    const std::int64_t row = work.first + r, at = row * width + first;
    const auto words = next;
    if (r + 1 < end) next = slots_of(r + 1);
    int slot[group];
#pragma unroll
    for (int i = 0; i < group; ++i)
      slot[i] = static_cast<int>((i < 4 ? words.x : words.y) >> i % 4 * 8 & 255);
    Eight ds = zeros();
    for (int level = 0; level < work.dense; level += at_once) {
      // Those not needed are read, too, all from one place: a branch would wait for each.
      Fetched<F> product[at_once];
#pragma unroll
      for (int n = 0; n < at_once; ++n) {
        bool any = false;
#pragma unroll
        for (int i = 0; i < group; ++i) any = any || slot[i] == level + n;
        any = any && level + n < work.dense;
        product[n] = fetch(any ? work.product + (level + n) * matrix + r * width + first : work.product);
      }
#pragma unroll
      for (int n = 0; n < at_once; ++n) {
        const Eight of_level = eight(product[n]);
#pragma unroll
        for (int i = 0; i < group; ++i) ds.v[i] = slot[i] == level + n ? of_level.v[i] : ds.v[i];
      }
    }
    const float constant = latents_weight(work.weights, row);
#pragma unroll
    for (int i = 0; i < group; ++i) {
      const bool own = slot[i] < work.dense;
      fired |= own ? 1u << i : 0;
      ds.v[i] = own ? ds.v[i] + constant : 0;
    }
    if (work.soft_cap != 0) {
      for (int i = 0; i < group; ++i) {
        if (slot[i] >= work.dense) continue;
        ds.v[i] *= slope(to_float(work.values[slot[i] * work.rows * width + at + i]), work.soft_cap);
      }
    }
    store(work.pre_gradient + at, ds);
  }
  if (fired == 0) return;
  // Most flags have been set by other rows, and are not written again. All are asked for at once.
  unsigned raised = 0;
#pragma unroll
  for (int i = 0; i < group; ++i) {
    const auto latent = min(static_cast<int>(first) + i, work.latents - 1);
    raised |= is_raised(&work.fired[latent]) ? 1u << i : 0;
  }
#pragma unroll
  for (int i = 0; i < group; ++i) {
    if (((fired & ~raised) >> i & 1) != 0) raise(&work.fired[first + i]);
  }
}

// A thread eight columns, a block some rows.
template <typename F>
__global__ void sum_kernel(const __grid_constant__ SumRows<F> work) {
  const auto width = padded(work.columns);
  const auto first = (static_cast<std::int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * group;
  if (first >= width) return;
  const std::int64_t chunk = blockIdx.x, begin = chunk * sum_chunk;
  const auto end = begin + sum_chunk < work.rows ? begin + sum_chunk : work.rows;
  constexpr int at_once = 8;
  Eight sum = zeros();
  for (auto row = begin; row < end; row += at_once) {
    Fetched<F> rows[at_once];
#pragma unroll
    for (int n = 0; n < at_once; ++n) {
      rows[n] = row + n < end ? fetch(work.from + (row + n) * width + first) : Fetched<F>{};
    }
#pragma unroll
    for (int n = 0; n < at_once; ++n) {
      add(sum, work.weight && row + n < end ? work.weight[row + n] : 1, eight(rows[n]));
    }
  }
  store(work.room + chunk * width + first, sum);
}

// Lanes are columns, warps share the chunks.
template <typename F>
__global__ void sum_chunks_kernel(const __grid_constant__ SumRows<F> work, std::int64_t chunks) {
  auto* room = reinterpret_cast<float*>(shared_memory());  // [warps, lanes]
  const auto column = static_cast<int>(blockIdx.x * warp + lane());
  float sum = 0;
  if (column < work.columns) {
#pragma unroll 8
    for (std::int64_t c = warp_of_block(); c < chunks; c += warps_of_block()) {
      sum += work.room[c * padded(work.columns) + column];
    }
  }
  room[threadIdx.x] = sum;
  __syncthreads();
  if (warp_of_block() != 0 || column >= work.columns) return;
  sum = 0;
  for (unsigned w = 0; w < warps_of_block(); ++w) sum += room[w * warp + lane()];
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
  const dim3 blocks(blocks_for(work.count, dense_rows),
                    blocks_for(padded(work.latents), std::int64_t{block} * group));
  if (work.dense == 1) {
    launch(stream, {blocks, block}, dense_kernel<F, 1>, work);
  } else {
    launch(stream, {blocks, block}, dense_kernel<F, 4>, work);
  }
}

std::int64_t sum_room(std::int64_t rows, int columns) {
  return chunks_of(rows) * padded(columns);
}

template <typename F>
void sum_rows(Stream stream, const SumRows<F>& work) {
  const auto chunks = chunks_of(work.rows);
  const auto block = block_of(sum_threads);
  const dim3 blocks(static_cast<unsigned>(chunks),
                    blocks_for(padded(work.columns), std::int64_t{block} * group));
  launch(stream, {blocks, block}, sum_kernel<F>, work);
  const auto wide = block_of(total_threads);
  launch(stream, {dim3(blocks_for(work.columns, warp)), wide, wide * sizeof(float)}, sum_chunks_kernel<F>,
         work, chunks);
}

template void sparse_gradients(Stream, const SparseGradients<float>&);
template void sparse_gradients(Stream, const SparseGradients<bfloat16>&);
template void dense_gradients(Stream, const DenseGradients<float>&);
template void dense_gradients(Stream, const DenseGradients<bfloat16>&);
template void sum_rows(Stream, const SumRows<float>&);
template void sum_rows(Stream, const SumRows<bfloat16>&);

}  // namespace msae::kernels::cuda
