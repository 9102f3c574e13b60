// LibTorch's threads for the kernels, which do not know them.
#pragma once

#include "kernels/cpu/executor.h"

namespace msae::ops {

/// The threads of at::parallel_for, at::get_num_threads() of them; the caller's alone inside of it.
const kernels::Executor& torch_executor();

}  // namespace msae::ops
