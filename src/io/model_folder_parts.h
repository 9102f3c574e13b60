/// \file
/// What writing and reading models share.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/model_config.h"
#include "io/model_files.h"
#include "msae/core/error.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// Calls work(first, count) for consecutive rows of a matrix, some megabytes at a time, so that no second
/// copy of a dictionary is ever held.
template <typename Work>
void each_block(std::int64_t rows, std::int64_t width, const Work& work) {
  constexpr std::int64_t block_elements = 1 << 20;
  const auto step = std::max<std::int64_t>(1, block_elements / width);
  for (std::int64_t first = 0; first < rows; first += step) work(first, std::min(step, rows - first));
}

/// A model of these sizes, to be filled. Building it takes the most memory: two dictionaries and what they
/// are made from.
/// \param name of the file or folder that it comes from, for the message
/// \throws msae::Error when there is not enough memory
std::shared_ptr<models::SparseAutoencoder> empty_model(models::SparseAutoencoderOptions options,
                                                       c10::ScalarType type, const std::string& name);

/// Mean [dim] and scale of the training data, which is positive, rounded to the precision of the weights.
/// \param mean_name,scale_name in messages, the file included
/// \throws msae::IoError when they do not fit it
void set_statistics(models::SparseAutoencoder& model, const torch::Tensor& mean, double scale,
                    const std::string& mean_name, const std::string& scale_name);

/// What cfg.json says of a model.
ModelConfig config_of(const models::SparseAutoencoder& model);

/// Made where it is missing, its parents too. \throws msae::IoError when it cannot be
void make_folder(const std::filesystem::path& folder);

/// Where two models lie in one folder, whoever opens it takes one for the other, or parts of both.
/// \param name of a file that the other format has \throws msae::IoError when it is there
void refuse_folder_of_another(const std::filesystem::path& folder, const char* name);

/// Of the files that load() chooses among, on the CPU. \throws msae::IoError
std::shared_ptr<models::SparseAutoencoder> load_folder(const std::filesystem::path& folder);
std::shared_ptr<models::SparseAutoencoder> load_sparsify(const std::filesystem::path& folder);
std::shared_ptr<models::SparseAutoencoder> load_dictionary_learning(const std::filesystem::path& folder);
std::shared_ptr<models::SparseAutoencoder> load_safetensors(const std::filesystem::path& file);

inline bool all_finite(const torch::Tensor& values) {
  return values.isfinite().all().item<bool>();
}

/// \throws msae::IoError when a tensor about to be written to `file` holds something else
inline void require_finite(const torch::Tensor& values, const std::string& name,
                           const std::filesystem::path& file) {
  if (all_finite(values)) return;
  throw IoError(file.string() + ": not written, as " + name + " would hold NaN or infinite values");
}

inline torch::Tensor to_float64(const torch::Tensor& tensor) {
  return tensor.detach().to(torch::kCPU, torch::kFloat64);
}

inline std::vector<double> numbers_of(const torch::Tensor& tensor) {
  const auto values = to_float64(tensor).contiguous();
  const auto* numbers = values.const_data_ptr<double>();
  return {numbers, numbers + values.numel()};
}

}  // namespace msae::io
