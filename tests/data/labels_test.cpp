#include "msae/data/labels.h"

#include <gmock/gmock.h>

#include "core/atomic_file.h"
#include "data/hdf5_file.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Labels, AreLinesOfATextFile) {
  const test::TempDir folder;
  files::write_file(folder / "a.txt", "cat\r\n\ndog, brown\nno end");
  EXPECT_THAT(read_labels((folder / "a.txt").string()), ElementsAre("cat", "", "dog, brown", "no end"));
  files::write_file(folder / "b.txt", "one\n");
  EXPECT_THAT(read_labels((folder / "b.txt").string()), ElementsAre("one"));
}

TEST(Labels, AreTextInUtf8) {
  const test::TempDir folder;
  files::write_file(folder / "a.txt",
                    "\xef\xbb\xbf"
                    "cat\ndog\n");
  EXPECT_THAT(read_labels((folder / "a.txt").string()), ElementsAre("cat", "dog"));
  files::write_file(folder / "b.txt", std::string("\xff\xfe"
                                                  "c\0a\0\n\0",
                                                  8));
  EXPECT_THAT(error_of<IoError>([&] { read_labels((folder / "b.txt").string()); }),
              HasSubstr("b.txt: holds bytes of zero; labels are lines of text in UTF-8"));
}

TEST(Labels, AreStringsOrIntegersOfAnHdf5File) {
  const test::TempDir folder;
  const auto name = (folder / "a.h5").string();
  {
    auto file = hdf5::File::create(name);
    file.write_strings("/names", {"cat", "dog"});
    file.write<std::int32_t>("/classes", std::vector<std::int32_t>{-3, 7}, {2});
    file.write<float>("/values", std::vector<float>{1, 2}, {2});
    file.write<std::int32_t>("/table", std::vector<std::int32_t>{1, 2}, {1, 2});
  }
  EXPECT_THAT(read_labels(name + ":/names"), ElementsAre("cat", "dog"));
  EXPECT_THAT(read_labels(name + ":/classes"), ElementsAre("-3", "7"));
  const std::vector<std::uint64_t> hashes{7, 0xffffffffffffffff};
  test::Hdf5File((folder / "b.h5")).data_set("/hashes", H5T_STD_U64LE, {2}, hashes.data());
  EXPECT_THAT(read_labels((folder / "b.h5:/hashes").string()), ElementsAre("7", "18446744073709551615"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/values"); }),
              HasSubstr("a.h5:/values holds float32; labels are strings or integers"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/table"); }), HasSubstr("has the shape [1, 2]"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name); }), HasSubstr("name the data set of labels in it"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/none"); }), HasSubstr("no data set /none"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels((folder / "none").string()); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace msae::data
