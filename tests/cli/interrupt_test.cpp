// Ctrl-C: long work stops soon, says so, and leaves nothing behind. Of training see resume_test.cpp.
#include <csignal>
#include <thread>

#include "cli/program.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

struct Job {
  Arguments arguments;
  std::string at_work;  ///< what stderr says then
  std::string end;      ///< the last it says
  int signal = SIGINT;
};

class Interrupted : public testing::TestWithParam<Job> {};

TEST_P(Interrupted, StopsAndLeavesNothing) {
  const Workplace here;
  Hdf5File(here / "long.h5").zeros("/rows", H5T_NATIVE_FLOAT, {50'000'000, 16});
  const auto before = here.names();
  ASSERT_NE(std::signal(GetParam().signal, SIG_DFL), SIG_ERR);  // nohup has SIGHUP ignored
  Process process(here.path(), GetParam().arguments);
  while (process.running() && process.err().find(GetParam().at_work) == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  process.signal(GetParam().signal);
  const auto outcome = process.wait();
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_EQ(lines(outcome.err).back(), "msae: " + GetParam().end);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(here.names(), before);
}

INSTANTIATE_TEST_SUITE_P(, Interrupted,
                         testing::Values(Job{{"encode", "run", "--data", "long.h5:/rows", "--out", "l.h5",
                                              "--batch-size", "2"},
                                             "rows/s",
                                             "interrupted, and l.h5 was not written"},
                                         Job{{"eval", "run", "--data", "long.h5:/rows", "--json", "e.json"},
                                             "evaluating",
                                             "interrupted while evaluating on long.h5:/rows",
                                             SIGHUP},
                                         Job{{"info", "long.h5:/rows"},
                                             "reading",
                                             "interrupted while reading long.h5:/rows; nothing was written"},
                                         Job{{"synth", "new.h5", "--rows", "3000000", "--dim", "16"},
                                             "writing",
                                             "interrupted, and new.h5 was not written"},
                                         Job{{"bench", "--rows", "64", "--dim", "16", "--latents", "128",
                                              "--repeats", "1000000", "--json", "b.json"},
                                             "timing",
                                             "interrupted while timing the steps; there are no results"}),
                         [](const auto& job) { return job.param.arguments[0]; });

}  // namespace
}  // namespace msae::test
