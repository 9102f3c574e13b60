// Gradients of the parameters.
#pragma once

#include "kernels/cuda/decode.h"
#include "kernels/cuda/factor.h"
#include "kernels/cuda/layout.h"

namespace msae::kernels::cuda {

/// Dimensions at most: a warp keeps a row of each gradient in its registers.
inline constexpr int most_dimensions = 2048;

/// Of latents on levels that are lists, summed over the rows of their columns. With s a latent, p its
/// pre-activation, g the gradient of its row and level, W_j and V_j the decoder's and the encoder's row:
/// ds = g . W_j, dp = ds * (1 - (s / cap)^2), dW_j = sum of s g, dV_j = sum of dp (x - pre_bias).
template <typename F>
struct SparseGradients {
  int dim = 0, latents = 0;
  Columns columns;
  const F* decoder = {};    ///< [latents, padded(dim)]
  const F* gradient = {};   ///< [slots, rows, padded(dim)]
  const F* input = {};      ///< [rows, padded(dim)], x - pre_bias
  int auxiliary_slot = -1;  ///< of entries that explain what is left over
  float soft_cap = 0;       ///< 0: none
  RowWeights weights;

  float* decoder_gradient = {};  ///< to [latents, padded(dim)]
  bool adds = false;             ///< to what decoder_gradient holds
  /// To [latents, padded(dim)] and [latents]. With pre_gradient they get the auxiliary entries alone, and may
  /// be null where there are none.
  float* encoder_gradient = {};
  float* latent_bias_gradient = {};
  F* pre_gradient = {};  ///< dp of other entries, into [rows, padded(latents)]; null: into encoder_gradient
  int* fired = {};       ///< set [latents] where an entry is not auxiliary
};
template <typename F>
void sparse_gradients(Stream stream, const SparseGradients<F>& work);

/// Of latents on levels that are matrices: dp from ds = g . W_j, which a product has made for some rows.
template <typename F>
struct DenseGradients {
  int rows = 0, latents = 0;
  int first = 0, count = 0;       ///< rows that the product is of
  int dense = 0;                  ///< levels that are matrices
  const std::uint8_t* slot = {};  ///< [rows, padded(latents)]
  const F* product = {};          ///< [dense, count, padded(latents)]
  const F* values = {};           ///< [dense, rows, padded(latents)], the latents
  float soft_cap = 0;
  RowWeights weights;
  F* pre_gradient = {};  ///< to [rows, padded(latents)]; 0 where there is no such latent
  int* fired = {};       ///< set [latents]
};
template <typename F>
void dense_gradients(Stream stream, const DenseGradients<F>& work);

/// to += or = sign * the sum of rows, each times its weight.
template <typename F>
struct SumRows {
  std::int64_t rows = 0;
  int columns = 0;
  const F* from = {};        ///< [rows, padded(columns)]
  const float* weight = {};  ///< [rows]; null: 1
  float sign = 1;
  bool adds = false;
  float* room = {};  ///< [sum_room(rows, columns)]
  float* to = {};    ///< [columns]
};
std::int64_t sum_room(std::int64_t rows, int columns);
template <typename F>
void sum_rows(Stream stream, const SumRows<F>& work);

}  // namespace msae::kernels::cuda
