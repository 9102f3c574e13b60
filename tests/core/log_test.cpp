#include "msae/core/log.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace msae {
namespace {

TEST(Log, HandsMessagesThatPassTheLevelToTheSink) {
  std::vector<std::string> seen;
  log::set_sink([&](log::Level, std::string_view message) { seen.emplace_back(message); });
  log::set_level(log::Level::info);
  log::debug("one");
  log::info("two");
  log::warning("three");
  log::set_level(log::Level::off);
  log::warning("four");
  log::set_sink({});
  log::set_level(log::Level::warning);
  EXPECT_THAT(seen, testing::ElementsAre("two", "three"));
}

TEST(Log, WritesToStderrAndNeverToStdout) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  log::warning("careful");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "msae: warning: careful\n");
}

}  // namespace
}  // namespace msae
