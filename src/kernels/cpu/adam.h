// What follows the gradients: unit rows, projection, norms, AdamW.
#pragma once

#include <cstdint>

#include "kernels/cpu/layout.h"
#include "kernels/step_options.h"

namespace msae::kernels {

/// A dictionary with its encoder, a row of each a latent, and their gradients.
template <typename T>
struct Rescale {
  Rows rows = Rows::project;
  Matrix<T> decoder = {}, decoder_gradient = {};  ///< [latents, dim]
  Matrix<T> encoder = {}, encoder_gradient = {};  ///< [latents, dim]
  T* latent_bias = {};                            ///< [latents]
  const T* latent_bias_gradient = {};             ///< [latents]
  T epsilon = 0;                                  ///< for rows of no length
  double* squares = {};                           ///< to [latents]: the squared norm of a latent's gradients
};

/// For latents first..last.
template <typename T>
void rescale(const Rescale<T>& work, std::int64_t first, std::int64_t last);

/// The numbers of a step of AdamW (Loshchilov and Hutter, arXiv 1711.05101).
template <typename T>
struct Adam {
  T clip = 1;   ///< what gradients are multiplied by
  T decay = 1;  ///< 1 - learning rate * weight decay
  T beta1 = 0, beta2 = 0;
  T rate = 0;        ///< learning rate / (1 - beta1^step)
  T correction = 1;  ///< 1 / sqrt(1 - beta2^step)
  T epsilon = 0;
};

/// One step on `count` parameters.
template <typename T>
void adam(const Adam<T>& step, const T* gradient, std::int64_t count, T* parameter, T* first, T* second);

/// Divides a row by its norm, or by `epsilon` where that is larger.
template <typename T>
void to_unit_norm(T* row, std::int64_t count, T epsilon);

}  // namespace msae::kernels
