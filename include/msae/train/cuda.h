/// \file
/// Training on a CUDA device by kernels of our own: target msae::cuda, which builds with CUDA have.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>

#include "msae/core/export.h"
#include "msae/train/engine.h"
#include "msae/train/trainer.h"

namespace msae::train {

/// Why the CUDA engine does not take this model with these options, in words; empty where it does: float32 on
/// a CUDA device, at most 2048 dimensions, 2^20 latents and batches of 1,000,000 rows, and what
/// fused_obstacle() asks of models and options.
MSAE_EXPORT std::string cuda_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options);

/// The whole step on the device: all levels in one pass over the latents that are active, dense products
/// where a level has many of them, and one graph of launches a step, in which the host waits for nothing. The
/// same numbers as the autograd engine up to rounding, or up to that of FusedOptions::precision, and on one
/// device the same bits for the same options, also through a stop and a resume.
/// \param model   must outlive the engine, and stay where it is
/// \param options as for make_autograd_engine(); FusedOptions::precision and dense_level are for it
/// \throws std::invalid_argument for impossible options, and with cuda_obstacle()
/// \throws msae::Error where the device has less free memory than a step takes, with the batch size that fits
MSAE_EXPORT std::unique_ptr<Engine> make_cuda_engine(models::SparseAutoencoder& model,
                                                     const TrainOptions& options);

/// Bytes that are free on a device, those that LibTorch keeps for later among them.
/// \throws msae::Error when it is not a CUDA device, or does not answer
MSAE_EXPORT std::uint64_t free_device_memory(c10::Device device);

/// What a Trainer on the model's device is made of: on a CUDA device the engine above, where it takes the
/// model (TrainOptions::engine decides as elsewhere), and rows that stay on the device where they fit; on the
/// CPU what every Trainer has.
/// \param model must outlive the parts
MSAE_EXPORT TrainerParts cuda_parts(const models::SparseAutoencoder& model);

/// A Trainer that is at its best on CUDA devices: Trainer filled with cuda_parts().
class MSAE_EXPORT CudaTrainer : public Trainer {
 public:
  /// The model must outlive the trainer, and be on the device to train on.
  /// \throws std::invalid_argument naming the option that is impossible
  CudaTrainer(models::SparseAutoencoder& model, TrainOptions options);
};

}  // namespace msae::train
