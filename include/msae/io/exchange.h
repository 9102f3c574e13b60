/// \file
/// The model in files of other programs; io::load() reads them all back, but for ONNX.
#pragma once

#include <c10/core/Device.h>

#include <filesystem>
#include <memory>
#include <string>

#include "msae/core/export.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// Reads a checkpoint of the published implementation (WolodjaZ/MSAE), a .pth file of torch.save, without
/// running anything that is in it. Encoder, decoder, biases and mean come back bit for bit, the scale rounded
/// to the weights' precision; float64 weights stay so, all others become float32.
///
/// Its name tells the model: {latents}_{dim}_{activation}[_{k}][_RW|_UW]_{tied}_{normalize}_{soft cap}_...,
/// in which RW or UW mean matryoshka, with the levels k, 2 k, ... and all. A batch-topk checkpoint holds no
/// threshold: as trained such a model keeps every positive latent, which a warning says.
/// \param file   of the published training script, or of save_reference()
/// \param as     what the model is, where the file's name does not tell or is wrong: "ReLU", "TopKReLU_64",
///               "TopKReLU_64_UW" or a whole such name; empty: as the name tells
/// \param device where the model shall live
/// \return the model, in which encode() takes raw embeddings
/// \throws msae::IoError naming the file and what is missing, malformed, of the wrong shape, or of a kind that
///         this library has not
/// \throws std::invalid_argument when `as` is no such name
/// \throws msae::Error when there is not enough memory
MSAE_EXPORT std::shared_ptr<models::SparseAutoencoder> load_reference(const std::filesystem::path& file,
                                                                      const std::string& as = "",
                                                                      c10::Device device = c10::kCPU);

/// The name under which the published implementation finds out what a model is, with "msae" for the data set:
/// "4096_512_TopKReLU_64_UW_False_False_0.0_msae.pth".
/// \param model to be saved
/// \return the name, without a folder
/// \throws std::invalid_argument for a kind of model that the published implementation has not
MSAE_EXPORT std::string reference_name(const models::SparseAutoencoder& model);

/// Writes a checkpoint that the published implementation and torch.load (also with weights_only=True) read,
/// whole or not at all, in place of what is there. Its load_model() needs a name as of reference_name(),
/// takes a matryoshka model as TopK of its first level, and converts float64 weights, which stay so here, to
/// float32. Not in it, as a warning says: a batch-topk model's threshold, and what a name does not tell of
/// levels and their weights. The count of each latent's activations is 0.
/// \param model on any device
/// \param file  to write
/// \throws msae::IoError when the file cannot be written, or the model holds NaN or infinite values
/// \throws std::invalid_argument for a kind of model that the published implementation has not
MSAE_EXPORT void save_reference(const models::SparseAutoencoder& model, const std::filesystem::path& file);

/// Writes the model's own tensors to one safetensors file, bit for bit, whole or not at all, in place of what
/// is there: encoder and decoder [latents, dim], latent_bias [latents], pre_bias and mean [dim], scale []
/// and, of models over batches, threshold [1] or [levels], of jump-relu threshold and log_threshold
/// [latents]; with the metadata format, msae_version, model (JSON) and formula. load() gives the same model
/// back.
/// \param model on any device
/// \param file  to write, of a name that ends in .safetensors for load() to know it
/// \throws msae::IoError when the file cannot be written, or the model holds NaN or infinite values
MSAE_EXPORT void save_safetensors(const models::SparseAutoencoder& model, const std::filesystem::path& file);

/// Writes cfg.json and sae.safetensors as sparsify (EleutherAI, eai-sparsify 1.3) reads them, both whole or
/// not at all. Mean and scale are folded in as in save(), each weight rounded once; read back and written
/// again, a model gives the same bytes. A matryoshka model is its first level, as a warning says. float64
/// weights stay so.
/// \param model  on any device: topk or matryoshka (not over batches), untouched by a soft cap, normalised rows or
///               another ranking
/// \param folder made where it is missing, its parents too
/// \throws msae::IoError when the folder cannot be written or holds a model of save(), or this model NaN or
///         infinite values
/// \throws std::invalid_argument for a model that sparsify has not
MSAE_EXPORT void save_sparsify(const models::SparseAutoencoder& model, const std::filesystem::path& folder);

/// Writes ae.pt and config.json as load_dictionary() of dictionary_learning (0.1) reads them, both whole or
/// not at all: relu as AutoEncoder, topk as AutoEncoderTopK, batch-topk as BatchTopKSAE, prefix-matryoshka as
/// MatryoshkaBatchTopKSAE, jump-relu as JumpReluAutoEncoder, matryoshka as AutoEncoderTopK (over batches:
/// BatchTopKSAE) of its first level, as a warning says. Mean and scale are folded in as in save_sparsify().
/// That package makes weights float32, and rescales the latents of AutoEncoder to decoder rows of norm 1
/// unless its from_pretrained() is told normalize_decoder=False. Of jump-relu, latent biases and thresholds
/// round once more at each reading.
/// \param model  on any device, untouched by a soft cap, normalised rows or another ranking
/// \param folder made where it is missing, its parents too
/// \throws msae::IoError when the folder cannot be written, or the model holds NaN or infinite values
/// \throws std::invalid_argument for a model that dictionary_learning has not
MSAE_EXPORT void save_dictionary_learning(const models::SparseAutoencoder& model,
                                          const std::filesystem::path& folder);

/// Writes the encoder as an ONNX graph (operator set 17, which ONNX Runtime reads since 1.13), whole or not
/// at all: from "embeddings", raw and float32 [rows, dim], to "latents", float32 [rows, latents], those of
/// encode(embeddings, point), for any number of rows. All kinds and options are there; mean and scale are
/// folded in, float64 weights are rounded to float32. Equal pre-activations: the lower index is kept, as ONNX
/// defines it.
/// \param model on any device
/// \param file  to write
/// \param point how many latents to keep
/// \throws msae::IoError when the file cannot be written, or the model holds NaN or infinite values
/// \throws std::invalid_argument naming the model when its encoder takes more than the 2 GB of an ONNX file, or k
///         when that is not from 1 to the number of latents
/// \throws c10::Error when the model has no such point
MSAE_EXPORT void save_onnx(const models::SparseAutoencoder& model, const std::filesystem::path& file,
                           models::OperatingPoint point = {});

}  // namespace msae::io
