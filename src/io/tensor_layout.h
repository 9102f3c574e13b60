/// \file
/// How tensors lie in files: element types under the names of safetensors, shapes, sizes. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msae::io {

using Shape = std::vector<std::int64_t>;

/// "[4096, 512]"
std::string to_string(const Shape& shape);

/// Bytes of one element of a dtype as safetensors names it ("F32", "BF16", ...); 0 for an unknown one.
std::uint64_t element_size(std::string_view dtype);

/// Bytes of a dense tensor with elements of `element` bytes; none where they are beyond 64 bits.
std::optional<std::uint64_t> byte_count(const Shape& shape, std::uint64_t element);

}  // namespace msae::io
