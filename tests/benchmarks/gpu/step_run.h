// The step that the CUDA engine takes, without the engine around it.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/step.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::gpu_benchmark {

/// As training asks for it.
kernels::cuda::UpdateOptions training_update(const train::TrainOptions& options);
/// Parameters stay what they are, and gradients too.
kernels::cuda::UpdateOptions no_update();

template <typename F>
class StepRun {
 public:
  /// \param model has to outlive it, and to stay where it is, on a device
  /// \param rate  of learning; 0 where there is no update
  StepRun(models::SparseAutoencoder& model, const train::TrainOptions& options,
          kernels::cuda::UpdateOptions update, float rate);

  /// Takes the memory for batches of that shape, with levels worked on in that way.
  void prepare(std::int64_t rows, const kernels::cuda::DenseLevels& dense);
  /// Finds the way that fits this batch, and prepares it, as the engine does from the counts of steps before.
  kernels::cuda::DenseLevels settle(const torch::Tensor& batch);

  /// Copies a batch [rows, dim] to where the step reads it.
  void load(const torch::Tensor& batch);
  void enqueue(const std::function<void(std::string_view stage)>& mark = {});

  /// Waits. [levels], latents that each level has added in the last step, all rows together.
  std::vector<std::int64_t> kept() const;
  const kernels::cuda::NestedStep<F>& step() const { return step_; }

 private:
  kernels::cuda::RunMemory memory();

  models::SparseAutoencoder& model_;
  std::int64_t levels_;
  float rate_;
  std::vector<torch::Tensor> moments_;  ///< two of each parameter
  torch::Tensor sums_, last_active_;
  kernels::cuda::Cublas<F> products_;
  kernels::cuda::NestedStep<F> step_;
};

}  // namespace msae::gpu_benchmark
