#include "data/npy_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "core/file.h"
#include "support/embeddings.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::overwrite;
using test::read_all;
using test::refusal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A file of version 1 as NumPy writes it, its rows beginning at a multiple of 64.
std::string npy(const std::string& header, const std::string& rows, char version = 1) {
  const std::size_t fixed = version == 1 ? 10 : 12;
  auto text = header;
  while ((fixed + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  std::string length{static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  if (version > 1) length += std::string(2, '\0');
  return std::string("\x93NUMPY") + version + '\0' + length + text + rows;
}

std::string header(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

template <class Number>
std::string bytes(const std::vector<Number>& values, bool reversed = false) {
  std::string text;
  for (const auto value : values) {
    std::string one(sizeof(Number), '\0');
    std::memcpy(one.data(), &value, sizeof(Number));
    if (reversed) std::reverse(one.begin(), one.end());
    text += one;
  }
  return text;
}

class Npy : public ::testing::Test {
 protected:
  std::string path(const std::string& name = "a.npy") const { return (folder_ / name).string(); }
  std::vector<float> read(const std::string& file) const {
    overwrite(path(), file);
    return read_all(*open(path()));
  }
  std::string refused(const std::string& file, const std::string& name = "a.npy") const {
    overwrite(path(name), file);
    return refusal(path(name));
  }
  test::TempDir folder_;
};

TEST_F(Npy, ReadsEveryTypeAndByteOrder) {
  const std::vector<float> values{1, -2.5, 3, 0.125, 5, 65504};
  const std::vector<double> doubles(values.begin(), values.end());
  const std::vector<std::uint16_t> halves{0x3c00, 0xc100, 0x4200, 0x3000, 0x4500, 0x7bff};
  for (const bool big : {false, true}) {
    const std::string order = big ? ">" : "<";
    EXPECT_EQ(read(npy(header(order + "f2", "(3, 2)"), bytes(halves, big))), values);
    EXPECT_EQ(read(npy(header(order + "f4", "(3, 2)"), bytes(values, big))), values);
    EXPECT_EQ(read(npy(header(order + "f8", "(3, 2)"), bytes(doubles, big))), values);
  }
  for (const char version : {'\1', '\2', '\3'}) {
    EXPECT_EQ(read(npy(header("<f4", "(3, 2)"), bytes(values), version)), values);
  }
}

TEST_F(Npy, ReadsRowsFromTheMiddleAndBeyondOneBuffer) {
  std::vector<float> values(3000 * 200);
  std::iota(values.begin(), values.end(), 0.0f);
  EXPECT_EQ(read(npy(header("<f4", "(3000, 200)"), bytes(values))), values);
  const auto source = open(path());
  EXPECT_EQ(source->rows(), 3000);
  EXPECT_EQ(source->dim(), 200);
  EXPECT_EQ(source->name(), path());
  std::vector<float> row(2 * 200);
  source->read(1234, 2, row);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), values.begin() + 1234 * 200));
  source->read(2999, 1, std::span(row).first(200));
  EXPECT_EQ(row[199], values.back());
}

TEST_F(Npy, HeadersMayBeWrittenOtherwise) {
  const std::vector<float> values{1, 2, 3};
  for (const auto* text : {"{\"shape\":(1,3),\"descr\":\"<f4\",\"fortran_order\":False}",
                           "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 1 , 3 , ) , }\n"}) {
    EXPECT_EQ(read(npy(text, bytes(values))), values) << text;
  }
}

TEST_F(Npy, WithoutAHeaderTheNameTellsTheShape) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (const std::string name : {"toy_ViT-B~32_train_image_3_2.npy", "v1.2_3_2.npy", "_3_2.npy"}) {
    overwrite(path(name), bytes(values));
    const auto source = open(path(name));
    EXPECT_EQ(source->rows(), 3);
    EXPECT_EQ(source->dim(), 2);
    EXPECT_EQ(read_all(*source), values);
  }
}

TEST_F(Npy, ReadsThePublishedFile) {
  const auto source = open(MSAE_TEST_DATA "/reference_files/toy_ViT-B~32_validation_image_64_32.npy");
  EXPECT_EQ(source->rows(), 64);
  EXPECT_EQ(source->dim(), 32);
  const auto whole = files::read_text(source->name(), 1 << 20);
  EXPECT_EQ(bytes(read_all(*source)), whole);
}

