// Sparse codes by least squares: what Coding asks for beyond the encoder.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/cpu/executor.h"
#include "kernels/cpu/step.h"

namespace msae::models {

/// A dictionary to make codes of.
template <typename T>
struct Dictionary {
  const T* rows = nullptr;  ///< [latents, dim], of any length
  std::int64_t latents = 0, dim = 0;
  bool any_sign = false;  ///< of values; else they are not negative
};

/// What is asked for.
template <typename T>
struct PursuitTask {
  const T* targets = nullptr;  ///< [rows, dim]
  std::int64_t rows = 0;
  std::vector<std::int64_t> ks;          ///< ascending from 0: latents of a row at most, once for each
  std::span<const std::int64_t> limits;  ///< [rows], below which every k of a row is kept; empty: none
  /// Latents to choose from: those of row i are candidates[starts[i]] to candidates[starts[i + 1] - 1], each
  /// once; no starts: from all.
  std::span<const std::int64_t> starts;
  std::span<const std::int32_t> candidates;
};

/// A row's latents in any order, and their values.
using TakeCode = std::function<void(std::int64_t row, std::size_t which_k,
                                    std::span<const std::int32_t> latents, std::span<const double> values)>;

/// Non-negative orthogonal matching pursuit (Bruckstein, Elad and Zibulevsky, IEEE Trans. Inf. Theory 54,
/// 2008) of many rows at once. Time and again the latent joins whose decoder row, at unit length, has the
/// largest product with what is left of the target; then all values are those of non-negative least squares,
/// and a latent whose value would be zero leaves. It ends with k latents, or where no product is positive:
/// there the values are those of non-negative least squares on all candidates. The codes of a smaller k are
/// met on the way to a larger one. With values of any sign: orthogonal matching pursuit.
///
/// A single k that lets all candidates of a row join asks for non-negative least squares alone, which has a
/// shorter way: all of them at once, of which some have to leave, and a few of these come back.
///
/// Of equal products, as rounded, the lower latent's is taken. Latents whose decoder rows are sums of others
/// to rounding do not join them. Results depend on nothing but the task and how the products round.
template <typename T>
class Pursuit {
 public:
  /// \param dictionary must stay where it is
  /// \param product    of dense matrices, on the caller's thread
  /// \param executor   must stay; its workers share the rows
  Pursuit(Dictionary<T> dictionary, kernels::Product<T> product, const kernels::Executor& executor);

  /// Takes the products of all decoder rows, [latents, latents], which make many rows several times faster;
  /// nothing where they need more than `bytes`.
  void prepare(std::uint64_t bytes);

  /// \param take called once for each row and k, by several workers at a time
  void run(const PursuitTask<T>& task, const TakeCode& take) const;

 private:
  class Block;

  Dictionary<T> dictionary_;
  kernels::Product<T> product_;
  kernels::TimesMatrix<T> correlate_;  ///< [m, dim] to [m, latents]
  const kernels::Executor& executor_;
  std::vector<T> inverse_norms_;  ///< [latents], 0 of rows that are zero
  std::vector<double> squares_;   ///< [latents]
  std::vector<T> gram_;           ///< [latents, latents], or empty
};

}  // namespace msae::models
