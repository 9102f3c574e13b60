// One OpenMP runtime serves the process, and Torch's parallel loops really run on several threads of it.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace msae {
namespace {

TEST(Threads, ParallelLoopsUseMoreThanOne) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  at::parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  at::set_num_threads(before);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Threads, ShareOneOpenMPRuntime) {
  std::ifstream maps("/proc/self/maps");
  std::set<std::string> runtimes;
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.substr(std::min(line.find('/'), line.size()));
    for (const auto* name : {"libgomp", "libomp", "libiomp5"}) {
      if (path.find(name) != std::string::npos) runtimes.insert(path);
    }
  }
  EXPECT_EQ(runtimes.size(), 1u) << testing::PrintToString(runtimes);
}

}  // namespace
}  // namespace msae
