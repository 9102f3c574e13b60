#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/hdf5_file.h"
#include "msae/core/error.h"
#include "msae/data/synthetic.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::error_of;
using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr SyntheticOptions small{.rows = 200, .dim = 16, .concepts = 20, .depth = 2, .active = 3};

TEST(SyntheticFile, HoldsTheRows) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  write_synthetic(data, folder / "s.h5");
  const auto source = open((folder / "s.h5").string() + ":/embeddings");
  ASSERT_EQ(source->rows(), 200);
  ASSERT_EQ(source->dim(), 16);
  std::vector<float> drawn(200 * 16), stored(200 * 16);
  data.read(0, 200, drawn);
  source->read(0, 200, stored);
  EXPECT_EQ(stored, drawn);
}

TEST(SyntheticFile, GivesTheTruthBack) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  write_synthetic(data, folder / "s.h5");
  const auto truth = read_truth(folder / "s.h5");
  EXPECT_EQ(truth.dim, data.truth().dim);
  EXPECT_EQ(truth.dictionary, data.truth().dictionary);
  EXPECT_EQ(truth.parent, data.truth().parent);
  EXPECT_EQ(truth.depth, data.truth().depth);
  EXPECT_EQ(truth.frequency, data.truth().frequency);
}

TEST(SyntheticFile, HoldsTheCodesAsCompressedRows) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  write_synthetic(data, folder / "s.h5");
  const auto file = hdf5::File::open(folder / "s.h5");
  const auto starts = file.read<std::int64_t>("/truth/codes/indptr", hdf5::Shape{201});
  const auto concepts = file.read<std::int32_t>("/truth/codes/indices");
  const auto amplitudes = file.read<float>("/truth/codes/values");
  ASSERT_EQ(concepts.size(), static_cast<std::size_t>(starts.back()));
  for (std::int64_t row = 0; row < 200; ++row) {
    const auto begin = starts[static_cast<std::size_t>(row)], end = starts[static_cast<std::size_t>(row + 1)];
    const auto code = data.code(row);
    EXPECT_EQ(std::vector(concepts.begin() + begin, concepts.begin() + end), code.concepts);
    EXPECT_EQ(std::vector(amplitudes.begin() + begin, amplitudes.begin() + end), code.amplitudes);
  }
}

TEST(SyntheticFile, TakesThePlaceOfAnOlderOne) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  write_synthetic(data, folder / "s.h5");
  write_synthetic(data, folder / "s.h5");
  EXPECT_EQ(test::files_in(folder.path()), 1u);
}

TEST(SyntheticFile, ThatCannotBeWrittenLeavesNothing) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  const auto missing = folder / "missing" / "s.h5";
  EXPECT_THAT(error_of<IoError>([&] { write_synthetic(data, missing); }),
              StartsWith(missing.string() + ": cannot be written"));
  std::filesystem::create_directory(folder / "taken");
  EXPECT_THAT(error_of<IoError>([&] { write_synthetic(data, folder / "taken"); }),
              HasSubstr("taken: cannot be written"));
  EXPECT_EQ(test::files_in(folder.path()), 1u);
}

TEST(SyntheticFile, OnAFullDiskLeavesTheOlderOneAsItWas) {
  const TempDir folder;
  SyntheticHierarchy data(small);
  write_synthetic(data, folder / "s.h5");
  SyntheticHierarchy larger({.rows = 20'000, .dim = 64});
  {
    const test::FileLimit full(100'000);
    EXPECT_THAT(error_of<IoError>([&] { write_synthetic(larger, folder / "s.h5"); }),
                HasSubstr("s.h5: cannot be written: 8.7 MB are needed: File too large"));
  }
  EXPECT_EQ(test::files_in(folder.path()), 1u);
  EXPECT_EQ(read_truth(folder / "s.h5").dictionary, data.truth().dictionary);
}

/// A file whose truth has two concepts, but not quite.
std::string refusal(const std::vector<hsize_t>& dictionary, const std::vector<std::int32_t>& parent,
                    const std::vector<std::int32_t>& depth) {
  const TempDir folder;
  {
    test::Hdf5File file(folder / "s.h5");
    file.data_set("/truth/dictionary", H5T_NATIVE_FLOAT, dictionary, nullptr);
    file.data_set("/truth/parent", H5T_NATIVE_INT32, {parent.size()}, parent.data());
    file.data_set("/truth/depth", H5T_NATIVE_INT32, {depth.size()}, depth.data());
    file.floats("/truth/frequency", {2}, {0.5f, 0.5f});
  }
  return error_of<IoError>([&] { read_truth(folder / "s.h5"); });
}

TEST(ReadTruth, TakesAForest) {
  EXPECT_EQ(refusal({2, 3}, {-1, 0}, {1, 2}), "no error");
}

TEST(ReadTruth, RefusesOtherShapes) {
  EXPECT_THAT(refusal({6}, {-1, 0}, {1, 2}),
              HasSubstr("/truth/dictionary has the shape [6], expected [concepts, dim]"));
  EXPECT_THAT(refusal({0, 3}, {-1, 0}, {1, 2}), HasSubstr("has the shape [0, 3]"));
  EXPECT_THAT(refusal({2, 3}, {-1}, {1, 2}), HasSubstr("/truth/parent has the shape [1], expected [2]"));
  EXPECT_THAT(refusal({2, 3}, {-1, 0}, {1, 2, 3}), HasSubstr("/truth/depth has the shape [3], expected [2]"));
}

TEST(ReadTruth, RefusesWhatIsNoForest) {
  EXPECT_THAT(refusal({2, 3}, {1, -1}, {2, 1}), HasSubstr("no forest at concept 0"));
  EXPECT_THAT(refusal({2, 3}, {-1, 1}, {1, 2}), HasSubstr("no forest at concept 1"));
  EXPECT_THAT(refusal({2, 3}, {-1, -2}, {1, 1}), HasSubstr("no forest at concept 1"));
  EXPECT_THAT(refusal({2, 3}, {-1, 0}, {1, 3}), HasSubstr("no forest at concept 1"));
}

TEST(ReadTruth, SaysThatAFileHoldsNone) {
  const TempDir folder;
  test::Hdf5File(folder / "a.h5").floats("/image", {1, 2}, {1, 2});
  EXPECT_THAT(error_of<IoError>([&] { read_truth(folder / "a.h5"); }),
              AllOf(HasSubstr("no data set /truth/dictionary"), HasSubstr("/image [1, 2] float32")));
}

}  // namespace
}  // namespace msae::data
