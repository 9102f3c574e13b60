// What fuzzers once found, and what they start from, goes through every parser again.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/file.h"
#include "fuzz/targets.h"

namespace msae::fuzz {
namespace {

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, EveryInputIsReadOrRefused) {
  int replayed = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(MSAE_TEST_FUZZ) + "/" + GetParam().name)) {
    SCOPED_TRACE(entry.path());
    EXPECT_NO_THROW(GetParam().run(files::read_text(entry.path(), 1 << 20)));
    ++replayed;
  }
  EXPECT_GT(replayed, 0);
}

INSTANTIATE_TEST_SUITE_P(, Replay, ::testing::ValuesIn(targets),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace msae::fuzz
