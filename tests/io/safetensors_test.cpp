#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "msae/core/error.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using test::overwrite;
using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

constexpr std::uint64_t data_bytes = 24;

// A file with this header and `data` bytes of tensors.
std::string file_with(const std::string& header, std::size_t data = data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data, '\1');
}

void expect_refused(const std::string& header, const std::string& sentence) {
  const TempDir folder;
  overwrite(folder / "w.safetensors", file_with(header));
  EXPECT_THAT([&] { SafetensorsFile(folder / "w.safetensors"); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("w.safetensors: "), HasSubstr(sentence),
                                           Not(HasSubstr("exception")), Not(HasSubstr("\n")))))
      << header;
}

// {"a": {...}} with one field of a good entry replaced.
std::string entry(const std::string& dtype = "\"F32\"", const std::string& shape = "[2,3]",
                  const std::string& offsets = "[0,24]") {
  return "{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

std::string small_file() {
  return file_with(R"({"__metadata__":{"by":"a test"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                   R"("b":{"dtype":"I64","shape":[2,1],"data_offsets":[8,24]}})");
}

// Reads everything there is; the only failure allowed is an IoError.
void read_all(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  for (const auto& [name, tensor] : file.tensors()) {
    std::vector<std::byte> bytes(tensor.bytes);
    file.read(tensor, 0, bytes);
  }
}

TEST(Safetensors, WhatIsWrittenComesBack) {
  const TempDir folder;
  const std::array<float, 6> matrix{1, 2, 3, 4, 5, 6};
  const double scalar = 0.1;
  files::AtomicFile out(folder / "w");
  SafetensorsWriter writer(out, {{"matrix", "F32", {2, 3}}, {"none", "F32", {0, 3}}, {"scalar", "F64", {}}},
                           {{"by", "a test"}});
  const auto bytes = std::as_bytes(std::span(matrix));
  writer.write(bytes.first(7));  // pieces need not end where elements do
  writer.write(bytes.subspan(7));
  writer.write(std::as_bytes(std::span(&scalar, 1)));
  writer.finish();
  out.commit();

  const SafetensorsFile in(folder / "w");
  EXPECT_EQ(in.metadata(), (std::map<std::string, std::string>{{"by", "a test"}}));
  EXPECT_EQ(in.tensors().size(), 3u);
  float last_row[3];
  in.read(in.entry("matrix", {2, 3}), 12, std::as_writable_bytes(std::span(last_row)));
  EXPECT_THAT(last_row, ::testing::ElementsAre(4, 5, 6));
  double value = 0;
  in.read(in.entry("scalar", {}), 0, std::as_writable_bytes(std::span(&value, 1)));
  EXPECT_EQ(value, scalar);
}

TEST(Safetensors, TensorsStartAtAMultipleOfEightBytes) {
  const TempDir folder;
  for (const auto* name : {"a", "ab", "abc", "abcdefgh"}) {
    files::AtomicFile out(folder / "w");
    SafetensorsWriter(out, {{name, "U8", {0}}}).finish();
    out.commit();
    EXPECT_EQ(std::filesystem::file_size(folder / "w") % 8, 0u) << name;
  }
}

TEST(Safetensors, TheWriterTakesExactlyWhatWasDeclared) {
  const TempDir folder;
  files::AtomicFile out(folder / "w");
  SafetensorsWriter writer(out, {{"a", "U8", {3}}});
  const std::array<std::byte, 4> bytes{};
  EXPECT_THROW(writer.finish(), std::logic_error);
  EXPECT_THROW(writer.write(bytes), std::logic_error);
  EXPECT_THROW(SafetensorsWriter(out, {{"a", "F99", {3}}}), std::invalid_argument);
}

TEST(Safetensors, RefusesHeadersThatDoNotFitTheFile) {
  const TempDir folder;
  const auto refused = [&](const std::string& bytes, const std::string& sentence) {
    overwrite(folder / "w", bytes);
    EXPECT_THAT([&] { SafetensorsFile(folder / "w"); }, ThrowsMessage<IoError>(HasSubstr(sentence)));
  };
  refused("", "too short");
  refused("1234567", "too short");
  refused(std::string(8, '\xff') + "{}", "header is 18446744073709551615 bytes long, but the file only 10");
  refused(std::string("\3\0\0\0\0\0\0\0{}", 10), "header is 3 bytes long");
  EXPECT_THAT([&] { SafetensorsFile(folder / "none"); }, ThrowsMessage<IoError>(HasSubstr("No such file")));
}

TEST(Safetensors, RefusesHeadersThatAreNoHeaders) {
  expect_refused("", "is not valid JSON");
  expect_refused("{\"a\":", "is not valid JSON");
  expect_refused("{\"\xff\":1}", "is not valid JSON");
  expect_refused("{\"a\":1e999}", "is not valid JSON");
  expect_refused("[1]", "the file must be a JSON object, not [1]");
  expect_refused("{\"\\n\":1}", "\\n must be a JSON object, not 1");
  expect_refused("{\"a\":1}", "a must be a JSON object, not 1");
  expect_refused("{\"__metadata__\":{\"a\":1}}", "__metadata__.a must be a text");
  expect_refused("{\"a\":{}}", "a.dtype is missing");
  expect_refused(std::string(100'000, '['), "nested too deeply");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_refused(objects, "nested too deeply");
}

TEST(Safetensors, RefusesImpossibleTensors) {
  expect_refused(entry("\"F99\""), "a.dtype is unknown: \"F99\"");
  expect_refused(entry("7"), "a.dtype must be a text, not 7");
  expect_refused(entry("\"F32\"", "[2,-3]"), "a.shape has a negative size: [2, -3]");
  expect_refused(entry("\"F32\"", "[2.5]"), "a.shape must be a list of whole numbers");
  expect_refused(entry("\"F32\"", "6"), "a.shape must be a list of whole numbers, not 6");
  expect_refused(entry("\"F32\"", "[4294967296,4294967296]"), "a.shape is too large");
  expect_refused(entry("\"F32\"", "[18446744073709551615]"), "a.shape must be a list of whole numbers");
  expect_refused(entry("\"F32\"", "[2,3]", "[0]"), "a.data_offsets must be");
  expect_refused(entry("\"F32\"", "[2,3]", "[24,0]"), "a.data_offsets must be");
  expect_refused(entry("\"F32\"", "[2,3]", "[-24,0]"), "a.data_offsets must be");
  expect_refused(entry("\"F32\"", "[2,3]", "[0,20]"), "cover 20 bytes, but F32 [2, 3] takes 24");
  expect_refused(entry("\"F32\"", "[2,3]", "[8,32]"), "end at byte 32, but the file holds 24 bytes");
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("b":{"dtype":"U8","shape":[4],"data_offsets":[3,7]}})",
                 "tensors \"a\" and \"b\" overlap");
}

TEST(Safetensors, HolesAndEmptyTensorsAreNoError) {
  const auto header = parse_safetensors_header(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]},)"
                                               R"("b":{"dtype":"U8","shape":[0],"data_offsets":[6,6]}})",
                                               8, "w");
  EXPECT_EQ(header.tensors.size(), 2u);
}

