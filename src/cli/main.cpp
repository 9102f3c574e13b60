// The msae program: parses, runs one subcommand, turns every failure into one sentence and an exit code.
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/printable.h"
#include "msae/core/version.h"

namespace {

constexpr int failure = 1;
constexpr int wrong_usage = 2;

// Of a file's name or content that became part of a sentence, nobody reads more.
std::string shortened(const std::string& sentence) {
  constexpr std::size_t most = 4000;
  return sentence.size() <= most ? sentence : sentence.substr(0, most) + " ...";
}

// A file opened later must not become what results or messages are written to. The wrong way round, so that
// results which nobody can get still are a failure.
void fill_closed_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    if (::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) std::_Exit(failure);
  }
}

int fail(const std::string& sentence) {
  std::cerr << "msae: " << msae::printable(shortened(sentence)) << std::endl;
  return failure;
}

// The library names its fields, as in "batch_size: must be at least 1": here they are options.
std::string in_options(CLI::App& program, const std::string& sentence) {
  const auto colon = sentence.find(": ");
  if (colon == std::string::npos) return sentence;
  auto name = "--" + sentence.substr(0, colon);
  std::replace(name.begin(), name.end(), '_', '-');
  if (name == "--learning-rate") name = "--lr";
  for (const auto* command : program.get_subcommands()) {
    if (command->get_option_no_throw(name)) return name + sentence.substr(colon);
  }
  return sentence;
}

// A thread that spins for its siblings while they wait for a core can slow a small step on a busy machine
// tenfold. The OpenMP runtime reads its policy as it is loaded, so a program that computes has to start once
// more with it.
void wait_without_spinning(int count, char** values) {
  constexpr const char* policy = "OMP_WAIT_POLICY";
  const bool computes = std::any_of(values, values + count, [](const std::string& word) {
    return word == "train" || word == "eval" || word == "encode";
  });
  if (!computes || std::getenv(policy) || ::setenv(policy, "passive", 1) != 0) return;
  ::execv("/proc/self/exe", values);  // only comes back where it failed: then threads spin
}

// RUN of `msae train --out RUN --resume`, which takes everything else from the run's own options.toml; empty
// for any other call.
std::string resumed_run(const std::vector<std::string>& arguments) {
  std::string out;
  bool resume = false;
  if (arguments.empty() || arguments[0] != "train") return {};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--resume") resume = true;
    if (arguments[i] == "--config" || arguments[i].rfind("--config=", 0) == 0) return {};
    if (arguments[i] == "--out" && i + 1 < arguments.size()) out = arguments[i + 1];
    if (arguments[i].rfind("--out=", 0) == 0) out = arguments[i].substr(6);
  }
  return resume ? out : "";
}

// An option on the command line also wins over those of the file that it excludes, as --steps does over
// epochs.
class OptionsFile : public CLI::ConfigBase {
 public:
  explicit OptionsFile(CLI::App& program) : program_(program) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    refuse_what_is_no_options_file(in);
    auto found = ConfigBase::from_config(in);
    found.erase(
        std::remove_if(found.begin(), found.end(), [&](const auto& item) { return is_excluded(item); }),
        found.end());
    return found;
  }

 private:
  // CLI11 would read it all and repeat it in its message. A pipe has no size.
  static void refuse_what_is_no_options_file(std::istream& in) {
    constexpr std::streamoff most = 100'000;
    const auto size = in.seekg(0, std::ios::end).tellg();
    in.clear();
    if (size > most) throw CLI::ConfigError("it is " + std::to_string(size) + " bytes long");
    if (size >= 0) in.seekg(0);
  }

  bool is_excluded(const CLI::ConfigItem& item) const {
    for (const auto* command : program_.get_subcommands()) {
      const auto* option = command->get_option_no_throw("--" + item.name);
      if (!option) continue;
      for (const auto* other : option->get_excludes()) {
        if (other->count() > 0) return true;
      }
    }
    return false;
  }

  CLI::App& program_;
};

void describe(CLI::App& program) {
  program.description(
      "Hierarchical sparse autoencoders on precomputed embeddings: train, evaluate, look inside.\n"
      "DATA is file.h5:/path, or file.h5 alone when it holds one two-dimensional data set of floats.\n"
      "'msae SUBCOMMAND --help' explains every option.");
  program.footer(
      "A first try:\n"
      "  msae synth embeddings.h5\n"
      "  msae train embeddings.h5:/embeddings --out run --batch-size 500\n"
      "  msae eval run --data embeddings.h5:/embeddings\n"
      "Exit codes: 0 success, 1 failed or interrupted (one sentence on stderr), 2 wrong usage.");
  program.set_version_flag("--version", "msae " + msae::version());
  program
      .set_config("--config", "",
                  "Take options from a TOML file with a section per subcommand; the command line wins")
      ->type_name("FILE");
  program.config_formatter(std::make_shared<OptionsFile>(program));
  program.allow_config_extras(CLI::config_extras_mode::error);
  program.fallthrough();
  program.require_subcommand(1);
  program.get_formatter()->column_width(38);
}

// What CLI11 throws where nobody typed anything wrong.
bool tells_of_a_file(const CLI::ParseError& error) {
  return dynamic_cast<const CLI::RequiredError*>(&error) || dynamic_cast<const CLI::ConfigError*>(&error) ||
         dynamic_cast<const CLI::FileError*>(&error);
}

// Every way that a call can end, as an exit code.
int run(CLI::App& program, std::vector<std::string> arguments) {
  const auto folder = resumed_run(arguments);
  const auto options = std::filesystem::path(folder) / "options.toml";
  std::error_code ignored;
  const bool has_options = !folder.empty() && std::filesystem::is_regular_file(options, ignored);
  if (has_options) arguments.insert(arguments.end(), {"--config", options.string()});
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    program.parse(std::move(arguments));
    return std::cout.flush() ? 0 : fail("the results cannot be written to stdout");
  } catch (const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::RequiredError*>(&error) && !folder.empty() && !has_options) {
      return fail(folder + ": holds no run to go on with; name the folder of one");
    }
    if (has_options && tells_of_a_file(error)) {
      return fail(options.string() + ": is damaged (" + error.what() + "); give DATA and all options again");
    }
    return program.exit(error) == 0 ? 0 : wrong_usage;
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return fail("out of memory; try a smaller --batch-size or fewer latents");
  } catch (const std::invalid_argument& error) {
    return fail(in_options(program, error.what()));
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(error.path1().string() + ": " + error.code().message());
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

}  // namespace

int main(int count, char** values) {
  fill_closed_streams();
  wait_without_spinning(count, values);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit shows as a failed write, which loses nothing
  CLI::App program("", "msae");
  describe(program);
  msae::cli::add_train(program);
  msae::cli::add_eval(program);
  msae::cli::add_encode(program);
  msae::cli::add_info(program);
  msae::cli::add_synth(program);
  return run(program, {values + 1, values + count});
}
