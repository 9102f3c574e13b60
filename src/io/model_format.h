/// \file
/// Whose files a path leads to, told by what is there. Torch-free.
#pragma once

#include <filesystem>
#include <string>

namespace msae::io {

inline constexpr auto config_name = "cfg.json";
inline constexpr auto weights_name = "sae_weights.safetensors";
inline constexpr auto sparsify_weights_name = "sae.safetensors";
inline constexpr auto dictionary_config_name = "config.json";
inline constexpr auto dictionary_weights_name = "ae.pt";

enum class ModelFormat { none, sae_lens, sparsify, dictionary_learning, reference, safetensors };

/// Looks at names, and at the header of a .safetensors file; reads no weights. "none" is no model, or
/// nothing.
/// \throws msae::IoError when a .safetensors file is damaged
ModelFormat model_format(const std::filesystem::path& path);

/// As `msae convert --to` names it: "sae-lens", "sparsify", ...
std::string format_name(ModelFormat format);

}  // namespace msae::io
