#include "io/zip_writer.h"

#include <array>
#include <bit>
#include <utility>

#include "io/crc32.h"

namespace msae::io {
namespace {

constexpr std::uint64_t alignment = 64;
constexpr std::uint16_t padding = 0x4246;    // extra field "FB" that readers pass over, as PyTorch's
constexpr std::uint16_t version = 45;        // of the format: the first with 64-bit sizes
constexpr std::uint32_t date = 0x0021'0000;  // 1 January 1980, midnight: the same model is the same file

template <class Number>
void append(std::string& text, Number value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(Number)>>(value);
  text.append(bytes.data(), bytes.size());
}

template <class... Numbers>
std::string in_bytes(Numbers... values) {
  std::string text;
  (append(text, values), ...);
  return text;
}

// What the local header and the directory say alike.
std::string common_fields(std::uint32_t crc, std::uint32_t stored, std::uint32_t size, std::size_t name,
                          std::size_t extra) {
  return in_bytes(version, zip::utf8_name, std::uint16_t{0}, date, crc, stored, size,
                  static_cast<std::uint16_t>(name), static_cast<std::uint16_t>(extra));
}

std::string wide_field(std::initializer_list<std::uint64_t> values) {
  auto text = in_bytes(zip::wide_sizes, static_cast<std::uint16_t>(8 * values.size()));
  for (const auto value : values) append(text, value);
  return text;
}

}  // namespace

void ZipWriter::write(std::string_view bytes) {
  file_.write(bytes);
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  const Record record{name, position_, bytes.size(), crc32(bytes)};
  const bool wide = record.size >= wide_from_;
  auto extra = wide ? wide_field({record.size, record.size}) : "";
  const auto unpadded = position_ + zip::local_header_bytes + name.size() + extra.size() + 4;
  const auto missing = (alignment - unpadded % alignment) % alignment;
  extra += in_bytes(padding, static_cast<std::uint16_t>(missing)) + std::string(missing, 'Z');
  const auto size = wide ? zip::is_wide : static_cast<std::uint32_t>(record.size);
  write(in_bytes(zip::local_header) + common_fields(record.crc, size, size, name.size(), extra.size()) +
        name + extra);
  file_.write(bytes);
  position_ += bytes.size();
  records_.push_back(record);
}

std::string ZipWriter::directory_record(const Record& record) const {
  const bool wide = record.size >= wide_from_ || record.header >= wide_from_;
  const auto extra = wide ? wide_field({record.size, record.size, record.header}) : "";
  const auto size = wide ? zip::is_wide : static_cast<std::uint32_t>(record.size);
  const auto header = wide ? zip::is_wide : static_cast<std::uint32_t>(record.header);
  return in_bytes(zip::directory_record, version) +
         common_fields(record.crc, size, size, record.name.size(), extra.size()) +
         in_bytes(std::uint16_t{0}, std::uint16_t{0}, std::uint16_t{0}, std::uint32_t{0}, header) +
         record.name + extra;
}

std::string ZipWriter::end_of_directory(std::uint64_t begin) const {
  const auto size = position_ - begin;
  const auto count = std::uint64_t{records_.size()};
  const bool wide = begin >= wide_from_ || size >= wide_from_ || count >= 0xffff;
  std::string text;
  if (wide) {
    text = in_bytes(zip::wide_end_of_directory, std::uint64_t{zip::wide_end_bytes - 12}, version, version,
                    std::uint32_t{0}, std::uint32_t{0}, count, count, size, begin);
    text += in_bytes(zip::wide_end_locator, std::uint32_t{0}, position_, std::uint32_t{1});
  }
  const auto narrow_count = wide ? std::uint16_t{0xffff} : static_cast<std::uint16_t>(count);
  const auto narrow = [&](std::uint64_t value) {
    return wide ? zip::is_wide : static_cast<std::uint32_t>(value);
  };
  return text + in_bytes(zip::end_of_directory, std::uint32_t{0}, narrow_count, narrow_count, narrow(size),
                         narrow(begin), std::uint16_t{0});
}

void ZipWriter::finish() {
  const auto begin = position_;
  for (const auto& record : records_) write(directory_record(record));
  write(end_of_directory(begin));
}

}  // namespace msae::io
