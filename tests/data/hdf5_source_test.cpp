#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "data/half.h"
#include "msae/core/error.h"
#include "msae/data/source.h"
#include "support/embeddings.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::Hdf5File;
using test::read_all;
using test::refusal;
using test::Storage;
using test::TempDir;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Kind {
  std::size_t bytes;
  bool big_endian;
  Storage storage;
};

std::string name_of(const ::testing::TestParamInfo<Kind>& info) {
  const auto& [bytes, big_endian, storage] = info.param;
  return "float" + std::to_string(8 * bytes) + (big_endian ? "BigEndian" : "LittleEndian") +
         (storage.chunk.empty() ? "Contiguous"
                                : (storage.gzip ? "Gzip" : "Chunked") + std::to_string(storage.chunk[0]) +
                                      "x" + std::to_string(storage.chunk[1]));
}

/// Numbers that all three types hold, as a file of the kind holds them.
std::vector<std::byte> encoded(const std::vector<std::uint16_t>& halves, const Kind& kind) {
  std::vector<std::byte> bytes(halves.size() * kind.bytes);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    std::byte* at = bytes.data() + i * kind.bytes;
    const float single = half_to_float(halves[i]);
    const double twice = single;
    const void* value = kind.bytes == 2 ? static_cast<const void*>(&halves[i])
                                        : (kind.bytes == 4 ? static_cast<const void*>(&single) : &twice);
    std::memcpy(at, value, kind.bytes);
    if (kind.big_endian) std::reverse(at, at + kind.bytes);
  }
  return bytes;
}

class EveryKind : public ::testing::TestWithParam<Kind> {};

