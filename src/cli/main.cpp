// The msae program: parses, runs one subcommand, turns every failure into one sentence and an exit code.
#include <c10/util/Exception.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "cli/command.h"
#include "msae/core/version.h"

namespace {

constexpr int failure = 1;
constexpr int wrong_usage = 2;

// One line, whatever a library put into its message.
int fail(std::string sentence) {
  for (auto& c : sentence) {
    if (c == '\n') c = ' ';
  }
  std::cerr << "msae: " << sentence << std::endl;
  return failure;
}

// `msae train --out RUN --resume` takes everything else from the run's own options.toml.
std::vector<std::string> with_resumed_options(std::vector<std::string> arguments) {
  std::string out;
  bool resume = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--resume") resume = true;
    if (arguments[i] == "--config" || arguments[i].rfind("--config=", 0) == 0) return arguments;
    if (arguments[i] == "--out" && i + 1 < arguments.size()) out = arguments[i + 1];
    if (arguments[i].rfind("--out=", 0) == 0) out = arguments[i].substr(6);
  }
  const auto options = std::filesystem::path(out) / "options.toml";
  std::error_code error;
  if (resume && !out.empty() && !arguments.empty() && arguments[0] == "train" &&
      std::filesystem::is_regular_file(options, error)) {
    arguments.insert(arguments.end(), {"--config", options.string()});
  }
  return arguments;
}

void describe(CLI::App& program) {
  program.description(
      "Hierarchical sparse autoencoders on precomputed embeddings: train, evaluate, look inside.\n"
      "DATA is file.h5:/path, or file.h5 alone when it holds one two-dimensional data set of floats.\n"
      "'msae SUBCOMMAND --help' explains every option.");
  program.footer(
      "A first try:\n"
      "  msae synth embeddings.h5\n"
      "  msae train embeddings.h5:/embeddings --out run\n"
      "  msae eval run --data embeddings.h5:/embeddings\n"
      "Exit codes: 0 success, 1 failure (one sentence on stderr), 2 wrong usage.");
  program.set_version_flag("--version", "msae " + msae::version());
  program
      .set_config("--config", "",
                  "Take options from a TOML file with a section per subcommand; the command line wins")
      ->type_name("FILE");
  program.fallthrough();
  program.require_subcommand(1);
  program.get_formatter()->column_width(38);
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit shows as a failed write, which loses nothing
  CLI::App program("", "msae");
  describe(program);
  msae::cli::add_train(program);
  msae::cli::add_eval(program);
  msae::cli::add_info(program);
  msae::cli::add_synth(program);
  try {
    auto arguments = with_resumed_options({values + 1, values + count});
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    program.parse(std::move(arguments));
    return 0;
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : wrong_usage;
  } catch (const c10::Error& error) {
    return fail(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return fail("out of memory; try a smaller --batch-size or fewer latents");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
