#include "io/zip_archive.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "core/printable.h"
#include "io/byte_reader.h"
#include "io/crc32.h"
#include "io/zip_format.h"
#include "msae/core/error.h"

namespace msae::io {

// Reads the list of entries at the file's end. Nothing that it says is believed before it fits the file.
class ZipArchive::DirectoryReader {
 public:
  explicit DirectoryReader(ZipArchive& archive) : archive_(archive) {}

  void read() {
    const auto place = find();
    if (place.size > archive_.file_.size() || place.begin > archive_.file_.size() - place.size) {
      archive_.refuse("has a zip directory that lies beyond its end: is it truncated?");
    }
    constexpr std::uint64_t most_bytes = 64'000'000;
    if (place.size > most_bytes) archive_.refuse("has a zip directory larger than any of PyTorch's");
    const auto text = bytes(place.begin, place.size);
    ByteReader reader(text, archive_.path().string() + ": its zip directory");
    for (std::uint64_t i = 0; i < place.entries; ++i) read_record(reader);
  }

 private:
  struct Place {
    std::uint64_t begin = 0, size = 0, entries = 0;
  };

  std::string bytes(std::uint64_t begin, std::uint64_t count) const {
    std::string text(static_cast<std::size_t>(count), '\0');
    archive_.file_.read_at(begin, std::as_writable_bytes(std::span(text)));
    return text;
  }

  // Where the record at the file's end begins; a comment of up to 65535 bytes may follow it.
  std::uint64_t find_end() const {
    const auto size = archive_.file_.size();
    const auto tail = bytes(size - std::min<std::uint64_t>(size, zip::end_bytes + 0xffff),
                            std::min<std::uint64_t>(size, zip::end_bytes + 0xffff));
    for (auto at = tail.size(); at >= zip::end_bytes; --at) {
      ByteReader reader(std::string_view(tail).substr(at - zip::end_bytes), "");
      if (reader.number<std::uint32_t>() != zip::end_of_directory) continue;
      reader.take(16);
      if (reader.number<std::uint16_t>() == tail.size() - at) return size - tail.size() + at - zip::end_bytes;
    }
    archive_.refuse("is no zip archive, as torch.save writes, or is truncated");
  }

  Place find() const {
    const auto end = find_end();
    if (const auto wide = find_wide(end)) return *wide;
    const auto text = bytes(end, zip::end_bytes);
    ByteReader reader(text, "");
    reader.take(10);
    Place place;
    place.entries = reader.number<std::uint16_t>();
    place.size = reader.number<std::uint32_t>();
    place.begin = reader.number<std::uint32_t>();
    return place;
  }

  // The 64-bit record, which a locator right before the end's record leads to.
  std::optional<Place> find_wide(std::uint64_t end) const {
    if (end < zip::wide_locator_bytes) return std::nullopt;
    const auto locator = bytes(end - zip::wide_locator_bytes, zip::wide_locator_bytes);
    ByteReader reader(locator, "");
    if (reader.number<std::uint32_t>() != zip::wide_end_locator) return std::nullopt;
    reader.take(4);
    const auto at = reader.number<std::uint64_t>();
    if (end < zip::wide_end_bytes || at > end - zip::wide_end_bytes) damaged();
    const auto record = bytes(at, zip::wide_end_bytes);
    ByteReader wide(record, "");
    if (wide.number<std::uint32_t>() != zip::wide_end_of_directory) damaged();
    wide.take(28);
    Place place;
    place.entries = wide.number<std::uint64_t>();
    place.size = wide.number<std::uint64_t>();
    place.begin = wide.number<std::uint64_t>();
    return place;
  }

