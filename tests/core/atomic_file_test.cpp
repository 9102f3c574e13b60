#include "core/atomic_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <string>
#include <vector>

#include "msae/core/error.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::files {
namespace {

using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::string content(const std::filesystem::path& path) {
  return read_text(path, 1 << 20);
}

TEST(AtomicFile, ReplacesTheOldFileOnlyWhenCommitted) {
  const TempDir folder;
  write_file(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.write("new");
  EXPECT_EQ(content(folder / "a"), "old");
  file.commit();
  EXPECT_EQ(content(folder / "a"), "new");
  EXPECT_EQ(test::files_in(folder.path()), 1u);
}

TEST(AtomicFile, LeavesNothingBehindWhenNotCommitted) {
  const TempDir folder;
  { AtomicFile(folder / "a").write("text"); }
  EXPECT_EQ(test::files_in(folder.path()), 0u);
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
  EXPECT_EQ(test::files_in(folder.path()), 1u);
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

TEST(AtomicFile, DoesNotTakeThePlaceOfALinkToAStream) {
  const TempDir folder;
  write_file(folder / "a", "of the stream");
  const Descriptor stream(::open((folder / "a").c_str(), O_WRONLY | O_CLOEXEC));
  const auto link = folder / "stdout";  // as /dev/stdout is where the shell's > named a file
  std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(stream.number()), link);
  ASSERT_TRUE(std::filesystem::is_regular_file(link));
  EXPECT_TRUE(is_stream(link));
  EXPECT_FALSE(is_stream(folder / "a"));
  EXPECT_FALSE(is_stream("a"));
  EXPECT_THAT([&] { AtomicFile{link}; }, ThrowsMessage<IoError>(HasSubstr("stdout: cannot be written: ")));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
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
  EXPECT_EQ(test::files_in(folder.path()), 1u);
}

TEST(AtomicFile, AnotherLibraryMayWriteTheTemporary) {
  const TempDir folder;
  write_file(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.reserve(1000);
  EXPECT_EQ(content(file.temporary()), "");
  test::overwrite(file.temporary(), "new");
  EXPECT_EQ(content(folder / "a"), "old");
  file.commit();
  EXPECT_EQ(content(folder / "a"), "new");
}

TEST(AtomicFile, SaysHowMuchRoomItLacks) {
  const TempDir folder;
  const test::FileLimit limit(10'000);
  AtomicFile file(folder / "a");
  file.reserve(10'000);
  EXPECT_THAT([&] { file.reserve(1'500'000); },
              ThrowsMessage<IoError>(HasSubstr("a: cannot be written: 1.5 MB are needed: File too large")));
}

TEST(AtomicFile, GivesBackTheRoomItDidNotNeed) {
  const TempDir folder;
  const auto blocks = [&](const std::filesystem::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_blocks;
  };
  AtomicFile file(folder / "a");
  file.write("text");
  file.reserve(10'000'000);
  EXPECT_EQ(content(file.temporary()), "text");
  file.write(", and more");
  file.commit();
  EXPECT_EQ(content(folder / "a"), "text, and more");
  EXPECT_LT(blocks(folder / "a") * 512, 100'000);
}

TEST(AtomicFile, NoDiskHasRoomForEverything) {
  const TempDir folder;
  AtomicFile file(folder / "a");
  EXPECT_THAT([&] { file.reserve(std::uint64_t{1} << 60); },
              ThrowsMessage<IoError>(HasSubstr("a: cannot be written: ")));
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
}  // namespace msae::files
