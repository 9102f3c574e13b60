// What `msae bench` times: a step of a model as training starts it, on a batch of seeded rows.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::cli {

struct BenchProblem {
  models::SparseAutoencoderOptions model;
  train::TrainOptions train;     ///< with a batch_size
  std::optional<double> active;  ///< share of the pre-activations that are to be positive; none: as drawn
  int threads = 1;               ///< of the CPU
  c10::Device device = c10::kCPU;

  std::int64_t rows() const { return *train.batch_size; }  ///< of the batch
};

struct BenchInput {
  std::unique_ptr<models::SparseAutoencoder> model;  ///< on the problem's device, as the batch
  torch::Tensor batch;                               ///< [rows, dim], coordinates of variance 1
  double active_fraction = 0;                        ///< of the pre-activations that are positive
};

/// \throws msae::Error where the steps of these engines would not fit into the machine's memory, or the problem
///         where the steps are a GPU's
void require_memory_for(const BenchProblem& problem, const std::vector<std::string>& engines);

/// Draws the batch and starts the model, the same for every device; its latent biases, all alike, see to the
/// active share.
BenchInput draw(const BenchProblem& problem);

/// A model of the same parameters, on the same device.
std::unique_ptr<models::SparseAutoencoder> copy_of(const models::SparseAutoencoder& model);

/// Parameters and batch as safetensors. \throws msae::IoError
void save_problem(const BenchInput& input, const std::string& file);

}  // namespace msae::cli
