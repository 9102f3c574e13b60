#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "io/json_reader.h"
#include "msae/core/error.h"

namespace msae::io {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit
constexpr std::uint64_t header_alignment = 8;

TensorEntry parse_entry(const JsonObject& fields, std::uint64_t data_bytes) {
  TensorEntry entry;
  entry.dtype = fields.text("dtype");
  const auto element = element_size(entry.dtype);
  if (element == 0) fields.refuse("dtype", "is unknown: " + as_written(entry.dtype));
  entry.shape = fields.integers("shape");
  if (std::any_of(entry.shape.begin(), entry.shape.end(), [](auto size) { return size < 0; })) {
    fields.refuse("shape", "has a negative size: " + to_string(entry.shape));
  }
  const auto bytes = byte_count(entry.shape, element);
  if (!bytes) fields.refuse("shape", "is too large: " + to_string(entry.shape));
  const auto offsets = fields.integers("data_offsets");
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
    fields.refuse("data_offsets",
                  "must be a first byte and the byte after the last, not " + to_string(offsets));
  }
  entry.begin = static_cast<std::uint64_t>(offsets[0]);
  entry.bytes = static_cast<std::uint64_t>(offsets[1]) - entry.begin;
  if (entry.bytes != *bytes) {
    fields.refuse("data_offsets", "cover " + std::to_string(entry.bytes) + " bytes, but " + entry.dtype +
                                      " " + to_string(entry.shape) + " takes " + std::to_string(*bytes));
  }
  if (static_cast<std::uint64_t>(offsets[1]) > data_bytes) {
    fields.refuse("data_offsets", "end at byte " + std::to_string(offsets[1]) + ", but the file holds " +
                                      std::to_string(data_bytes) + " bytes of tensors: is it truncated?");
  }
  return entry;
}

void check_overlaps(const std::map<std::string, TensorEntry>& tensors, const std::string& file) {
  std::vector<std::pair<std::uint64_t, const std::string*>> starts;
  for (const auto& [name, entry] : tensors) {
    if (entry.bytes > 0) starts.emplace_back(entry.begin, &name);
  }
  std::sort(starts.begin(), starts.end());
  for (std::size_t i = 1; i < starts.size(); ++i) {
    const auto& before = tensors.at(*starts[i - 1].second);
    if (before.begin + before.bytes > starts[i].first) {
      throw IoError(file + ": tensors " + as_written(*starts[i - 1].second) + " and " +
                    as_written(*starts[i].second) + " overlap");
    }
  }
}

std::map<std::string, std::string> parse_metadata(const json& object, const JsonObject& fields) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : object.items()) metadata[key] = fields.text(key);
  return metadata;
}

std::string header_text(const std::vector<SafetensorsWriter::Declaration>& tensors,
                        const std::map<std::string, std::string>& metadata, std::uint64_t& total) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  total = 0;
  for (const auto& tensor : tensors) {
    const auto element = element_size(tensor.dtype);
    if (element == 0) throw std::invalid_argument("dtype: unknown to safetensors: " + tensor.dtype);
    const auto begin = total;
    total += byte_count(tensor.shape, element).value();
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, total}}};
  }
  auto text = header.dump();
  // Spaces, so that tensors start at a multiple of 8 bytes and may be mapped.
  const auto tail = text.size() % header_alignment;
  if (tail != 0) text.append(header_alignment - tail, ' ');
  return text;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                           const std::string& file) {
  const auto header = parse_json(text, file);
  const JsonObject all(header, file);
  SafetensorsHeader result;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      result.metadata = parse_metadata(value, all.object(name));
    } else {
      result.tensors[name] = parse_entry(all.object(name), data_bytes);
    }
  }
  check_overlaps(result.tensors, file);
  return result;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  if (file_.size() < length_bytes) throw IoError(path.string() + ": is too short to be a safetensors file");
  std::array<std::byte, length_bytes> raw{};
  file_.read_at(0, raw);
  const auto length = std::bit_cast<std::uint64_t>(raw);
  if (length > file_.size() - length_bytes) {
    throw IoError(path.string() + ": its header is " + std::to_string(length) +
                  " bytes long, but the file only " + std::to_string(file_.size()) +
                  ": truncated, or not a safetensors file");
  }
  if (length > max_header_bytes) {
    throw IoError(path.string() + ": its header is " + std::to_string(length) +
                  " bytes long, more than the format's " + std::to_string(max_header_bytes));
  }
  data_begin_ = length_bytes + length;
  std::string text(static_cast<std::size_t>(length), '\0');
  file_.read_at(length_bytes, std::as_writable_bytes(std::span(text)));
  header_ = parse_safetensors_header(text, file_.size() - data_begin_, path.string());
}

const TensorEntry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = header_.tensors.find(name);
  if (found != header_.tensors.end()) return found->second;
  std::string there;
  for (const auto& [other, ignored] : header_.tensors) {
    if (there.size() > 200) {
      there += ", ...";
      break;
    }
    there += (there.empty() ? "" : ", ") + key_as_written(other);
  }
  throw IoError(file_.path().string() + ": has no tensor " + name + "; it holds " +
                (there.empty() ? "none" : there));
}

const TensorEntry& SafetensorsFile::entry(const std::string& name, const Shape& expected) const {
  const auto& found = entry(name);
  if (found.shape != expected) {
    throw IoError(file_.path().string() + ": tensor " + name + " has the shape " + to_string(found.shape) +
                  ", expected " + to_string(expected));
  }
  return found;
}

void SafetensorsFile::read(const TensorEntry& entry, std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > entry.bytes || out.size() > entry.bytes - offset) {
    throw IoError(file_.path().string() + ": read beyond the end of a tensor");
  }
  file_.read_at(data_begin_ + entry.begin + offset, out);
}

SafetensorsWriter::SafetensorsWriter(files::AtomicFile& file, const std::vector<Declaration>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(file) {
  const auto text = header_text(tensors, metadata, remaining_);
  const auto length = std::bit_cast<std::array<std::byte, length_bytes>>(std::uint64_t{text.size()});
  file_.write(length);
  file_.write(text);
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > remaining_) throw std::logic_error("safetensors: more bytes than were declared");
  file_.write(bytes);
  remaining_ -= bytes.size();
}

void SafetensorsWriter::finish() const {
  if (remaining_ != 0) throw std::logic_error("safetensors: fewer bytes than were declared");
}

}  // namespace msae::io
