#include "cli/program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace msae::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Matcher;
using testing::Not;
using testing::ResultOf;
using testing::StartsWith;

constexpr std::chrono::seconds time_limit{120};

std::string binary() {
  const char* path = std::getenv("MSAE_BINARY");
  if (!path) throw std::runtime_error("MSAE_BINARY must name the msae program");
  return fs::absolute(path).string();
}

void redirect(int descriptor, const std::string& file) {
  const int opened = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) ::_exit(127);
}

// Between fork and exec: system calls only.
[[noreturn]] void become(char* const* arguments, const std::string& folder, const std::string& out,
                         const std::string& err, std::size_t file_limit) {
  redirect(STDOUT_FILENO, out);
  redirect(STDERR_FILENO, err);
  if (::chdir(folder.c_str()) != 0) ::_exit(127);
  ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);  // the superuser is held to permissions like anybody
  if (file_limit > 0) {
    const rlimit limit{file_limit, file_limit};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

Outcome checked(Outcome outcome, const char* what) {
  if (outcome.exit_code != 0) throw std::runtime_error(std::string(what) + " failed: " + outcome.err);
  return outcome;
}

// What every Workplace is a copy of.
const fs::path& original() {
  static const TempDir folder;
  static const bool made = [] {
    checked(run(folder.path(),
                {"synth", "data.h5", "--rows", "600", "--dim", "16", "--concepts", "20", "--active", "4"}),
            "synth");
    checked(run(folder.path(), train("run", options_of_run)), "train");
    return true;
  }();
  static_cast<void>(made);
  return folder.path();
}

}  // namespace

Arguments operator+(Arguments first, const Arguments& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

Process::Process(const fs::path& folder, const Arguments& arguments, std::size_t file_limit)
    : started_(std::chrono::steady_clock::now()) {
  auto words = Arguments{binary()} + arguments;
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::setenv("OMP_NUM_THREADS", "1", 1);
  const auto out = (output_ / "out").string();
  const auto err = (output_ / "err").string();
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("no process can be started");
  if (process_ == 0) become(pointers.data(), folder.string(), out, err, file_limit);
}

Process::~Process() {
  if (!running()) return;
  signal(SIGKILL);
  ::waitpid(process_, &status_, 0);
}

void Process::signal(int number) const {
  if (process_ > 0) ::kill(process_, number);
}

void Process::limit_files(std::size_t bytes) const {
  const rlimit limit{bytes, bytes};
  if (process_ > 0) ::prlimit(process_, RLIMIT_FSIZE, &limit, nullptr);
}

bool Process::running() {
  if (process_ > 0 && ::waitpid(process_, &status_, WNOHANG) == process_) process_ = -1;
  return process_ > 0;
}

Outcome Process::wait() {
  while (running()) {
    if (std::chrono::steady_clock::now() - started_ > time_limit) signal(SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_), contents(output_ / "out"),
          contents(output_ / "err")};
}

std::string Process::err() const {
  return contents(output_ / "err");
}

Outcome run(const fs::path& folder, const Arguments& arguments, std::size_t file_limit) {
  return Process(folder, arguments, file_limit).wait();
}

Workplace::Workplace() {
  fs::copy(original(), folder_.path(), fs::copy_options::recursive);
}

Outcome Workplace::shell(const std::string& script) const {
  const TempDir output;
  ::setenv("MSAE", binary().c_str(), 1);
  ::setenv("OMP_NUM_THREADS", "1", 1);
  const auto call = "cd '" + path().string() + "' && { " + script + "; } >'" + (output / "out").string() +
                    "' 2>'" + (output / "err").string() + "'";
  const int status = std::system(call.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(output / "out"), contents(output / "err")};
}

std::string Workplace::weights(const std::string& run) const {
  return contents(folder_ / run / "sae_weights.safetensors");
}

std::vector<std::string> Workplace::names() const {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(path())) {
    found.push_back(entry.path().lexically_relative(path()).string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Arguments with_k(const std::string& model) {
  return model == "topk" || model == "batch-topk" ? Arguments{"--k", "8"} : Arguments{};
}

Arguments train(const std::string& out, const Arguments& more) {
  const auto has = [&](const char* name) { return std::find(more.begin(), more.end(), name) != more.end(); };
  Arguments all{"train", "data.h5:/embeddings", "--out", out};
  if (!has("--latents")) all = all + Arguments{"--latents", "64"};
  if (!has("--steps") && !has("--epochs")) all = all + Arguments{"--steps", "20"};
  if (!has("--batch-size")) all = all + Arguments{"--batch-size", "200"};
  return all + more;
}

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) found.push_back(line);
  return found;
}

std::vector<std::string> keys(const nlohmann::json& object) {
  std::vector<std::string> names;
  for (const auto& item : object.items()) names.push_back(item.key());
  return names;
}

nlohmann::json parse(const std::string& text) {
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(json.is_discarded()) << "not JSON: " << text;
  return json;
}

Matcher<const Outcome&> FailsSaying(const std::vector<std::string>& words) {
  std::vector<Matcher<const std::string&>> said;
  for (const auto& word : words) said.push_back(HasSubstr(word));
  const auto count = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  return AllOf(
      Field("exit_code", &Outcome::exit_code, 1), Field("out", &Outcome::out, IsEmpty()),
      Field("err", &Outcome::err,
            AllOf(StartsWith("msae: "), EndsWith("\n"), ResultOf(count, 1), Not(HasSubstr("Exception")),
                  Not(HasSubstr("frame #")), Not(HasSubstr(".cpp")), AllOfArray(said))));
}

Matcher<const Outcome&> IsWrongUsage(const std::string& words) {
  return AllOf(Field("exit_code", &Outcome::exit_code, 2), Field("out", &Outcome::out, IsEmpty()),
               Field("err", &Outcome::err, AllOf(HasSubstr(words), HasSubstr("--help"))));
}

}  // namespace msae::test
