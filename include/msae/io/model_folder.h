/// \file
/// The model on disk: cfg.json and sae_weights.safetensors in the layout that SAELens loads as it is.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// Writes the model, both files whole or not at all; other files of the folder are left alone.
///
/// Mean m and scale t are folded in,
///
///     W_enc = t encoder^T, b_enc = latent_bias, W_dec = decoder / t, b_dec = m + pre_bias / t,
///
/// so a reloaded model equals the saved one to rounding. SAELens sees relu as "standard", topk as "topk",
/// matryoshka as "topk" with the first level's k, and batch-topk as "jumprelu" with its threshold. Weights
/// are stored as float64 when the model's are, else as float32.
/// \param model  on any device
/// \param folder made where it is missing, its parents too
/// \throws msae::IoError when the folder cannot be written, or the model holds NaN or infinite values
MSAE_EXPORT void save(const models::SparseAutoencoder& model, const std::filesystem::path& folder);

/// Reads a model back, with its activation and statistics, from any of the formats that this library writes;
/// what is there tells which it is. float64 weights stay so, all others become float32. Models of other
/// programs have mean 0 and scale 1:
///   folders of SAELens (cfg.json, sae_weights.safetensors): standard, topk, abstopk, jumprelu, and those of
///   its trainings, batchtopk and matryoshka_batchtopk; folders of sparsify (cfg.json, sae.safetensors) with
///   the activation topk; folders of dictionary_learning (config.json, ae.pt): AutoEncoder, AutoEncoderNew,
///   AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE and JumpReluAutoEncoder, without running anything
///   in them.
/// A .pth file of the published implementation is read as load_reference() does, a .safetensors file as
/// save_safetensors() wrote it.
/// \param path   folder of save(), `msae train` or another program; ae.pt in such a folder; a .pth or .safetensors file
/// \param device where the model shall live
/// \return the model, in which encode() takes raw embeddings
/// \throws msae::IoError naming the file and what is missing, malformed, of the wrong shape or in a newer
///         format
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT std::shared_ptr<models::SparseAutoencoder> load(const std::filesystem::path& path,
                                                            c10::Device device = c10::kCPU);

}  // namespace msae::io
