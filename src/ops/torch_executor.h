// LibTorch's threads and products for the kernels, which know neither.
#pragma once

#include "kernels/cpu/executor.h"
#include "kernels/cpu/step.h"

namespace msae::ops {

/// The threads of at::parallel_for, at::get_num_threads() of them; the caller's alone inside of it.
const kernels::Executor& torch_executor();

/// at::mm, single-threaded where it is called from the threads above.
template <typename T>
kernels::Product<T> torch_product();

}  // namespace msae::ops
