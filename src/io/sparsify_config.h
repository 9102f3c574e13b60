/// \file
/// cfg.json of EleutherAI's sparsify: what it says, apart from the weights. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace msae::io {

struct SparsifyConfig {
  std::int64_t dim = 0;
  std::int64_t latents = 0;
  std::int64_t k = 0;
};

/// As sparsify 1.3 writes it.
std::string sparsify_text(const SparsifyConfig& config);

/// \param file named in messages
/// \throws msae::IoError when a field is missing, of the wrong type or impossible, or says that the model is no
///         plain top-k autoencoder
SparsifyConfig parse_sparsify(std::string_view text, const std::string& file);

}  // namespace msae::io
