#include "data/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "data/hdf5_file.h"
#include "support/embeddings.h"
#include "support/files.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::Hdf5File;
using test::read_all;
using test::refusal;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

/// In the published implementation's form, which needs no header.
void write_npy(const std::filesystem::path& folder, const std::string& name, std::int64_t rows,
               std::int64_t dim, float first) {
  std::vector<float> values(static_cast<std::size_t>(rows * dim));
  std::iota(values.begin(), values.end(), first);
  std::filesystem::create_directories(folder);
  test::overwrite(folder / (name + "_" + std::to_string(rows) + "_" + std::to_string(dim) + ".npy"),
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

std::vector<float> counted(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(Names, ComeInTheOrderOfTheirNumbers) {
  const std::vector<std::string> ascending{
      "a", "a1", "a01", "a2", "a2b", "a10", "a10a2", "a10b", "a_1", "a_9999999999999999999999", "b0", "b00x"};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      if (ascending[i] == "a01" || ascending[j] == "a01") continue;  // equal to a1 but for its zeros
      EXPECT_EQ(comes_before(ascending[i], ascending[j]), i < j) << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_NE(comes_before("a1", "a01"), comes_before("a01", "a1"));
}

class Sharded : public ::testing::Test {
 protected:
  Sharded() {
    write_npy(folder_.path(), "part_2", 3, 2, 8);  // rows 4 to 6
    write_npy(folder_.path(), "part_10", 1, 2, 14);
    write_npy(folder_.path(), "part_1", 4, 2, 0);
  }
  std::string path() const { return folder_.path().string(); }
  test::TempDir folder_;
};

TEST_F(Sharded, AreTheFilesOfAFolderOneAfterTheOther) {
  const auto source = open(path());
  EXPECT_EQ(source->rows(), 8);
  EXPECT_EQ(source->dim(), 2);
  EXPECT_EQ(source->name(), path());
  EXPECT_EQ(read_all(*source), counted(16));
  for (std::int64_t first = 0; first < 8; ++first) {
    for (std::int64_t count = 0; first + count <= 8; ++count) {
      std::vector<float> out(static_cast<std::size_t>(2 * count));
      source->expect(first, count);
      source->read(first, count, out);
      for (std::size_t i = 0; i < out.size(); ++i)
        EXPECT_EQ(out[i], static_cast<float>(2 * first) + static_cast<float>(i));
    }
  }
}

TEST_F(Sharded, LeaveOtherFilesOfAFolderAside) {
  test::overwrite(folder_ / "README.md", "what this is");
  test::overwrite(folder_ / "metadata_0.parquet", "PAR1");
  test::overwrite(folder_ / ".part_0.npy", "hidden");
  std::filesystem::create_directory(folder_ / "old.npy");
  EXPECT_EQ(open(path())->rows(), 8);
}

TEST_F(Sharded, AreNamedByAPattern) {
  EXPECT_EQ(read_all(*open((folder_ / "part_*.npy").string())), counted(16));
  EXPECT_EQ(open((folder_ / "part_1_*.npy").string())->rows(), 4);
  EXPECT_THAT(refusal((folder_ / "none*.npy").string()), HasSubstr("none*.npy: no file is called so"));
  write_npy(folder_.path(), "odd[1]", 1, 2, 7);  // a file that is called like a pattern
  EXPECT_EQ(read_all(*open((folder_ / "odd[1]_1_2.npy").string())), (std::vector<float>{7, 8}));
}

// Each of these would be looked for in more and more places, up and down the same folders.
TEST_F(Sharded, AreNotNamedByAPatternThatLeadsUp) {
  for (const auto* pattern :
       {"*/../*.npy", "*/./*.npy", ".*/*.npy", "*/.?*/*.npy", "[p]*/..", "\\.*/*.npy"}) {
    EXPECT_THAT(refusal((folder_ / pattern).string()),
                AnyOf(HasSubstr(R"(hidden files are left aside, and "." and ".." after the first *)"),
                      HasSubstr("no file is called so")))
        << pattern;
  }
  EXPECT_EQ(open((folder_ / "../" / folder_.path().filename() / "part_*.npy").string())->rows(), 8);
}

TEST_F(Sharded, MayBeMoreThanAreKeptOpen) {
  test::TempDir many;
  for (int i = 0; i < 50; ++i)
    write_npy(many.path(), "s_" + std::to_string(i), 2, 3, static_cast<float>(6 * i));
  const auto source = open(many.path().string());
  EXPECT_EQ(read_all(*source), counted(300));
  std::vector<float> row(3);
  for (std::int64_t i = 0; i < 300; ++i) {
    const auto at = i * 37 % 100;
    source->read(at, 1, row);
    EXPECT_EQ(row[2], static_cast<float>(3 * at + 2));
  }
}

TEST_F(Sharded, NameFileAndRowOfAValueThatIsNone) {
  write_npy(folder_.path(), "part_11", 2, 2, std::numeric_limits<float>::infinity());
  const auto all = open(path());
  EXPECT_THAT(test::error_of<IoError>([&] { read_all(*all); }),
              HasSubstr(path() + ": row 8, which is row 0 of " + (folder_ / "part_11_2_2.npy").string() +
                        ", holds NaN or Inf"));
}

TEST_F(Sharded, MustHaveRowsOfOneLength) {
  write_npy(folder_.path(), "part_3", 2, 5, 0);
  EXPECT_THAT(refusal(path()),
              AllOf(HasSubstr("part_1_4_2.npy has rows of dim 2"), HasSubstr("part_3_2_5.npy of dim 5")));
}

TEST_F(Sharded, MustBeOfOneFormat) {
  Hdf5File(folder_ / "x.h5").floats("/x", {1, 2}, {1, 2});
  EXPECT_THAT(refusal(path()),
              AllOf(HasSubstr("part_1_4_2.npy and x.h5 are of different formats"), HasSubstr("*.npy\"")));
}

TEST_F(Sharded, AreRefusedWithTheFileThatIsDamaged) {
  test::overwrite(folder_ / "part_5.npy", "\x93NUMPY");
  EXPECT_THAT(refusal(path()), HasSubstr("part_5.npy"));
}

TEST_F(Sharded, EndTheReadingWhenAFileChangesOrIsGone) {
  test::TempDir many;
  for (int i = 0; i < 40; ++i) write_npy(many.path(), "s_" + std::to_string(i), 2, 3, 0);
  const auto source = open(many.path().string());
  std::vector<float> rows(40 * 6);
  source->read(0, 80, rows);  // leaves the last ones open
  write_npy(many.path(), "s_0", 2, 3, 1);
  std::filesystem::last_write_time(many / "s_0_2_3.npy", std::filesystem::file_time_type::clock::now());
  EXPECT_THAT(test::error_of<IoError>([&] { source->read(0, 80, rows); }),
              AllOf(HasSubstr("s_0_2_3.npy"), HasSubstr("was changed while it was read")));
  std::filesystem::remove(many / "s_1_2_3.npy");
  EXPECT_THAT(test::error_of<IoError>([&] { source->read(2, 2, std::span(rows).first(6)); }),
              HasSubstr("s_1_2_3.npy: cannot be opened: No such file"));
}

TEST(ShardedHdf5, NameTheDataSetOfEachFile) {
  const test::TempDir folder;
  for (int i = 0; i < 3; ++i) {
    Hdf5File file(folder / ("p" + std::to_string(i) + ".h5"));
    const auto first = static_cast<float>(4 * i);
    file.floats("/train", {2, 2}, {first, first + 1, first + 2, first + 3});
    file.floats("/test", {1, 2}, {0, 0}, {{1, 2}});
  }
  EXPECT_EQ(read_all(*open(folder.path().string() + ":/train")), counted(12));
  EXPECT_EQ(read_all(*open((folder / "p[01].h5").string() + ":/train")), counted(8));
  EXPECT_EQ(open((folder / "p*.h5").string() + ":test")->rows(), 3);
  EXPECT_THAT(refusal(folder.path().string()), HasSubstr("p0.h5 holds several data sets of embeddings"));
  EXPECT_THAT(refusal(folder.path().string() + ":/none"), HasSubstr("p0.h5: no data set /none"));
}

TEST(ClipRetrieval, FoldersHoldImagesAndTexts) {
  const test::TempDir folder;
  write_npy(folder / "img_emb", "img_emb_0", 2, 2, 0);
  write_npy(folder / "img_emb", "img_emb_1", 2, 2, 4);
  EXPECT_EQ(read_all(*open(folder.path().string())), counted(8));
  write_npy(folder / "text_emb", "text_emb_0", 1, 2, 9);
  EXPECT_THAT(refusal(folder.path().string()), AllOf(HasSubstr("holds embeddings of images and of texts"),
                                                     HasSubstr((folder / "text_emb").string())));
  EXPECT_EQ(open((folder / "text_emb").string())->rows(), 1);
  write_npy(folder / "img_emb", "text_emb_0", 1, 2, 9);
  EXPECT_THAT(refusal((folder / "img_emb").string()),
              AllOf(HasSubstr("hold different things"), HasSubstr("img_emb_*.npy")));
}

TEST(Folders, WithoutEmbeddingsOrOfAModelAreRefused) {
  const test::TempDir folder;
  EXPECT_THAT(refusal(folder.path().string()), HasSubstr("is a folder without a file of embeddings"));
  test::overwrite(folder / "cfg.json", "{}");
  EXPECT_THAT(refusal(folder.path().string()), HasSubstr("is the folder of a model"));
}

}  // namespace
}  // namespace msae::data
