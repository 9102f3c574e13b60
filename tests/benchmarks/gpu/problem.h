// What is timed: a step of a model as it starts, or with as many active latents as it has later.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::gpu_benchmark {

struct Problem {
  models::SparseAutoencoderOptions model;
  train::TrainOptions train;     ///< with a batch_size
  std::optional<double> active;  ///< share of the pre-activations made positive; none: as initialised

  std::int64_t rows() const { return *train.batch_size; }  ///< of a batch
};

struct ProblemSize {
  std::int64_t rows = 4096, dim = 768, latents = 6144;
  std::vector<std::int64_t> levels = {};  ///< empty: 64, doubled, and all
  std::int64_t k = 0;                     ///< of a TopK in the place of levels; 0: none
  std::optional<double> active = {};
};

/// Levels weighted in reverse, as published.
Problem problem_of(const ProblemSize& size, train::Precision precision, std::optional<double> dense_level);

/// Those that this library is compared on: levels at 20 % and 50 % active, a large dictionary, and a TopK.
std::vector<ProblemSize> paper_sizes();

/// "full", "tf32" or "bf16", as --precision has it.
std::string name_of(train::Precision precision);

struct Input {
  std::unique_ptr<models::SparseAutoencoder> model;  ///< on the device
  std::vector<torch::Tensor> batches;                ///< [rows, dim] each, coordinates of variance 1
  double active_fraction = 0;  ///< of the first batch's pre-activations that are positive
};

/// Draws the batches on the device; latent biases, all alike, see to the active share.
Input draw(const Problem& problem, int batches);

}  // namespace msae::gpu_benchmark
