// What follows the gradients: unit rows, projection, clipping, AdamW, and what is counted.
#pragma once

#include "kernels/cuda/decode.h"
#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"
#include "kernels/step_options.h"

namespace msae::kernels::cuda {

/// A parameter, its gradient and what AdamW keeps of it (Loshchilov and Hutter, arXiv 1711.05101).
struct Trained {
  float* value = {};
  float* gradient = {};  ///< of matrices, rows are padded
  float* first = {};     ///< mean of gradients
  float* second = {};    ///< mean of squared gradients
};

template <typename F>
struct Optimise {
  int latents = 0, dim = 0;
  Rows before = Rows::project;
  bool unit_after = true;  ///< decoder rows get unit norm after the step
  float row_epsilon = 0;   ///< for rows of no length
  float clip = 0;          ///< largest norm of all gradients together; 0: any
  float beta1 = 0, beta2 = 0, epsilon = 0;
  Trained encoder, decoder;  ///< [latents, dim], gradients [latents, padded(dim)]
  Trained latent_bias;       ///< [latents]
  Trained pre_bias;          ///< [dim]
  double* squares = {};      ///< room [latents]: squared norms of a latent's gradients
  Totals* totals = {};       ///< [1]; gets the factor of clipping
  const Scalars* scalars = {};
  /// To [latents, padded(dim)]: the new rows as factors of the next step's products; null: not asked for.
  F *encoder_factors = {}, *decoder_factors = {};
};
template <typename F>
void optimise(Stream stream, const Optimise<F>& work);

/// Which latents are dead: silent for more than so many rows.
struct MarkDead {
  int rows = 0, latents = 0;  ///< rows of the batch at hand, which Scalars::rows_seen includes
  std::int64_t dead_after = 0;
  const std::int64_t* last_active = {};  ///< [latents], rows seen by then
  const Scalars* scalars = {};
  std::uint8_t* dead = {};  ///< to [latents]
  Totals* totals = {};      ///< [1]; gets their number
};
void mark_dead(Stream stream, const MarkDead& work);

/// What a step adds to the counters of a run.
struct CountStep {
  int rows = 0, latents = 0, levels = 0;
  const double* loss = {};         ///< [rows]
  const double* residual = {};     ///< [rows]
  const std::uint32_t* kept = {};  ///< [rows, levels]
  const Totals* totals = {};
  const Scalars* scalars = {};
  int* fired = {};                  ///< [latents], cleared
  double* sums = {};                ///< added to [5]: loss, residual, |x|^2, active latents, rows
  std::int64_t* last_active = {};   ///< [latents]
  unsigned long long* counts = {};  ///< to [levels]: latents that each level adds, all rows together
};
void count_step(Stream stream, const CountStep& work);

}  // namespace msae::kernels::cuda
