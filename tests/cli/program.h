/// \file
/// The msae program as its users meet it: run as a process, judged by its exit code and what it wrote.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace msae::test {

using Arguments = std::vector<std::string>;

Arguments operator+(Arguments first, const Arguments& second);

/// What a run of the program left behind.
struct Outcome {
  int exit_code = -1;  ///< minus the number of the signal that ended it
  std::string out;
  std::string err;
};

/// The program at work. Killed at the end of the scope, and when it has run for longer than any test needs.
class Process {
 public:
  /// `file_limit`: most bytes that a file of it may have (RLIMIT_FSIZE); 0: no limit.
  Process(const std::filesystem::path& folder, const Arguments& arguments, std::size_t file_limit = 0);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  void signal(int number) const;
  /// As `file_limit`, from now on.
  void limit_files(std::size_t bytes) const;
  bool running();
  Outcome wait();
  /// What it has written to stderr so far.
  std::string err() const;

 private:
  TempDir output_;
  pid_t process_ = -1;
  int status_ = 0;
  std::chrono::steady_clock::time_point started_;
};

/// Runs the program to its end, in `folder`, on one thread unless told otherwise.
Outcome run(const std::filesystem::path& folder, const Arguments& arguments, std::size_t file_limit = 0);

/// A folder with a small data set, data.h5:/embeddings [600, 16], beside its /truth of 20 concepts, and a
/// model of 64 latents trained on it for 20 steps, run. Made once; every call copies it.
class Workplace {
 public:
  Workplace();
  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  Outcome run(const Arguments& arguments, std::size_t file_limit = 0) const {
    return test::run(path(), arguments, file_limit);
  }
  /// A script of sh in which $MSAE is the program.
  Outcome shell(const std::string& script) const;
  bool has(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  /// The bytes of the run's file of weights.
  std::string weights(const std::string& run) const;
  /// Names of everything in it, files in folders included.
  std::vector<std::string> names() const;

 private:
  TempDir folder_;
};

/// What train() is given for the run that is there. At a low rate latents stay apart: a word at one of them
/// is no name for another.
inline const Arguments options_of_run{"--lr", "0.001", "--weight-decay", "0"};

/// `train data.h5:/embeddings --out OUT` with the smallest useful settings, to which a test adds its own.
Arguments train(const std::string& out, const Arguments& more = {});

/// {"--k", "8"} for the models that have a k.
Arguments with_k(const std::string& model);

std::string contents(const std::filesystem::path& file);
std::vector<std::string> lines(const std::string& text);
/// The names in an object, in alphabetical order.
std::vector<std::string> keys(const nlohmann::json& object);
/// The text as JSON; a test fails where it is none.
nlohmann::json parse(const std::string& text);

/// Exit code 0; shows stderr where it is another.
MATCHER(Succeeds, "") {
  *result_listener << "exit code " << arg.exit_code << ", stderr: " << arg.err;
  return arg.exit_code == 0;
}

/// How the program fails: exit code 1, no result, one line on stderr that begins with its name and holds all
/// of `words`, and nothing of a debugger's.
testing::Matcher<const Outcome&> FailsSaying(const std::vector<std::string>& words);

/// Exit code 2, and a hint on stderr that holds `words`.
testing::Matcher<const Outcome&> IsWrongUsage(const std::string& words);

}  // namespace msae::test
