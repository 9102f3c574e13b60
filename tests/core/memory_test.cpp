#include "msae/core/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "core/memory_probe.h"
#include "msae/core/error.h"
#include "support/temp_dir.h"

namespace msae {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();

/// The files of a machine that is not this one.
class Machine {
 public:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }
  std::uint64_t available() const { return detail::available_memory(folder_.path()); }

 private:
  test::TempDir folder_;
};

class AvailableMemory : public ::testing::Test {
 protected:
  AvailableMemory() {
    machine.write("proc/meminfo", "MemTotal:  32000000 kB\nMemFree:  1000 kB\nMemAvailable:   16000000 kB\n");
  }
  Machine machine;
};

TEST_F(AvailableMemory, IsWhatTheKernelSaysIsAvailable) {
  EXPECT_EQ(machine.available(), 16'000'000ull * 1024);
}

TEST_F(AvailableMemory, IsUnlimitedWhereNothingIsSaid) {
  EXPECT_EQ(Machine().available(), unlimited);
}

TEST_F(AvailableMemory, IsLimitedByTheGroupOfVersion2LessWhatCannotBeGivenBack) {
  machine.write("proc/self/cgroup", "0::/user/job\n");
  machine.write("sys/fs/cgroup/user/job/memory.max", "1000000\n");
  machine.write("sys/fs/cgroup/user/job/memory.current", "700000\n");
  machine.write("sys/fs/cgroup/user/job/memory.stat", "anon 5\ninactive_file 100000\nactive_file 7\n");
  EXPECT_EQ(machine.available(), 400'000u);
}

TEST_F(AvailableMemory, IsLimitedByTheGroupsAround) {
  machine.write("proc/self/cgroup", "0::/user/job\n");
  machine.write("sys/fs/cgroup/user/job/memory.max", "max\n");
  machine.write("sys/fs/cgroup/user/memory.max", "5000\n");
  EXPECT_EQ(machine.available(), 5000u);
}

TEST_F(AvailableMemory, IsLimitedByTheMountsTopInsideAContainer) {
  machine.write("proc/self/cgroup", "0::/docker/on/the/host\n");
  machine.write("sys/fs/cgroup/memory.max", "6000\n");
  machine.write("sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(machine.available(), 5000u);
}

TEST_F(AvailableMemory, IsLimitedByTheGroupOfVersion1) {
  machine.write("proc/self/cgroup", "5:devices:/\n4:cpu,memory:/box\n0::/\n");
  machine.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "900000\n");
  machine.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "500000\n");
  machine.write("sys/fs/cgroup/memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 200000\n");
  EXPECT_EQ(machine.available(), 600'000u);
}

TEST_F(AvailableMemory, IsNothingInAGroupBeyondItsLimit) {
  machine.write("proc/self/cgroup", "0::/\n");
  machine.write("sys/fs/cgroup/memory.max", "1000\n");
  machine.write("sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(machine.available(), 0u);
}

TEST_F(AvailableMemory, IsMoreThanNothingHere) {
  EXPECT_GT(available_memory(), 1'000'000u);
}

TEST(RequireMemory, PassesWhatFitsAndNamesWhatDoesNot) {
  EXPECT_NO_THROW(require_memory(1, "a byte"));
  try {
    require_memory(unlimited - 1, "cc3m.h5");
    FAIL() << "that much is free?";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cc3m.h5 needs 18.4 EB of memory"), HasSubstr("are free")));
  }
}

TEST(SaturatingProduct, NeverWrapsAround) {
  EXPECT_EQ(saturating_product(6, 7), 42u);
  EXPECT_EQ(saturating_product(0, unlimited), 0u);
  EXPECT_EQ(saturating_product(unlimited, 0), 0u);
  EXPECT_EQ(saturating_product(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_EQ(saturating_product(1ull << 32, 1ull << 32), unlimited);
}

TEST(HumanBytes, TakesTheUnitThatFits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1500), "1.5 kB");
  EXPECT_EQ(human_bytes(12'000'000), "12.0 MB");
  EXPECT_EQ(human_bytes(999'960), "1.0 MB");
  EXPECT_EQ(human_bytes(1'500'000'000), "1.5 GB");
}

}  // namespace
}  // namespace msae
