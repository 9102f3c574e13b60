// What training options are to the kernels, on every device.
#pragma once

#include "kernels/step_options.h"
#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/train/options.h"

namespace msae::train {

MSAE_EXPORT kernels::StepOptions step_options(const models::SparseAutoencoder& model,
                                              const TrainOptions& options);

/// What TrainOptions::unit_norm has to be done before a step.
MSAE_EXPORT kernels::Rows rows_before(const TrainOptions& options);

/// The numbers of AdamW (Loshchilov and Hutter, arXiv 1711.05101) that change from step to step.
struct AdamPace {
  double decay = 1;       ///< 1 - learning rate * weight decay
  double rate = 0;        ///< learning rate / (1 - beta1^step)
  double correction = 1;  ///< 1 / sqrt(1 - beta2^step)
};
/// \param step from 1
MSAE_EXPORT AdamPace adam_pace(const TrainOptions& options, double learning_rate, std::int64_t step);

}  // namespace msae::train
