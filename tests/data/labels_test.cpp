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
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/values"); }),
              HasSubstr("a.h5:/values holds float32; labels are strings or integers"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/table"); }), HasSubstr("has the shape [1, 2]"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name); }), HasSubstr("name the data set of labels in it"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels(name + ":/none"); }), HasSubstr("no data set /none"));
  EXPECT_THAT(error_of<IoError>([&] { read_labels((folder / "none").string()); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace msae::data
