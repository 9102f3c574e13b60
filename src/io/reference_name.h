/// \file
/// The names of the published implementation's checkpoints (WolodjaZ/MSAE at c0bf439), which tell the model:
///   {latents}_{dim}_{activation}[_{k}][_RW|_UW]_{tied}_{normalize}_{soft cap}_{data set}.pth
/// Torch-free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "msae/models/activation.h"

namespace msae::io {

/// A name, or what a user says in its place: "TopKReLU_64_UW" alone will do there.
struct ReferenceName {
  std::optional<std::int64_t> latents, dim;
  std::string activation;  ///< "ReLU", "TopKReLU", "BatchTopKabs", ...
  std::int64_t k = 0;      ///< of the TopK kinds
  std::string weighting;   ///< "RW" or "UW" of a matryoshka model, else empty
  std::optional<bool> tied, normalise;
  std::optional<double> soft_cap;
};

/// Everything that a published model can be, also what ours cannot.
struct ReferenceModel {
  std::int64_t dim = 0;
  std::int64_t latents = 0;
  /// Relu, TopK, BatchTopK or Matryoshka, what else the kind may be aside.
  models::Activation activation;
  std::string unknown_activation = {};  ///< "JumpReLU" or "Identity", in place of `activation`
  bool over_batch = false;              ///< matryoshka: levels chosen over the batch, as batch-topk
  bool by_magnitude = false;            ///< TopK kinds: the largest in magnitude are kept
  bool keeps_negative = false;          ///< TopK kinds: what is kept may be negative
  bool tied = false;                    ///< the decoder is the encoder transposed; the file holds no other
  bool normalise_rows = false;          ///< each row to mean 0 and deviation 1, undone after decoding
  double soft_cap = 0;                  ///< c of c tanh(z / c); 0: none
};

/// A file's name, or none where it is no such name.
std::optional<ReferenceName> name_of_file(const std::filesystem::path& file);

/// What a user says a file is. \throws std::invalid_argument "as: ..." when that is no such name
ReferenceName name_as_told(const std::string& text);

/// `told` where it says something, else `of_file`.
ReferenceName overridden(const ReferenceName& of_file, const ReferenceName& told);

/// \param name  of a file of these sizes, without or with a decoder of its own
/// \param file  named in messages
/// \throws msae::IoError when the name does not fit
ReferenceModel reference_model(const ReferenceName& name, std::int64_t dim, std::int64_t latents,
                               bool has_decoder, const std::string& file);

/// The published name of a model, without its data set, which it does not know: "..._msae.pth".
std::string file_name(const ReferenceModel& model);

/// What no such name tells of a model, as a sentence's end; empty where it tells all.
std::string untold(const ReferenceModel& model);

}  // namespace msae::io