TEST_P(EveryKind, IsReadAsItWasWritten) {
  constexpr std::size_t rows = 53, dim = 19;
  std::vector<std::uint16_t> halves(rows * dim);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<std::uint16_t>((i * 2654435761u >> 7 & 0x8000u) | (i * 40503u % 0x7c00u));
  }
  const TempDir folder;
  const auto file = folder / "a.h5";
  const auto bytes = encoded(halves, GetParam());
  const hid_t type = test::float_type(GetParam().bytes, GetParam().big_endian);
  Hdf5File(file).data_set("/x", type, {rows, dim}, bytes.data(), GetParam().storage);
  H5Tclose(type);

  const auto source = open(file.string());
  ASSERT_EQ(source->rows(), static_cast<std::int64_t>(rows));
  ASSERT_EQ(source->dim(), static_cast<std::int64_t>(dim));
  std::vector<float> expected;
  for (const auto half : halves) expected.push_back(half_to_float(half));
  EXPECT_EQ(read_all(*source), expected);

  std::vector<float> middle(7 * dim);
  source->read(31, 7, middle);
  EXPECT_TRUE(std::equal(middle.begin(), middle.end(), expected.begin() + 31 * dim));
}

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const std::size_t bytes : {2u, 4u, 8u}) {
    for (const bool big_endian : {false, true}) {
      for (const Storage& storage : {Storage{}, Storage{{8, 5}}, Storage{{53, 19}}, Storage{{8, 5}, true}}) {
        all.push_back({bytes, big_endian, storage});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Hdf5Source, EveryKind, ::testing::ValuesIn(kinds()), name_of);

TEST(Hdf5Source, ReadsRowsBeyondOneBufferInOrder) {
  const TempDir folder;
  const auto file = folder / "large.h5";
  std::vector<float> values(3000 * 200);
  std::iota(values.begin(), values.end(), 0.0f);
  Hdf5File(file).floats("/x", {3000, 200}, values, {{100, 200}, true});
  EXPECT_EQ(read_all(*open(file.string())), values);
}

/// A file with the things that people keep beside embeddings, and the wrong ones.
class AnHdf5File : public ::testing::Test {
 protected:
  AnHdf5File() {
    Hdf5File file(path_);
    const std::vector<float> values{1, 2, 3, 4, 5, 6};
    const std::vector<std::int32_t> integers{1, 2, 3, 4, 5, 6};
    file.floats("/train/embeddings", {3, 2}, values);
    file.floats("/test/embeddings", {2, 3}, values);
    file.floats("/list", {6}, values);
    file.floats("/cube", {3, 2, 1}, values);
    file.floats("/no/rows", {0, 512}, {});
    file.floats("/no/columns", {512, 0}, {});
    file.data_set("/label", H5T_STD_I32LE, {3, 2}, integers.data());
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 3);
    file.data_set("/names", text, {3, 2}, "a\0\0b\0\0c\0\0d\0\0e\0\0f\0");
    H5Tclose(text);
  }

  std::string refusal_of(const std::string& path) const { return refusal(name() + ":" + path); }
  std::string name() const { return path_.string(); }

  TempDir folder_;
  std::filesystem::path path_ = folder_ / "clip.h5";
};

TEST_F(AnHdf5File, GivesTheDataSetThatIsNamed) {
  const auto source = open(name() + ":/train/embeddings");
  EXPECT_EQ(source->rows(), 3);
  EXPECT_EQ(source->dim(), 2);
  EXPECT_EQ(source->name(), name() + ":/train/embeddings");
  EXPECT_EQ(read_all(*source), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST_F(AnHdf5File, GivesItWithoutTheLeadingSlashToo) {
  EXPECT_EQ(open(name() + ":test/embeddings")->rows(), 2);
}

TEST_F(AnHdf5File, WithSeveralCandidatesAsksForOneOfThem) {
  EXPECT_THAT(refusal(name()),
              AllOf(StartsWith(name() + " holds several data sets of embeddings: "),
                    HasSubstr("/test/embeddings [2, 3] float32, /train/embeddings [3, 2] float32"),
                    EndsWith("name one, as in " + name() + ":/test/embeddings")));
}

TEST_F(AnHdf5File, ListsWhatIsThereWhenADataSetIsMissing) {
  EXPECT_THAT(refusal_of("/trian"),
              AllOf(HasSubstr("no data set /trian"), HasSubstr("/train/embeddings [3, 2] float32"),
                    HasSubstr("/label [3, 2] int32"), HasSubstr("/names [3, 2] string")));
}

TEST_F(AnHdf5File, RefusesAGroup) {
  EXPECT_THAT(refusal_of("/train"),
              AllOf(HasSubstr("/train is a group, not a data set"), HasSubstr("/train/embeddings [3, 2]")));
  EXPECT_THAT(refusal_of("/"), HasSubstr("/ is a group"));
}

TEST_F(AnHdf5File, RefusesWhatIsNotTwoDimensional) {
  EXPECT_THAT(refusal_of("/list"), HasSubstr("clip.h5:/list is not two-dimensional but [6]"));
  EXPECT_THAT(refusal_of("/cube"), HasSubstr("clip.h5:/cube is not two-dimensional but [3, 2, 1]"));
}

TEST_F(AnHdf5File, RefusesWhatIsNotFloatingPoint) {
  EXPECT_THAT(refusal_of("/label"),
              HasSubstr("clip.h5:/label holds int32, not float16, bfloat16, float32 or float64"));
  EXPECT_THAT(refusal_of("/names"), HasSubstr("clip.h5:/names holds string, not float16"));
}

TEST_F(AnHdf5File, RefusesZeroRowsOrColumns) {
  EXPECT_THAT(refusal_of("/no/rows"), HasSubstr("clip.h5:/no/rows has no rows, its shape is [0, 512]"));
  EXPECT_THAT(refusal_of("/no/columns"),
              HasSubstr("clip.h5:/no/columns has no columns, its shape is [512, 0]"));
}

TEST_F(AnHdf5File, RefusedLeavesStderrEmpty) {
  ::testing::internal::CaptureStderr();
  refusal_of("/trian/deep/down");
  refusal_of("/train");
  refusal((folder_ / "missing.h5").string());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(AnHdf5File, CutShortIsCalledDamagedOrIncomplete) {
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  EXPECT_THAT(refusal_of("/train/embeddings"),
              AllOf(HasSubstr("damaged, incomplete or still being written"), HasSubstr("truncated")));
  std::filesystem::resize_file(path_, 100);
  EXPECT_THAT(refusal_of("/train/embeddings"), HasSubstr("clip.h5"));
}

TEST(Hdf5Refusals, NameWhatIsNoFile) {
  const TempDir folder;
  EXPECT_EQ(refusal((folder / "missing.h5").string()), (folder / "missing.h5").string() + ": no such file");
  EXPECT_EQ(refusal((folder / "missing.h5").string() + ":/x"),
            (folder / "missing.h5").string() + ": no such file");
  EXPECT_THAT(refusal(folder.path().string()), HasSubstr(": is a folder without a file of embeddings"));
  EXPECT_THAT(refusal(""), HasSubstr("no file named"));
}

TEST(Hdf5Refusals, NameWhatIsNotHdf5) {
  const TempDir folder;
  const auto file = folder / "notes.txt";
  std::ofstream(file) << "not this one";
  EXPECT_EQ(refusal(file.string() + ":/x"), file.string() + " is not an HDF5 file");
}

TEST(Hdf5Refusals, SayThatAFileHasNoEmbeddings) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  { const Hdf5File empty(file); }
  EXPECT_THAT(refusal(file.string()),
              HasSubstr("no two-dimensional floating-point data set; it holds no data set"));
  Hdf5File(file).floats("/list", {2}, {1, 2});
  EXPECT_THAT(refusal(file.string()), HasSubstr("it holds /list [2] float32"));
}

TEST(Hdf5Refusals, SayThatTheOnlyCandidateIsEmpty) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  Hdf5File(file).floats("/x", {0, 4}, {});
  EXPECT_THAT(refusal(file.string()), HasSubstr("a.h5:/x has no rows"));
}

TEST(Hdf5Refusals, CountTheDataSetsBeyondTwenty) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  {
    Hdf5File many(file);
    for (int i = 10; i < 35; ++i) many.floats("/d" + std::to_string(i), {1}, {1});
  }
  EXPECT_THAT(refusal(file.string() + ":/x"),
              AllOf(HasSubstr("/d29 [1] float32 and 5 more"), Not(HasSubstr("/d30"))));
}

TEST(Hdf5Refusals, ComeBeforeMemoryIsTakenForAnAbsurdSize) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  {
    Hdf5File absurd(file);
    const Storage chunked{{1, 1024}};
    absurd.data_set("/wide", H5T_NATIVE_FLOAT, {2, 1'000'000'000}, nullptr, chunked);
    absurd.data_set("/long", H5T_NATIVE_FLOAT, {1ull << 60, 1024}, nullptr, chunked);
  }
  EXPECT_THAT(refusal(file.string() + ":/wide"),
              HasSubstr("has too many columns, its shape is [2, 1000000000]"));
  EXPECT_THAT(refusal(file.string() + ":/long"), HasSubstr("has too many rows"));
}

/// With 16 bits in all; bfloat16 has 8 for the exponent. Never closed: a test ends soon.
hid_t float_of_two_bytes(std::size_t exponent_bits) {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 15 - exponent_bits, exponent_bits, 0, 15 - exponent_bits);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, (std::size_t{1} << (exponent_bits - 1)) - 1);
  return type;
}