TEST(Safetensors, NamesTheTensorsThereAreAndBothShapes) {
  const TempDir folder;
  overwrite(folder / "w", small_file());
  const SafetensorsFile file(folder / "w");
  EXPECT_THAT([&] { file.entry("c"); }, ThrowsMessage<IoError>(HasSubstr("has no tensor c; it holds a, b")));
  EXPECT_THAT(
      [&] {
        file.entry("b", {2, 2});
      },
      ThrowsMessage<IoError>(HasSubstr("tensor b has the shape [2, 1], expected [2, 2]")));
  std::array<std::byte, 8> bytes{};
  EXPECT_THROW(file.read(file.entry("a"), 1, bytes), IoError);
  EXPECT_THROW(file.read(file.entry("a"), ~std::uint64_t{0}, bytes), IoError);
}

TEST(Safetensors, AFileCutAtAnyByteIsAnIoError) {
  const TempDir folder;
  const auto whole = small_file();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    overwrite(folder / "w", whole.substr(0, size));
    EXPECT_THROW(read_all(folder / "w"), IoError) << "cut at byte " << size;
  }
  overwrite(folder / "w", whole);
  EXPECT_NO_THROW(read_all(folder / "w"));
}

TEST(Safetensors, DamagedHeadersAreReadOrRefusedButNeverCrash) {
  const auto whole = small_file();
  const auto header = whole.substr(8, whole.size() - 8 - data_bytes);
  std::mt19937_64 random(1);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    auto damaged = header;
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1u << (random() % 8));
    }
    try {
      for (const auto& [name, tensor] : parse_safetensors_header(damaged, data_bytes, "w").tensors) {
        ASSERT_LE(tensor.begin + tensor.bytes, data_bytes) << damaged;
      }
    } catch (const IoError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2500);
}

}  // namespace
}  // namespace msae::io
