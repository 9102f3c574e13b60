#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <utility>

#include "msae/core/error.h"
#include "msae/train/cuda.h"
#include "train/precision.h"

namespace msae::train {
namespace {

std::unique_ptr<Engine> make_any_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  if (!model.decoder.is_cuda()) return make_engine(model, options);
  const auto obstacle = cuda_obstacle(model, options);
  const bool ours =
      options.engine == EngineKind::fused || (options.engine == EngineKind::automatic && obstacle.empty());
  if (ours) return make_cuda_engine(model, options);
  require_precision_of_autograd(model, options, obstacle);
  return make_autograd_engine(model, options);
}

}  // namespace

std::uint64_t free_device_memory(c10::Device device) {
  if (!device.is_cuda()) throw Error("device " + device.str() + ": is not a CUDA device");
  const c10::cuda::CUDAGuard guard(device);
  std::size_t free = 0, total = 0;
  if (const auto status = cudaMemGetInfo(&free, &total); status != cudaSuccess) {
    throw Error("device " + device.str() + ": " + cudaGetErrorString(status));
  }
  const auto kept = c10::cuda::CUDACachingAllocator::getDeviceStats(guard.current_device().index());
  constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto unused = kept.reserved_bytes[all].current - kept.allocated_bytes[all].current;
  return free + static_cast<std::uint64_t>(unused > 0 ? unused : 0);
}

TrainerParts cuda_parts(const models::SparseAutoencoder& model) {
  TrainerParts parts;
  parts.engine = make_any_engine;
  if (const auto device = model.decoder.device(); device.is_cuda()) {
    parts.free_memory = [device] { return free_device_memory(device); };
  }
  return parts;
}

CudaTrainer::CudaTrainer(models::SparseAutoencoder& model, TrainOptions options)
    : Trainer(model, std::move(options), cuda_parts(model)) {}

}  // namespace msae::train
