// What levels reconstruct, how far that is from the input, and its gradients.
#pragma once

#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// What a row's errors and latents weigh in the loss; see kernels::StepOptions.
struct RowWeights {
  int rows = 0, dim = 0;
  bool squared = false;         ///< the mean squared error
  float l1 = 0;                 ///< weight of the latents' sum
  bool l1_by_norm = true;       ///< divided by |x|
  const double* square = {};    ///< [rows], |x|^2
  const Totals* totals = {};    ///< [1]
  const Scalars* scalars = {};  ///< [1]
};

/// x_l = pre_bias + the latents of levels up to l times their decoder rows. With e_l = x_l - x and a_l the
/// level's weight, the gradient that latents of level l get is w times the sum of a_m e_m over m >= l.
template <typename F>
struct Decode {
  int rows = 0, dim = 0;
  Levels levels;
  Entries entries;                 ///< of levels that are lists
  const std::uint32_t* kept = {};  ///< [rows, levels]
  const F* decoder = {};           ///< [latents, padded(dim)]
  const float* dense = {};         ///< [dense levels, rows, padded(dim)], what each adds
  const float* pre_bias = {};      ///< [dim]
  const float* target = {};        ///< [rows, padded(dim)], x
  const float* sum = {};           ///< [rows], of latents, where l1 asks for it
  RowWeights weights;

  F* gradient = {};       ///< to [levels, rows, padded(dim)], by slot
  float* room = {};       ///< [rows, decode_room(levels, dim)]
  double* loss = {};      ///< to [rows]
  double* residual = {};  ///< to [rows]: |e|^2 of the first level
  double* widest = {};    ///< to [rows]: |e|^2 of the last level
  float* left = {};       ///< to [rows, padded(dim)]: x - the last level's; null: not asked for
};
/// Floats that a row takes beyond a block's own memory.
std::int64_t decode_room(int levels, int dim);
template <typename F>
void decode(Stream stream, const Decode<F>& work);

/// How dead latents explain what the widest level leaves over. Without dead latents there is nothing to do.
template <typename F>
struct DecodeAuxiliary {
  int rows = 0, dim = 0;
  Entries entries;              ///< of one level
  const F* decoder = {};        ///< [latents, padded(dim)]
  const float* left = {};       ///< [rows, padded(dim)]
  const double* widest = {};    ///< [rows], |left|^2
  double weight = 0;            ///< of its error, over |left|^2, in the loss
  Totals* totals = {};          ///< [1]; gets the rows with something left
  const Scalars* scalars = {};  ///< [1]
  F* gradient = {};             ///< to [rows, padded(dim)]
  double* loss = {};            ///< added to [rows]
};
template <typename F>
void decode(Stream stream, const DecodeAuxiliary<F>& work);

}  // namespace msae::kernels::cuda
