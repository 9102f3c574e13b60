// Embeddings among the tensors of safetensors files; those of torch.save are tested beside their fixtures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "msae/data/listing.h"
#include "support/embeddings.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::overwrite;
using test::read_all;
using test::refusal;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

template <class Number>
std::string raw_bytes(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
}

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  std::size_t begin, std::size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

class Safetensors : public ::testing::Test {
 protected:
  std::string path() const { return (folder_ / "a.safetensors").string(); }
  void write(const std::string& bytes) const { overwrite(path(), bytes); }
  std::string refused(const std::string& bytes, const std::string& inside = "") const {
    write(bytes);
    return refusal(path() + inside);
  }
  test::TempDir folder_;
};

TEST_F(Safetensors, GivesTensorsOfEveryFloatingPointType) {
  const std::vector<float> values{1, -2.5, 3, 0.125, 5, -4};
  const std::vector<double> doubles(values.begin(), values.end());
  const std::vector<std::uint16_t> halves{0x3c00, 0xc100, 0x4200, 0x3000, 0x4500, 0xc400};
  const std::vector<std::uint16_t> brain{0x3f80, 0xc020, 0x4040, 0x3e00, 0x40a0, 0xc080};
  write(file_of("{" + entry("half", "F16", "[3,2]", 0, 12) + "," + entry("brain", "BF16", "[3,2]", 12, 24) +
                    "," + entry("single", "F32", "[3,2]", 24, 48) + "," +
                    entry("double", "F64", "[3,2]", 48, 96) + "}",
                raw_bytes(halves) + raw_bytes(brain) + raw_bytes(values) + raw_bytes(doubles)));
  for (const auto* name : {"half", "brain", "single", "double"}) {
    EXPECT_EQ(read_all(*open(path() + ":" + name)), values) << name;
    EXPECT_EQ(read_all(*open(path() + ":/" + name)), values) << name;
  }
  EXPECT_EQ(open(path() + ":half")->name(), path() + ":half");
  EXPECT_THAT(refusal(path()), AllOf(HasSubstr("holds several tensors of embeddings: brain [3, 2] bfloat16"),
                                     HasSubstr("name one, as in " + path() + ":brain")));
  EXPECT_THAT(refusal(path() + ":other"), HasSubstr("no tensor other; the file holds brain [3, 2] bfloat16"));
  EXPECT_THAT(refusal(path() + ":"),
              HasSubstr("a.safetensors: a colon without a name; the file holds brain"));
}

TEST_F(Safetensors, NeedNoNameWhereOneTensorAloneHoldsEmbeddings) {
  const std::vector<float> values{1, 2, 3};
  write(file_of("{" + entry("bias", "F32", "[1]", 0, 4) + "," + entry("x", "F32", "[2,1]", 4, 12) + "}",
                raw_bytes(values)));
  EXPECT_EQ(read_all(*open(path())), (std::vector<float>{2, 3}));
  const auto listed = list(path());
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].path, "bias");
  EXPECT_FALSE(listed[0].usable);
  EXPECT_EQ(listed[1].shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_TRUE(listed[1].usable);
}

TEST_F(Safetensors, RefuseWhatIsNoMatrixOfNumbers) {
  EXPECT_THAT(refused(file_of("{" + entry("x", "I64", "[1,1]", 0, 8) + "}", std::string(8, '\0'))),
              HasSubstr(":x holds I64, not float16, bfloat16, float32 or float64"));
  EXPECT_THAT(refused(file_of("{" + entry("x", "F32", "[2]", 0, 8) + "}", std::string(8, '\0'))),
              HasSubstr(":x is not two-dimensional but [2]"));
  EXPECT_THAT(refused(file_of("{" + entry("x", "F32", "[0,2]", 0, 0) + "}", "")), HasSubstr("has no rows"));
  EXPECT_THAT(refused(file_of("{}", "")),
              HasSubstr("holds no two-dimensional floating-point tensor; it holds no"));
}

TEST_F(Safetensors, RefuseSizesThatOverflowAndHeadersThatNameMoreThanThereIs) {
  EXPECT_THAT(
      refused(file_of("{" + entry("x", "F32", "[4611686018427387904,4]", 0, 8) + "}", std::string(8, '\0'))),
      HasSubstr("a.safetensors: x"));
  EXPECT_THAT(refused(file_of("{" + entry("x", "F32", "[2,2]", 0, 16) + "}", std::string(8, '\0'))),
              HasSubstr("a.safetensors: x"));
}

TEST_F(Safetensors, AreRefusedWhereverTheyAreCut) {
  const std::vector<float> values{1, 2, 3, 4};
  const auto whole = file_of("{" + entry("x", "F32", "[2,2]", 0, 16) + "}", raw_bytes(values));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(refused(whole.substr(0, length)), HasSubstr("a.safetensors")) << length;
  }
  write(whole);
  EXPECT_EQ(read_all(*open(path())), values);
}

TEST_F(Safetensors, NameTheFirstRowThatHoldsNaN) {
  const std::vector<float> values{1, 2, 3, std::numeric_limits<float>::infinity()};
  write(file_of("{" + entry("x", "F32", "[2,2]", 0, 16) + "}", raw_bytes(values)));
  EXPECT_THAT(test::error_of<IoError>([&] { read_all(*open(path())); }),
              HasSubstr(path() + ":x: row 1 holds NaN or Inf"));
}

TEST_F(Safetensors, ThatAreWrittenToWhileTheyAreReadEndTheReading) {
  const std::vector<float> values{1, 2, 3, 4};
  const auto whole = file_of("{" + entry("x", "F32", "[2,2]", 0, 16) + "}", raw_bytes(values));
  write(whole);
  const auto source = open(path());
  EXPECT_EQ(read_all(*source), values);
  write(whole + " ");
  EXPECT_THAT(test::error_of<IoError>([&] { read_all(*source); }),
              HasSubstr("was changed while it was read"));
  write(whole.substr(0, whole.size() - 1));
  EXPECT_THAT(test::error_of<IoError>([&] { read_all(*source); }),
              AnyOf(HasSubstr("ends at byte"), HasSubstr("was changed")));
  write(whole);
  const auto removed = open(path());
  std::filesystem::remove(path());
  EXPECT_EQ(read_all(*removed), values);  // of a file without a name, which is whole
}

}  // namespace
}  // namespace msae::data
