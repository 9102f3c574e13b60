#include "kernels/cuda/decode.h"

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"
#include "kernels/cuda/row_weights.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned most_threads = 256, count_threads = 1024;
// Of a block's memory, what errors of the levels may take: several blocks share it.
constexpr std::size_t most_errors = 40 * 1024;

std::size_t error_bytes(int levels, int dim) {
  return static_cast<std::size_t>(levels) * static_cast<std::size_t>(padded(dim)) * sizeof(float);
}

// A thread each group of eight columns, as far as there are threads.
unsigned threads_for(int dim) {
  const auto groups = static_cast<unsigned>(padded(dim) / group);
  const auto wanted = (groups + warp - 1) / warp * warp;
  return block_of(wanted < most_threads ? wanted : most_threads);
}

// Adds value * decoder row for entries first..last.
template <typename F>
__device__ void gather(Eight& sum, const F* decoder, std::int64_t width, const std::uint32_t* latent,
                       const float* value, std::uint32_t first, std::uint32_t last) {
  constexpr std::uint32_t at_once = 4;
  auto i = first;
  for (; i + at_once <= last; i += at_once) {
    Eight row[at_once];
#pragma unroll
    for (std::uint32_t n = 0; n < at_once; ++n) row[n] = load(decoder + latent[i + n] * width);
#pragma unroll
    for (std::uint32_t n = 0; n < at_once; ++n) add(sum, value[i + n], row[n]);
  }
  for (; i < last; ++i) add(sum, value[i], load(decoder + latent[i] * width));
}

__device__ Eight some(const float* from, int first, int columns) {
  Eight all = zeros();
  for (int i = 0; i < group; ++i) {
    if (first + i < columns) all.v[i] = from[first + i];
  }
  return all;
}

// A block a row.
template <typename F>
__global__ void decode_kernel(const __grid_constant__ Decode<F> work, bool shared_errors) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  const std::int64_t row = blockIdx.x, width = padded(work.dim);
  auto* errors = shared_errors ? reinterpret_cast<float*>(room + most_warps)
                               : work.room + row * work.levels.count * width;
  const auto* kept = work.kept + row * work.levels.count;
  const auto* begin = work.entries.begin + row * (work.levels.count + 1);
  const auto* latent = work.entries.latent + row * work.entries.capacity;
  const auto* value = work.entries.value + row * work.entries.capacity;
  const auto matrix = work.rows * width;
  const float row_weight = error_weight(work.weights, row);
  int last = work.levels.count - 1;  // that adds something: those beyond it reconstruct alike
  while (last > 0 && kept[last] == 0) --last;
  float last_weight = 0;
  for (int l = last; l < work.levels.count; ++l) last_weight += work.levels.weight[l];
  const auto weight_of = [&](int level) { return level < last ? work.levels.weight[level] : last_weight; };

  double loss = 0, residual = 0, widest = 0;
  for (int first = static_cast<int>(threadIdx.x) * group; first < width;
       first += static_cast<int>(blockDim.x) * group) {
    const auto at = row * width + first;
    const Eight target = load(work.target + at);
    Eight sum = some(work.pre_bias, first, work.dim);
    for (int l = 0; l <= last; ++l) {
      if (work.levels.is_dense(l)) {
        add(sum, 1, load(work.dense + work.levels.slot[l] * matrix + at));
      } else {
        gather(sum, work.decoder + first, width, latent, value, begin[l], begin[l + 1]);
      }
      Eight error = sum;
      add(error, -1, target);
      const auto square = static_cast<double>(dot(error, error, 0));
      loss += static_cast<double>(weight_of(l)) * square;
      if (l == 0) residual += square;
      if (l == last) widest += square;
      store(errors + l * width + first, error);
    }
    if (work.left) {
      Eight left = target;
      add(left, -1, sum);
      store(work.left + at, left);
    }
    Eight gradient = zeros();
    for (int l = last; l >= 0; --l) {
      add(gradient, row_weight * weight_of(l), load(errors + l * width + first));
      store(work.gradient + work.levels.slot[l] * matrix + at, gradient);
    }
    // Products read all of a matrix.
    for (int l = last + 1; l < work.levels.count; ++l) {
      if (work.levels.is_dense(l)) store(work.gradient + work.levels.slot[l] * matrix + at, zeros());
    }
  }
  loss = block_sum(loss, room);
  residual = block_sum(residual, room);
  widest = block_sum(widest, room);
  if (threadIdx.x != 0) return;
  work.loss[row] = loss * static_cast<double>(row_weight) / 2;
  if (work.sum) work.loss[row] += static_cast<double>(latents_weight(work.weights, row)) * work.sum[row];
  work.residual[row] = residual;
  work.widest[row] = widest;
}

