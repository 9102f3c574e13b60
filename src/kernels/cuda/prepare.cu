#include "kernels/cuda/prepare.h"

#include "kernels/cuda/block.h"
#include "kernels/cuda/eight.h"

namespace msae::kernels::cuda {
namespace {

constexpr unsigned row_threads = 128, count_threads = 1024;

// A block a row.
template <typename F>
__global__ void prepare_kernel(Prepare<F> work) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  const std::int64_t row = blockIdx.x;
  const auto width = padded(work.dim);
  const float scale = *work.scale;
  double square = 0;
  for (int d = static_cast<int>(threadIdx.x); d < width; d += static_cast<int>(blockDim.x)) {
    const bool inside = d < work.dim;
    const float x = inside ? (work.raw[row * work.dim + d] - work.mean[d]) * scale : 0;
    work.target[row * width + d] = x;
    work.input[row * width + d] = from_float<F>(inside ? x - work.pre_bias[d] : 0);
    square += static_cast<double>(x) * static_cast<double>(x);
  }
  square = block_sum(square, room);
  if (threadIdx.x == 0) work.square[row] = square;
}

// One block.
__global__ void count_kernel(int rows, const double* square, Totals* totals) {
  auto* room = reinterpret_cast<double*>(shared_memory());
  double counted = 0, sum = 0;
  for (int b = static_cast<int>(threadIdx.x); b < rows; b += static_cast<int>(blockDim.x)) {
    counted += square[b] > 0 ? 1 : 0;
    sum += square[b];
  }
  counted = block_sum(counted, room);
  sum = block_sum(sum, room);
  if (threadIdx.x != 0) return;
  Totals fresh;
  fresh.counted = static_cast<std::int64_t>(counted);
  fresh.square = sum;
  *totals = fresh;
}

__global__ void set_kernel(Scalars from, Scalars* to) {
  if (threadIdx.x == 0) *to = from;
}

template <typename F>
__global__ void factors_kernel(std::int64_t rows, int columns, const float* from, F* to) {
  const auto width = padded(columns);
  const auto step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * width;
       i += step) {
    const auto d = i % width;
    to[i] = from_float<F>(d < columns ? from[i / width * columns + d] : 0.0f);
  }
}

}  // namespace

template <typename F>
void prepare(Stream stream, const Prepare<F>& work) {
  launch(stream, {dim3(static_cast<unsigned>(work.rows)), block_of(row_threads), most_warps * sizeof(double)},
         prepare_kernel<F>, work);
}

void count_rows(Stream stream, int rows, const double* square, Totals* totals) {
  launch(stream, {dim3(1), block_of(count_threads), most_warps * sizeof(double)}, count_kernel, rows, square,
         totals);
}

void set(Stream stream, const Scalars& from, Scalars* to) {
  launch(stream, {dim3(1), block_of(warp)}, set_kernel, from, to);
}

template <typename F>
void to_factors(Stream stream, std::int64_t rows, int columns, const float* from, F* to) {
  constexpr std::int64_t each = 1024, most = 65535;
  const auto blocks = blocks_for(rows * padded(columns), each);
  launch(stream, {dim3(blocks < most ? blocks : most), block_of(256)}, factors_kernel<F>, rows, columns, from,
         to);
}

template void prepare(Stream, const Prepare<float>&);
template void prepare(Stream, const Prepare<bfloat16>&);
template void to_factors(Stream, std::int64_t, int, const float*, float*);
template void to_factors(Stream, std::int64_t, int, const float*, bfloat16*);

}  // namespace msae::kernels::cuda
