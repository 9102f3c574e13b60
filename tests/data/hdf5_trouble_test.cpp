// Files that HDF5 has trouble with, or has none with and we do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "msae/core/error.h"
#include "msae/data/source.h"
#include "support/embeddings.h"
#include "support/error_of.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::error_of;
using test::Hdf5File;
using test::read_all;
using test::refusal;
using test::TempDir;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Hdf5Trouble, ComeBeforeRowsThatWereNeverWrittenAreRead) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  {
    Hdf5File declared(file);
    declared.data_set("/x", H5T_NATIVE_FLOAT, {1ull << 40, 512}, nullptr, {{64, 512}});
    declared.data_set("/short", H5T_NATIVE_FLOAT, {10, 2}, nullptr);
    declared.floats("/zeros", {100'000, 16}, std::vector<float>(1'600'000), {{1000, 16}, true});
  }
  EXPECT_THAT(refusal(file.string() + ":/x"),
              HasSubstr("a.h5:/x declares the shape [1099511627776, 512], but next to none of its rows"));
  EXPECT_THAT(refusal(file.string() + ":/short"), HasSubstr("a.h5:/short declares the shape [10, 2]"));
  EXPECT_EQ(open(file.string() + ":/zeros")->rows(), 100'000);  // as dense as compression gets
}

TEST(Hdf5Trouble, NameTheFilterThatIsMissing) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  {
    const test::ForeignFilter filter;
    Hdf5File(file).floats("/x", {4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}, {{2, 2}, true, filter.number});
    EXPECT_EQ(read_all(*open(file.string())), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  }
  const auto source = open(file.string());
  EXPECT_THAT(error_of<IoError>([&] { read_all(*source); }),
              AllOf(HasSubstr("a.h5:/x: rows from 0 on cannot be read"), HasSubstr("filter 32000 (lzf)"),
                    HasSubstr("HDF5_PLUGIN_PATH"), HasSubstr("h5repack")));
}

// "/all" in `whole`: "/x" of part.h5 beside it.
void write_virtual(const std::filesystem::path& whole) {
  const test::Hdf5File file(whole);
  const std::vector<hsize_t> size{3, 2};
  const hid_t space = H5Screate_simple(2, size.data(), nullptr), layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_virtual(layout, space, "part.h5", "/x", space);
  H5Dclose(H5Dcreate2(file.id(), "/all", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, layout, H5P_DEFAULT));
  H5Pclose(layout);
  H5Sclose(space);
}

// HDF5 itself gives zeros for what it does not find.
TEST(Hdf5Trouble, NameThePartOfAVirtualDataSetThatIsNotThere) {
  const TempDir folder;
  const auto part = folder / "part.h5", whole = folder / "whole.h5";
  Hdf5File(part).floats("/x", {3, 2}, {1, 2, 3, 4, 5, 6});
  write_virtual(whole);
  EXPECT_EQ(read_all(*open(whole.string() + ":/all")), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  std::filesystem::rename(part, folder / "elsewhere.h5");
  EXPECT_THAT(refusal(whole.string() + ":/all"),
              HasSubstr("/all is made of data sets in other files, of which /x in part.h5 cannot be opened"));
  Hdf5File(part).floats("/y", {3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(refusal(whole.string() + ":/all"), HasSubstr("/x in part.h5 cannot be opened"));
}

TEST(Hdf5Trouble, OfAPartThatIsWrittenToWhileItIsReadEndsTheReading) {
  const TempDir folder;
  const auto part = folder / "part.h5", whole = folder / "whole.h5";
  Hdf5File(part).floats("/x", {3, 2}, {1, 2, 3, 4, 5, 6});
  write_virtual(whole);
  const auto source = open(whole.string() + ":/all"), other = open(whole.string() + ":/all");
  EXPECT_EQ(read_all(*source), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  std::filesystem::resize_file(part, std::filesystem::file_size(part) + 1);
  EXPECT_THAT(error_of<IoError>([&] { read_all(*source); }),
              HasSubstr(":/all: was changed while it was read"));
  std::filesystem::remove(part);
  EXPECT_THAT(error_of<IoError>([&] { read_all(*other); }),
              HasSubstr(":/all: was changed while it was read"));
}

TEST(Hdf5Trouble, NameNoFileWhereDataBeginsWithAColon) {
  EXPECT_THAT(refusal(":/x"), HasSubstr(":/x: names no file; embeddings are named as in file.h5:/path"));
}

TEST(Hdf5Trouble, OfACutFileNameIt) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  Hdf5File(file).floats("/x", {1000, 4}, std::vector<float>(4000, 0.5f));
  for (auto size = std::filesystem::file_size(file) - 1; size > 0; size /= 3) {
    std::filesystem::resize_file(file, size);
    EXPECT_THAT(refusal(file.string() + ":/x"), StartsWith(file.string() + " ")) << size;
  }
}

// HDF5 itself gives zeros for what is gone.
TEST(Hdf5Trouble, OfAFileThatIsWrittenToWhileItIsReadEndsTheReading) {
  const TempDir folder;
  const auto file = folder / "a.h5";
  for (const auto& chunk : {std::vector<hsize_t>{}, std::vector<hsize_t>{100, 4}}) {
    Hdf5File(file).floats("/x", {1000, 4}, std::vector<float>(4000, 0.5f), {chunk});
    const auto source = open(file.string() + ":/x"), other = open(file.string() + ":/x");
    EXPECT_EQ(read_all(*source), std::vector<float>(4000, 0.5f));
    std::filesystem::resize_file(file, std::filesystem::file_size(file) + 1);
    EXPECT_THAT(error_of<IoError>([&] { read_all(*source); }), HasSubstr(": was changed while it was read"));
    std::filesystem::resize_file(file, 5000);
    EXPECT_THAT(error_of<IoError>([&] { read_all(*other); }),
                AnyOf(HasSubstr(": was changed while it was read"), HasSubstr(": ends at byte 5000")));
  }
}

TEST(Hdf5Trouble, NameWhatIsNoRegularFile) {
  const TempDir folder;
  const auto pipe = (folder / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);  // to open it would be to wait for a writer
  EXPECT_EQ(refusal(pipe), pipe + " is no regular file");
  EXPECT_EQ(refusal("/dev/zero:/x"), "/dev/zero is no regular file");
  std::ofstream(folder / "empty.h5").flush();
  EXPECT_THAT(refusal((folder / "empty.h5").string()), HasSubstr("empty.h5 is not an HDF5 file"));
}

TEST(Hdf5Trouble, GivesASingleColumn) {
  const TempDir folder;
  Hdf5File(folder / "a.h5").floats("/x", {3, 1}, {1, 2, 3});
  const auto source = open((folder / "a.h5").string());
  EXPECT_EQ(source->dim(), 1);
  EXPECT_EQ(read_all(*source), (std::vector<float>{1, 2, 3}));
}

}  // namespace
}  // namespace msae::data
