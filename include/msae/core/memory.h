/// \file
/// Asking before taking: sizes from files and options are held against the memory that is there.
#pragma once

#include <cstdint>
#include <string>

#include "msae/core/export.h"

namespace msae {

/// Bytes the machine could hand out now without swapping, within this process's control groups (version 1 or
/// 2); the largest value where the machine tells nothing.
MSAE_EXPORT std::uint64_t available_memory();

/// Does nothing but throw where something would not fit.
/// \param bytes that are about to be taken
/// \param what  takes them: the beginning of the message, e.g. "a dictionary of 4096 latents"
/// \throws msae::Error saying that `what` needs `bytes` when that is more than available_memory()
MSAE_EXPORT void require_memory(std::uint64_t bytes, const std::string& what);

/// a * b, or the largest value when that overflows: for sizes read from files.
MSAE_EXPORT std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b);

/// "1.5 GB", "12.0 MB", ... (powers of ten).
MSAE_EXPORT std::string human_bytes(std::uint64_t bytes);

}  // namespace msae
