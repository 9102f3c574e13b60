#include "data/hdf5_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data::hdf5 {
namespace {

using test::error_of;
using test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Hdf5File, GivesBackWhatWasWritten) {
  const TempDir folder;
  const std::vector<float> floats{1.5f, -2, 3};
  const std::vector<double> doubles{0.1, 0.2};
  const std::vector<std::int32_t> integers{-7, 1 << 30};
  const std::vector<std::int64_t> longs{-1, 1ll << 60};
  const std::vector<std::string> strings{"dog", "", "größer"};
  {
    auto file = File::create(folder / "a.h5");
    file.write("/floats", std::span(floats), {3, 1});
    file.write("/deep/down/doubles", std::span(doubles), {2});
    file.write("/integers", std::span(integers), {2});
    file.write("/longs", std::span(longs), {1, 2});
    file.write_strings("/strings", strings);
    file.flush();
  }
  const auto file = File::open(folder / "a.h5");
  EXPECT_EQ(file.read<float>("/floats", Shape{3, 1}), floats);
  EXPECT_EQ(file.read<double>("/deep/down/doubles"), doubles);
  EXPECT_EQ(file.read<std::int32_t>("/integers"), integers);
  EXPECT_EQ(file.read<std::int64_t>("/longs"), longs);
  EXPECT_EQ(file.read<double>("/floats"), (std::vector<double>{1.5, -2, 3}));
  EXPECT_EQ(file.read_strings("/strings"), strings);
}

TEST(Hdf5File, ListsItsDataSetsInNameOrder) {
  const TempDir folder;
  {
    test::Hdf5File file(folder / "a.h5");
    file.group("/empty/group");
    file.floats("/b", {2, 1}, {1, 2});
    file.floats("/a/x", {1}, {1});
    const hid_t half = test::float_type(2, true);
    const std::uint16_t value = 0;
    file.data_set("/c", half, {1, 1}, &value);
    H5Tclose(half);
    H5Lcreate_soft("/b", file.id(), "/link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file.id(), "/dangling", H5P_DEFAULT, H5P_DEFAULT);
  }
  std::vector<std::string> there;
  for (const auto& info : File::open(folder / "a.h5").data_sets()) there.push_back(info.text());
  EXPECT_THAT(there, ElementsAre("/a/x [1] float32", "/b [2, 1] float32", "/c [1, 1] float16"));
}

TEST(Hdf5File, ShowsNoControlCharactersOfAName) {
  const TempDir folder;
  test::Hdf5File(folder / "a.h5").floats("/red\x1b[31m", {1}, {1});
  EXPECT_EQ(File::open(folder / "a.h5").data_sets().front().text(), "/red?[31m [1] float32");
}

TEST(Hdf5File, FollowsALinkThatIsNamed) {
  const TempDir folder;
  {
    test::Hdf5File file(folder / "a.h5");
    file.floats("/b", {2, 1}, {1, 2});
    H5Lcreate_soft("/b", file.id(), "/link", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/nowhere", file.id(), "/dangling", H5P_DEFAULT, H5P_DEFAULT);
  }
  const auto file = File::open(folder / "a.h5");
  EXPECT_EQ(file.read<float>("/link"), (std::vector<float>{1, 2}));
  EXPECT_THAT(error_of<IoError>([&] { file.data_set("/dangling"); }),
              HasSubstr("/dangling is a link to /nowhere, which is not there"));
}

TEST(Hdf5File, ListsLinksIntoOtherFilesUnopenedAndFollowsThem) {
  const TempDir folder;
  test::Hdf5File(folder / "other.h5").floats("/x", {2, 1}, {1, 2});
  {
    test::Hdf5File file(folder / "a.h5");
    file.group("/group");
    H5Lcreate_external("other.h5", "/x", file.id(), "/group/there", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("gone.h5", "/x", file.id(), "/group/gone", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/group/gone", file.id(), "/far", H5P_DEFAULT, H5P_DEFAULT);
  }
  const auto file = File::open(folder / "a.h5");
  std::vector<std::string> there;
  for (const auto& info : file.data_sets()) there.push_back(info.text());
  EXPECT_THAT(there, ElementsAre("/group/gone link to /x in gone.h5", "/group/there link to /x in other.h5"));
  EXPECT_EQ(file.read<float>("/group/there"), (std::vector<float>{1, 2}));
  EXPECT_THAT(error_of<IoError>([&] { file.data_set("/group/gone"); }),
              HasSubstr("/group/gone is a link to /x in gone.h5, which cannot be opened"));
  EXPECT_THAT(error_of<IoError>([&] { file.data_set("/group/gone/deeper"); }),
              HasSubstr("/group/gone is a link to /x in gone.h5"));
  EXPECT_THAT(error_of<IoError>([&] { file.data_set("/far"); }), HasSubstr("/far is a link to /group/gone"));
}

TEST(Hdf5File, ReadsStringsOfFixedLength) {
  const TempDir folder;
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, 3);
  test::Hdf5File(folder / "a.h5").data_set("/words", text, {2}, "ab\0dog");
  H5Tclose(text);
  EXPECT_THAT(File::open(folder / "a.h5").read_strings("/words"), ElementsAre("ab", "dog"));
}

TEST(Hdf5File, WritesRowsPieceByPiece) {
  const TempDir folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  {
    auto file = File::create(folder / "a.h5");
    auto rows = file.create_rows<float>("/x", {3, 2});
    rows.write_rows<float>(2, 1, std::span(values).last(2));
    rows.write_rows<float>(0, 2, std::span(values).first(4));
  }
  EXPECT_EQ(File::open(folder / "a.h5").read<float>("/x"), values);
}

TEST(Hdf5File, SaysWhatItCannotRead) {
  const TempDir folder;
  test::Hdf5File(folder / "a.h5").floats("/x", {2, 3}, {1, 2, 3, 4, 5, 6});
  const auto file = File::open(folder / "a.h5");
  EXPECT_THAT(error_of<IoError>([&] {
                file.read<float>("/x", Shape{3, 2});
              }),
              HasSubstr("a.h5:/x has the shape [2, 3], expected [3, 2]"));
  EXPECT_THAT(error_of<IoError>([&] { file.read_strings("/x"); }),
              HasSubstr("a.h5:/x holds no strings but float32"));
}

TEST(Hdf5File, SaysWhatItCannotWrite) {
  const TempDir folder;
  const std::vector<float> values{1, 2};
  EXPECT_THAT(error_of<IoError>([&] { File::create(folder / "missing" / "a.h5"); }),
              HasSubstr("a.h5 cannot be created (HDF5 says: No such file or directory)"));
  auto file = File::create(folder / "a.h5");
  EXPECT_THAT(error_of<IoError>([&] { file.write("/x", std::span(values), {3}); }),
              HasSubstr("the values do not fill [3]"));
  file.write("/x", std::span(values), {2});
  EXPECT_THAT(error_of<IoError>([&] { file.write("/x", std::span(values), {2}); }),
              HasSubstr("a.h5:/x cannot be created"));
}

}  // namespace
}  // namespace msae::data::hdf5