TEST(Hdf5Refusals, NameAFloatOfAnotherKind) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  const std::vector<std::uint16_t> values(6);
  Hdf5File(file).data_set("/x", float_of_two_bytes(9), {3, 2}, values.data());
  EXPECT_THAT(refusal(file.string() + ":/x"),
              HasSubstr("holds float of 2 bytes with 9 exponent bits, not float16"));
}

TEST(Hdf5Source, ReadsBfloat16InEitherByteOrder) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  const std::vector<std::uint16_t> little{0x3f80, 0xc020, 0x0001, 0x7f7f},
      big{0x803f, 0x20c0, 0x0100, 0x7f7f};
  const std::vector<float> expected{1, -2.5f, 0x1p-133f, 0x1.fep127f};
  {
    Hdf5File written(file);
    written.data_set("/little", float_of_two_bytes(8), {2, 2}, little.data());
    const hid_t reversed = float_of_two_bytes(8);
    H5Tset_order(reversed, H5T_ORDER_BE);
    written.data_set("/big", reversed, {2, 2}, big.data());
  }
  EXPECT_EQ(read_all(*open(file.string() + ":/little")), expected);
  EXPECT_EQ(read_all(*open(file.string() + ":/big")), expected);
}

TEST(Hdf5Source, NamesTheFirstRowWithNaNOrInf) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  std::vector<float> values(1000 * 4, 0.5f);
  values[4 * 723 + 2] = -INFINITY;
  values[4 * 900] = NAN;
  Hdf5File(file).floats("/x", {1000, 4}, values);
  const auto source = open(file.string());
  std::vector<float> out(400 * 4);
  EXPECT_NO_THROW(source->read(323, 400, out));
  try {
    source->read(600, 400, out);
    FAIL() << "read";
  } catch (const IoError& error) {
    EXPECT_EQ(std::string(error.what()), file.string() +
                                             ":/x: row 723 holds NaN or Inf in float32; take such rows out "
                                             "first, or skip them (--skip-bad-rows, data::skip_bad_rows)");
  }
}

TEST(Hdf5Source, SaysWhichRowsOfADamagedChunkCannotBeRead) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  std::vector<float> values(100 * 64);
  std::iota(values.begin(), values.end(), 0.0f);
  Hdf5File(file).floats("/x", {100, 64}, values, {{100, 64}, true});
  {
    // The chunk lies at the end: overwriting there leaves every structure of the file whole.
    std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(-1000, std::ios::end);
    damage << std::string(500, '#');
  }
  const auto source = open(file.string());
  std::vector<float> out(10 * 64);
  ::testing::internal::CaptureStderr();
  try {
    source->read(20, 10, out);
    FAIL() << "read";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.h5:/x: rows from 20 on cannot be read (HDF5 says: "));
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Hdf5Source, OpensAFileWithAColonInItsName) {
  const TempDir folder;
  std::filesystem::create_directory(folder / "run:");
  const auto file = folder / "run:" / "a:b.h5";
  Hdf5File(file).floats("/x", {1, 2}, {1, 2});
  EXPECT_EQ(open(file.string())->name(), file.string() + ":/x");
  EXPECT_EQ(open(file.string() + ":/x")->dim(), 2);
}

}  // namespace
}  // namespace msae::data