  void read_record(ByteReader& reader) {
    if (reader.number<std::uint32_t>() != zip::directory_record) damaged();
    reader.take(4);
    Record record;
    record.flags = reader.number<std::uint16_t>();
    record.method = reader.number<std::uint16_t>();
    reader.take(4);
    record.crc = reader.number<std::uint32_t>();
    record.stored_size = reader.number<std::uint32_t>();
    record.size = reader.number<std::uint32_t>();
    const auto name_bytes = reader.number<std::uint16_t>();
    const auto extra_bytes = reader.number<std::uint16_t>();
    const auto comment_bytes = reader.number<std::uint16_t>();
    reader.take(8);
    record.header = reader.number<std::uint32_t>();
    const std::string name(reader.take(name_bytes));
    widen(record, reader.take(extra_bytes));
    reader.take(comment_bytes);
    if (!archive_.directory_.emplace(name, record).second) {
      archive_.refuse("holds two entries of the name " + printable(name));
    }
  }

  // Takes what does not fit into 32 bits from the extra fields.
  void widen(Record& record, std::string_view extra) const {
    ByteReader fields(extra, archive_.path().string() + ": its zip directory");
    while (!fields.empty()) {
      const auto id = fields.number<std::uint16_t>();
      const auto field = fields.take(fields.number<std::uint16_t>());
      if (id != zip::wide_sizes) continue;
      ByteReader sizes(field, archive_.path().string() + ": its zip directory");
      for (auto* size : {&record.size, &record.stored_size, &record.header}) {
        if (*size == zip::is_wide) *size = sizes.number<std::uint64_t>();
      }
      return;
    }
  }

  [[noreturn]] void damaged() const { archive_.refuse("has a damaged zip directory"); }

  ZipArchive& archive_;
};

ZipArchive::ZipArchive(const std::filesystem::path& path) : file_(path) {
  DirectoryReader(*this).read();
}

void ZipArchive::refuse(const std::string& what) const {
  throw IoError(path().string() + ": " + what);
}

std::string ZipArchive::name_ending_with(const std::string& ending) const {
  for (const auto& [name, record] : directory_) {
    if (name.size() >= ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
      return name;
  }
  return "";
}

ZipArchive::Entry ZipArchive::entry(const std::string& name) const {
  const auto found = directory_.find(name);
  if (found == directory_.end()) refuse("holds no entry " + printable(name));
  const auto& record = found->second;
  if ((record.flags & zip::encrypted) != 0) refuse("entry " + printable(name) + " is encrypted");
  if (record.method != 0 || record.size != record.stored_size) {
    refuse("entry " + printable(name) + " is compressed, which torch.save never does; save the model again");
  }
  const auto size = file_.size();
  if (size < zip::local_header_bytes || record.header > size - zip::local_header_bytes) {
    refuse("entry " + printable(name) + " begins beyond the end of the file");
  }
  std::string header(zip::local_header_bytes, '\0');
  file_.read_at(record.header, std::as_writable_bytes(std::span(header)));
  ByteReader reader(header, "");
  if (reader.number<std::uint32_t>() != zip::local_header) {
    refuse("entry " + printable(name) + " is not where the zip directory has it");
  }
  reader.take(22);
  const auto before = std::uint64_t{reader.number<std::uint16_t>()} + reader.number<std::uint16_t>();
  const auto begin = record.header + zip::local_header_bytes + before;
  if (begin > size || record.size > size - begin) {
    refuse("entry " + printable(name) + " of " + std::to_string(record.size) +
           " bytes ends beyond the end of the file");
  }
  return {name, begin, record.size, record.crc};
}

void ZipArchive::read(const Entry& entry, std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > entry.size || out.size() > entry.size - offset) {
    refuse("read beyond the end of entry " + printable(entry.name));
  }
  file_.read_at(entry.begin + offset, out);
}

void ZipArchive::read_all(const Entry& entry, std::span<std::byte> out) const {
  read(entry, 0, out);
  if (crc32(out) != entry.crc) {
    refuse("entry " + printable(entry.name) + " is damaged: its checksum is another");
  }
}

std::string ZipArchive::text(const std::string& name, std::uint64_t limit) const {
  const auto found = entry(name);
  if (found.size > limit) {
    refuse("entry " + printable(name) + " is " + std::to_string(found.size) + " bytes long, more than the " +
           std::to_string(limit) + " expected at most");
  }
  std::string text(static_cast<std::size_t>(found.size), '\0');
  read_all(found, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace msae::io
