/// \file
/// Whether what a linear classifier reads from embeddings survives their reconstruction.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "msae/core/export.h"

namespace msae::eval {

/// How fit_probe() fits.
struct MSAE_EXPORT ProbeOptions {
  /// Half of this, times the squared norm of weights and biases, is added to the mean cross-entropy. Above 0,
  /// so that there is one best probe even where classes are separable or have no rows.
  double l2 = 1e-4;
  bool unit_rows = true;           ///< divide rows by their length first, as the published probe does
  std::int64_t classes = 0;        ///< how many there are; 0: the largest label and one
  std::int64_t iterations = 1000;  ///< of L-BFGS, at most
  double tolerance = 1e-7;         ///< largest entry of the gradient at which fitting ends

  /// Checks every field.
  /// \throws std::invalid_argument when l2 or tolerance is not a positive number, classes is negative, or
  ///         iterations is below 1
  void validate() const;
};

/// A multinomial logistic regression.
struct MSAE_EXPORT LinearProbe {
  torch::Tensor weight;   ///< [classes, dim]
  torch::Tensor bias;     ///< [classes]
  bool unit_rows = true;  ///< divides rows by their length first; a zero row stays zero

  /// Computed in float64, on the device of the weight.
  /// \param rows [rows, dim]
  /// \return [rows, classes], float64, natural logarithms
  /// \throws c10::Error when shapes do not fit or a row holds NaN or Inf
  torch::Tensor log_probabilities(const torch::Tensor& rows) const;

  /// \param rows [rows, dim]
  /// \return [rows], int64, the most probable class of each row
  /// \throws c10::Error as log_probabilities()
  torch::Tensor predict(const torch::Tensor& rows) const;
};

/// Fits a probe to all rows at once by L-BFGS from zero, in float64. The loss is strictly convex: the result
/// does not depend on seeds, and on threads or the order of rows no more than the tolerance lets it.
/// \param rows    [rows, dim], floating-point
/// \param labels  [rows], integers from 0
/// \param options penalty and stopping
/// \return the probe, float64, on the rows' device
/// \throws std::invalid_argument when an option is impossible
/// \throws c10::Error when shapes do not fit, there are no rows, a label is out of range, or a row holds NaN
///         or Inf
/// \throws msae::Error when so many classes do not fit into memory
MSAE_EXPORT LinearProbe fit_probe(const torch::Tensor& rows, const torch::Tensor& labels,
                                  const ProbeOptions& options = {});

/// What a probe says of rows and of their reconstructions. NaN where nothing was counted.
struct ProbeAgreement {
  std::int64_t rows = 0;                                 ///< that were compared
  double kl = std::numeric_limits<double>::quiet_NaN();  ///< mean KL(p(row) || p(reconstruction)), nats
  double agreement = std::numeric_limits<double>::quiet_NaN();  ///< share of rows whose class stays
  double accuracy = std::numeric_limits<double>::quiet_NaN();   ///< share of rows that have their label
  double reconstruction_accuracy = std::numeric_limits<double>::quiet_NaN();  ///< of reconstructions that do
};

/// Gathers a ProbeAgreement batch by batch.
class MSAE_EXPORT ProbeComparison {
 public:
  /// \param probe fitted on rows of the space that will be compared
  explicit ProbeComparison(LinearProbe probe) : probe_(std::move(probe)) {}

  /// Takes a batch.
  /// \param rows           [rows, dim]
  /// \param reconstruction [rows, dim]
  /// \param labels         [rows], integers; undefined: these rows do not count for the accuracies
  /// \throws c10::Error when shapes do not fit, a label is out of range, or a row holds NaN or Inf
  void add(const torch::Tensor& rows, const torch::Tensor& reconstruction, const torch::Tensor& labels = {});

  /// Of all batches so far.
  ProbeAgreement result() const;

 private:
  LinearProbe probe_;
  std::int64_t rows_ = 0, labelled_ = 0;
  std::int64_t agreed_ = 0, correct_ = 0, reconstruction_correct_ = 0;
  double kl_ = 0;
};

/// The same of one batch.
/// \param probe          fitted on rows of that space
/// \param rows           [rows, dim]
/// \param reconstruction [rows, dim]
/// \param labels         [rows], integers; undefined: no accuracies
/// \return the means over the rows
/// \throws c10::Error as ProbeComparison::add
MSAE_EXPORT ProbeAgreement compare(const LinearProbe& probe, const torch::Tensor& rows,
                                   const torch::Tensor& reconstruction, const torch::Tensor& labels = {});

}  // namespace msae::eval