TEST_F(Npy, NamesThatDoNotTellAreRefused) {
  const auto rows = bytes(std::vector<float>{1, 2, 3, 4, 5, 6});
  for (const auto* name : {"a.npy", "a_6.npy", "3_2.npy", "a_3_2x.npy", "a_3_-2.npy", "a_3_.npy",
                           "a_3_99999999999999999999.npy"}) {
    EXPECT_THAT(refused(rows, name), HasSubstr("has no NumPy header, and its name does not tell")) << name;
  }
  EXPECT_THAT(refused(rows, "a_3_3.npy"),
              HasSubstr("[3, 3] float32 numbers in 36 bytes, but the file has 24"));
  EXPECT_THAT(refused(rows, "a_3_1.npy"), HasSubstr("in 12 bytes, but the file has 24"));
  EXPECT_THAT(refused("", "a_0_2.npy"), HasSubstr("has no rows"));
  EXPECT_THAT(refused(rows, "a_2_4611686018427387904.npy"), HasSubstr("too many columns"));
  EXPECT_THAT(refused(rows, "a_4611686018427387904_2.npy"), HasSubstr("too many rows"));
}

TEST_F(Npy, ArraysThatAreNoEmbeddingsAreRefused) {
  const std::string rows(1000, '\0');
  EXPECT_THAT(refused(npy(header("<f4", "(3,)"), rows)), HasSubstr("is not two-dimensional but [3]"));
  EXPECT_THAT(refused(npy(header("<f4", "()"), rows)), HasSubstr("is not two-dimensional but scalar"));
  EXPECT_THAT(refused(npy(header("<f4", "(0, 3)"), rows)), HasSubstr("has no rows"));
  EXPECT_THAT(refused(npy(header("<f4", "(3, 0)"), rows)), HasSubstr("has no columns"));
  for (const auto* type : {"<i4", "|u1", "<V2", "<c8", "|O", "f4", "=f4", "<f16"}) {
    EXPECT_THAT(refused(npy(header(type, "(3, 2)"), rows)),
                HasSubstr(std::string("holds ") + type + ", not float16"));
  }
  EXPECT_THAT(refused(npy(header("<f4", "(3, 2)", "True"), rows)),
              HasSubstr("a.npy is in Fortran order; write it again row by row"));
}

TEST_F(Npy, HeadersThatAreNoneAreRefused) {
  const std::string rows(1000, '\0');
  const std::string damaged = "a.npy: its NumPy header is damaged";
  for (const auto* text :
       {"", "{}", "{", "{'descr': '<f4', }", "[1]",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } x",
        "{'descr': '<f4', 'descr': '<f4', 'shape': (3, 2), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), 'extra': 1}", "{'descr': '<f4"}) {
    EXPECT_THAT(refused(npy(text, rows)), HasSubstr(damaged)) << text;
  }
  EXPECT_THAT(refused(npy(header("<f4", "(3, 2)"), rows, 4)), HasSubstr("is of version 4"));
  EXPECT_THAT(refused(std::string("\x93NUMPY\x01\0\xff\xff", 10) + rows),
              HasSubstr("65535 bytes long, but the file"));
}

TEST_F(Npy, SizesAreHeldAgainstTheFile) {
  EXPECT_THAT(refused(npy(header("<f4", "(4000000000000, 1000)"), "")),
              HasSubstr("which takes 16000000000000000 bytes, but holds only 0 after its header"));
  const auto whole = npy(header("<f4", "(3, 2)"), bytes(std::vector<float>{1, 2, 3, 4, 5, 6}));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refused(whole.substr(0, size)), HasSubstr("a.npy")) << size;
  }
}

TEST_F(Npy, OtherPlacesAreSaid) {
  EXPECT_THAT(refusal(path("none.npy")), HasSubstr("none.npy: cannot be opened: No such file"));
  overwrite(path(), npy(header("<f4", "(1, 1)"), "1234"));
  EXPECT_THAT(refusal(path() + ":/x"), HasSubstr("a .npy file holds one array alone; name it without /x"));
}

TEST_F(Npy, BadRowsAreNamed) {
  const std::vector<float> values{1, 2, 3, NAN};
  overwrite(path(), npy(header("<f4", "(2, 2)"), bytes(values)));
  const auto source = open(path());
  std::vector<float> out(4);
  EXPECT_THAT(test::error_of<IoError>([&] { source->read(0, 2, out); }),
              HasSubstr("a.npy: row 1 holds NaN or Inf"));
}

TEST_F(Npy, RandomDamageIsReadOrRefusedButNeverCrashes) {
  const auto whole = npy(header("<f4", "(3, 2)"), bytes(std::vector<float>{1, 2, 3, 4, 5, 6}));
  std::mt19937_64 random(5);
  int refusals = 0;
  for (int round = 0; round < 3000; ++round) {
    auto damaged = whole;
    damaged[random() % 70] ^= static_cast<char>(1u << (random() % 8));
    refusals += refused(damaged) != "no error";
  }
  EXPECT_GT(refusals, 1500);
}

}  // namespace
}  // namespace msae::data
