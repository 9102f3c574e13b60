#include "io/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "io/crc32.h"
#include "io/zip_writer.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using test::error_of;
using test::overwrite;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::uint32_t crc_of(std::string_view text) {
  return crc32(std::as_bytes(std::span(text)));
}

TEST(Crc32, IsTheOneOfZip) {
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of("123456789"), 0xcbf43926u);  // the check value of its definition
}

TEST(Crc32, IsTheSameBitByBitAndInPieces) {
  std::mt19937 random(1);
  std::string text(100, '\0');
  for (auto& letter : text) letter = static_cast<char>(random());
  for (std::size_t size = 0; size <= text.size(); ++size) {
    std::uint32_t plain = 0xffffffffu;
    for (const char letter : text.substr(0, size)) {
      plain ^= static_cast<unsigned char>(letter);
      for (int bit = 0; bit < 8; ++bit) plain = plain >> 1 ^ (plain & 1 ? 0xedb88320u : 0u);
    }
    const auto bytes = std::as_bytes(std::span(text)).first(size);
    EXPECT_EQ(crc32(bytes), ~plain);
    EXPECT_EQ(crc32(bytes.subspan(size / 3), crc32(bytes.first(size / 3))), ~plain);
  }
}

class Zip : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "a.zip"; }

  void write(std::uint64_t wide_from = zip::is_wide) const {
    files::AtomicFile file(path());
    ZipWriter writer(file, wide_from);
    for (const auto& [name, text] : texts_) writer.add(name, text);
    writer.finish();
    file.commit();
  }
  std::string whole() const { return files::read_text(path(), 1 << 20); }
  std::string error(const std::string& bytes, const std::string& name = "x/long") const {
    overwrite(path(), bytes);
    return error_of<IoError>([&] { ZipArchive(path()).text(name, 1 << 20); });
  }
  /// With the bytes at every place where `from` is found replaced.
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
      text.replace(at, from.size(), to);
    }
    return text;
  }

  test::TempDir folder_;
  const std::map<std::string, std::string> texts_{{"x/empty", ""},
                                                  {"x/long", std::string(5000, 'l')},
                                                  {"x/short", "s"},
                                                  {"x/zeros", std::string(64, '\0')}};
};

TEST_F(Zip, GivesBackWhatWasWritten) {
  for (const std::uint64_t wide_from : {std::uint64_t{zip::is_wide}, std::uint64_t{64}, std::uint64_t{0}}) {
    write(wide_from);
    const ZipArchive archive(path());
    for (const auto& [name, text] : texts_) EXPECT_EQ(archive.text(name, 5000), text) << name << wide_from;
  }
}

TEST_F(Zip, BytesBeginAtMultiplesOf64) {
  for (const std::uint64_t wide_from : {std::uint64_t{zip::is_wide}, std::uint64_t{0}}) {
    write(wide_from);
    const ZipArchive archive(path());
    for (const auto& [name, text] : texts_) EXPECT_EQ(archive.entry(name).begin % 64, 0u) << name;
  }
}

TEST_F(Zip, PartsAreReadWithinAnEntryAlone) {
  write();
  const ZipArchive archive(path());
  const auto entry = archive.entry("x/long");
  std::vector<std::byte> out(10);
  archive.read(entry, 4990, out);
  EXPECT_EQ(out[9], std::byte{'l'});
  EXPECT_THROW(archive.read(entry, 4991, out), IoError);
  EXPECT_THROW(archive.read(entry, ~0ull, out), IoError);
  EXPECT_THAT(error_of<IoError>([&] { archive.text("x/long", 4999); }),
              HasSubstr("more than the 4999 expected"));
}

TEST_F(Zip, NamesAreLookedUp) {
  write();
  const ZipArchive archive(path());
  EXPECT_EQ(archive.name_ending_with("/long"), "x/long");
  EXPECT_EQ(archive.name_ending_with("/none"), "");
  EXPECT_THAT(error_of<IoError>([&] { archive.entry("none"); }), HasSubstr("a.zip: holds no entry none"));
}

TEST_F(Zip, WhatIsNoArchiveIsSaid) {
  EXPECT_THAT(error(""), HasSubstr("is no zip archive, as torch.save writes, or is truncated"));
  EXPECT_THAT(error("PK"), HasSubstr("is no zip archive"));
  EXPECT_THAT(error(std::string(100'000, 'x')), HasSubstr("is no zip archive"));
}

TEST_F(Zip, EntriesThatAreCompressedEncryptedOrTwiceThereAreRefused) {
  write();
  const auto bytes = whole();
  // Version, flags and method, as both headers have them.
  const std::string stored("\x2d\0\0\x08\0\0", 6), deflated("\x2d\0\0\x08\x08\0", 6),
      locked("\x2d\0\1\x08\0\0", 6);
  EXPECT_THAT(error(replaced(bytes, stored, deflated)),
              HasSubstr("x/long is compressed, which torch.save never"));
  EXPECT_THAT(error(replaced(bytes, stored, locked)), HasSubstr("x/long is encrypted"));
  EXPECT_THAT(error(replaced(bytes, "x/zeros", "x/short")), HasSubstr("two entries of the name x/short"));
}

TEST_F(Zip, DamagedBytesDoNotMatchTheirChecksum) {
  write();
  EXPECT_THAT(error(replaced(whole(), "lllll", "llLll")),
              HasSubstr("x/long is damaged: its checksum is another"));
}

TEST_F(Zip, SizesBeyondTheFileTakeNoMemory) {  // as those of a zip bomb
  write(0);
  const auto bytes = whole();
  const std::string size("\x88\x13\0\0\0\0\0\0", 8), huge("\0\0\0\0\0\0\0\x40", 8);
  EXPECT_THAT(error(replaced(bytes, size, huge)),
              HasSubstr("x/long of 4611686018427387904 bytes ends beyond the end of the file"));
}

TEST_F(Zip, ArchivesCutAnywhereAreRefused) {
  for (const std::uint64_t wide_from : {std::uint64_t{zip::is_wide}, std::uint64_t{0}}) {
    write(wide_from);
    const auto bytes = whole();
    for (std::size_t size = 0; size < bytes.size(); size += size < 4000 || size > 5000 ? 1 : 97) {
      EXPECT_THAT(error(bytes.substr(0, size)), AllOf(HasSubstr("a.zip: "), Not(HasSubstr("\n")))) << size;
    }
  }
}

TEST_F(Zip, RandomDamageIsReadOrRefusedButNeverCrashes) {
  write(0);
  const auto bytes = whole();
  std::mt19937_64 random(3);
  std::set<std::string> errors;
  for (int round = 0; round < 3000; ++round) {
    auto damaged = bytes;
    const auto from = round % 2 ? 0 : bytes.size() - 500;  // local headers, or the directory
    damaged[from + random() % (round % 2 ? 200 : 500)] ^= static_cast<char>(1u << (random() % 8));
    errors.insert(error(damaged));
  }
  EXPECT_GT(errors.size(), 8u);
}

}  // namespace
}  // namespace msae::io
