#include "benchmarks/gpu/training.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <chrono>
#include <iostream>

#include "benchmarks/gpu/hashed_rows.h"
#include "msae/train/cuda.h"
#include "ops/torch_executor.h"

namespace msae::gpu_benchmark {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TrainingTimes time_training(std::int64_t rows, std::int64_t dim, std::int64_t epochs,
                            train::Precision precision) {
  using namespace c10::cuda::CUDACachingAllocator;
  HashedRows source(rows, dim, ops::torch_executor());
  const auto latents = 8 * dim;
  models::SparseAutoencoder model(
      {.dim = dim, .latents = latents, .activation = models::Matryoshka{models::default_levels(latents)}});
  model.to(torch::kCUDA);
  const auto device = model.decoder.device().index();
  emptyCache();
  resetPeakStats(device);
  train::TrainOptions options{.epochs = epochs};
  options.engine = train::EngineKind::fused;
  options.fused.precision = precision;
  train::CudaTrainer trainer(model, options);
  trainer.on_progress([](const train::Progress& p) {
    std::cerr << "step " << p.step << " of " << p.steps << ", loss " << p.metrics.loss << ", "
              << p.rows_per_second << " rows/s\n";
  });
  const auto start = std::chrono::steady_clock::now();
  const auto result = trainer.fit(source);
  c10::cuda::getCurrentCUDAStream().synchronize();
  TrainingTimes found{.rows = rows, .dim = dim, .latents = latents, .epochs = epochs, .steps = result.steps};
  found.seconds = seconds_since(start);
  found.training = result.seconds;
  found.reading = found.seconds - result.seconds;
  found.making = source.seconds();
  found.step_ms = result.step_milliseconds;
  found.rows_per_second = static_cast<double>(rows) * static_cast<double>(epochs) / result.seconds;
  found.loss = result.last->loss;
  found.active = result.last->active;
  constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  found.peak = getDeviceStats(device).allocated_bytes[all].peak;
  return found;
}

}  // namespace msae::gpu_benchmark
