/// \file
/// The checksum of zip files. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace msae::io {

/// CRC-32 (ISO 3309) of bytes that follow others whose CRC-32 is `before`.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace msae::io
