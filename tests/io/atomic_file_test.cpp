#include "io/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "io/files.h"
#include "msae/core/error.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string content(const std::filesystem::path& path) {
  return read_text(path, 1 << 20);
}

std::size_t files_in(const TempDir& folder) {
  const std::filesystem::directory_iterator entries(folder.path());
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST(AtomicFile, ReplacesTheOldFileOnlyWhenCommitted) {
  const TempDir folder;
  write_file(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.write("new");
  EXPECT_EQ(content(folder / "a"), "old");
  file.commit();
  EXPECT_EQ(content(folder / "a"), "new");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, LeavesNothingBehindWhenNotCommitted) {
  const TempDir folder;
  { AtomicFile(folder / "a").write("text"); }
  EXPECT_EQ(files_in(folder), 0u);
}

TEST(AtomicFile, KeepsBytesAsTheyAre) {
  const TempDir folder;
  const std::string all("\0\r\n\xff end", 8);
  write_file(folder / "a", all);
  EXPECT_EQ(content(folder / "a"), all);
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMixTheirBytes) {
  const TempDir folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  EXPECT_EQ(content(folder / "a"), "first");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(AtomicFile, FilesCommittedTogetherAllStayOldWhenOneCannotBeWritten) {
  const TempDir folder;
  write_file(folder / "a", "old a");
  std::vector<AtomicFile> files;
  files.emplace_back(folder / "a");
  files.emplace_back(folder / "b");
  for (auto& file : files) file.write("new");
  std::filesystem::create_directory(folder / "b");  // comes up after the files were opened
  EXPECT_THAT([&] { commit_together(files); }, ThrowsMessage<IoError>(HasSubstr("b: cannot be written")));
  EXPECT_EQ(content(folder / "a"), "old a");
}

TEST(AtomicFile, SaysWhyAFileCannotBeMade) {
  const TempDir folder;
  EXPECT_THAT([&] { AtomicFile(folder / "missing/a"); },
              ThrowsMessage<IoError>(AllOf(HasSubstr("missing/a"), HasSubstr("No such file or directory"))));
  EXPECT_THAT([&] { AtomicFile(folder.path()); },
              ThrowsMessage<IoError>(HasSubstr("a folder of that name is there")));
}

TEST(AtomicFile, MeetingASizeLimitLeavesTheOldFileAndNoOther) {
  const TempDir folder;
  write_file(folder / "a", "old");
  {
    const test::FileLimit limit(10'000);
    EXPECT_THAT(
        [&] { write_file(folder / "a", std::string(100'000, 'x')); },
        ThrowsMessage<IoError>(AllOf(HasSubstr("a: cannot be written"), HasSubstr("File too large"))));
  }
  EXPECT_EQ(content(folder / "a"), "old");
  EXPECT_EQ(files_in(folder), 1u);
}

TEST(File, TellsTruncationAndOddKindsApart) {
  const TempDir folder;
  write_file(folder / "a", "12345");
  const File file(folder / "a");
  std::array<std::byte, 8> bytes{};
  EXPECT_THAT([&] { file.read_at(2, bytes); }, ThrowsMessage<IoError>(HasSubstr("ends at byte 5")));
  EXPECT_THAT([&] { File(folder / "none"); }, ThrowsMessage<IoError>(HasSubstr("No such file or directory")));
  EXPECT_THAT([&] { File(folder.path()); }, ThrowsMessage<IoError>(HasSubstr("is not a regular file")));
  EXPECT_THAT([&] { read_text(folder / "a", 4); }, ThrowsMessage<IoError>(HasSubstr("5 bytes long")));
}

}  // namespace
}  // namespace msae::io
