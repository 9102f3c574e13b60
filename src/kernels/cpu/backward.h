// Gradients of the dictionary, the latents and the encoder, from entries sorted by latent.
#pragma once

#include <span>

#include "kernels/cpu/layout.h"

namespace msae::kernels {

/// With G_e the gradient that an entry's (row, level) has of its reconstruction:
///
///     decoder_gradient_j = sum of value_e * G_e,   ds_e = G_e . decoder_j   over the entries e of latent j.
template <typename T>
struct DecoderBackward {
  std::span<ChunkColumns<T>> chunks;  ///< ChunkColumns::gradient becomes ds
  const Sliced<T>* decoder = {};      ///< [latents, dim]
  const Sliced<T>* gradient = {};     ///< [rows * slots, dim]: G
  std::int64_t slots = 1;             ///< an entry's is row * slots + level
  Matrix<T> decoder_gradient = {};    ///< to [latents, dim]
  bool adds = false;                  ///< to what is there
};

/// For latents first..last. Every latent's numbers are its own: whatever the range, they are the same.
/// \param sums [latents of the range, slice_width], to work with
template <typename T>
void backward(const DecoderBackward<T>& work, std::int64_t first, std::int64_t last, T* sums);

/// From ds to dp, the gradients of pre-activations: the L1 part is added, and the slope of the soft cap
/// taken.
template <typename T>
struct Slope {
  std::span<ChunkColumns<T>> chunks;  ///< ds in ChunkColumns::gradient becomes dp
  const T* row_l1 = {};          ///< [rows], added to a row's ds of level 0, the only one; null: nothing is
  T soft_cap = 0;                ///< c of value = c tanh(p / c): slope 1 - (value / c)^2; 0: none
  T* latent_bias_gradient = {};  ///< to [latents]: sums of dp
  bool adds = false;             ///< to what is there
};
template <typename T>
void backward(const Slope<T>& work, std::int64_t first, std::int64_t last);

/// encoder_gradient_j = sum of dp_e * input of e's row.
template <typename T>
struct EncoderBackward {
  std::span<const ChunkColumns<T>> chunks;
  const Sliced<T>* input = {};      ///< [rows, dim]
  Matrix<T> encoder_gradient = {};  ///< to [latents, dim]
  bool adds = false;                ///< to what is there
};
template <typename T>
void backward(const EncoderBackward<T>& work, std::int64_t first, std::int64_t last, T* sums);

}  // namespace msae::kernels