// One block.
__global__ void count_left_kernel(int rows, const double* widest, Totals* totals) {
  auto* room = reinterpret_cast<int*>(shared_memory());
  int left = 0;
  for (int b = static_cast<int>(threadIdx.x); b < rows; b += static_cast<int>(blockDim.x)) {
    left += widest[b] > 0 ? 1 : 0;
  }
  left = block_sum(left, room);
  if (threadIdx.x == 0) totals->left_over = left;
}

// A block a row.
template <typename F>
__global__ void auxiliary_kernel(const __grid_constant__ DecodeAuxiliary<F> work) {
  if (work.totals->dead == 0) return;
  auto* room = reinterpret_cast<double*>(shared_memory());
  const std::int64_t row = blockIdx.x, width = padded(work.dim);
  const auto* begin = work.entries.begin + row * 2;
  const auto* latent = work.entries.latent + row * work.entries.capacity;
  const auto* value = work.entries.value + row * work.entries.capacity;
  const double rows = static_cast<double>(work.totals->left_over);
  const double weight =
      work.widest[row] > 0 ? 2 * work.scalars->factor * work.weight / (rows * work.widest[row]) : 0;
  double loss = 0;
  for (int first = static_cast<int>(threadIdx.x) * group; first < width;
       first += static_cast<int>(blockDim.x) * group) {
    Eight error = zeros();
    gather(error, work.decoder + first, width, latent, value, begin[0], begin[1]);
    add(error, -1, load(work.left + row * width + first));
    loss += static_cast<double>(dot(error, error, 0));
    Eight gradient = zeros();
    add(gradient, static_cast<float>(weight), error);
    store(work.gradient + row * width + first, gradient);
  }
  loss = block_sum(loss, room);
  if (threadIdx.x == 0) work.loss[row] += weight / 2 * loss;
}

}  // namespace

std::int64_t decode_room(int levels, int dim) {
  return error_bytes(levels, dim) <= most_errors ? 0 : levels * padded(dim);
}

template <typename F>
void decode(Stream stream, const Decode<F>& work) {
  const bool shared_errors = decode_room(work.levels.count, work.dim) == 0;
  const auto shared =
      most_warps * sizeof(double) + (shared_errors ? error_bytes(work.levels.count, work.dim) : 0);
  launch(stream, {dim3(static_cast<unsigned>(work.rows)), threads_for(work.dim), shared}, decode_kernel<F>,
         work, shared_errors);
}

template <typename F>
void decode(Stream stream, const DecodeAuxiliary<F>& work) {
  launch(stream, {dim3(1), block_of(count_threads), most_warps * sizeof(int)}, count_left_kernel, work.rows,
         work.widest, work.totals);
  launch(stream, {dim3(static_cast<unsigned>(work.rows)), threads_for(work.dim), most_warps * sizeof(double)},
         auxiliary_kernel<F>, work);
}

template void decode(Stream, const Decode<float>&);
template void decode(Stream, const Decode<bfloat16>&);
template void decode(Stream, const DecodeAuxiliary<float>&);
template void decode(Stream, const DecodeAuxiliary<bfloat16>&);

}  // namespace msae::kernels::cuda
