/// \file
/// The numbers of the zip format that reading and writing share (PKWARE's APPNOTE). Torch-free.
#pragma once

#include <cstdint>

namespace msae::io::zip {

inline constexpr std::uint32_t local_header = 0x04034b50;
inline constexpr std::uint32_t directory_record = 0x02014b50;
inline constexpr std::uint32_t end_of_directory = 0x06054b50;
inline constexpr std::uint32_t wide_end_of_directory = 0x06064b50;
inline constexpr std::uint32_t wide_end_locator = 0x07064b50;

inline constexpr std::uint16_t wide_sizes = 1;  ///< extra field with 64-bit sizes, "zip64"
inline constexpr std::uint16_t encrypted = 1;   ///< flag
inline constexpr std::uint16_t utf8_name = 1 << 11;
inline constexpr std::uint32_t is_wide = 0xffffffff;  ///< in place of a size that is in the extra field

inline constexpr std::uint64_t local_header_bytes = 30;
inline constexpr std::uint64_t end_bytes = 22;
inline constexpr std::uint64_t wide_end_bytes = 56;
inline constexpr std::uint64_t wide_locator_bytes = 20;

}  // namespace msae::io::zip
