// The msae program: parses, runs one subcommand, turns every failure into one sentence and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/about.h"
#include "cli/command.h"
#include "cli/failure.h"
#include "cli/options_file.h"
#include "cli/usage.h"
#include "core/printable.h"

namespace {

using msae::cli::OptionsFile;

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

// A thread that spins for its siblings while they wait for a core can slow a small step on a busy machine
// tenfold. The OpenMP runtime reads its policy as it is loaded, so a program that computes has to start once
// more with it.
void wait_without_spinning(int count, char** values) {
  constexpr const char* policy = "OMP_WAIT_POLICY";
  const bool computes = std::any_of(values, values + count, [](const std::string& word) {
    return word == "train" || word == "eval" || word == "encode" || word == "pareto" || word == "sweep" ||
           word == "bench" || word == "name" || word == "search" || word == "steer" || word == "bias" ||
           word == "report" || word == "tree";
  });
  if (!computes || std::getenv(policy) || ::setenv(policy, "passive", 1) != 0) return;
  ::execv("/proc/self/exe", values);  // only comes back where it failed: then threads spin
}

void describe(CLI::App& program) {
  program.description(
      "Hierarchical sparse autoencoders on precomputed embeddings: train, evaluate, look inside.\n"
      "DATA is file.h5:/path, or file.h5 alone when it holds one two-dimensional data set of floats;\n"
      "file.safetensors:name or file.pt:name, a tensor; file.npy of NumPy, or name_ROWS_DIM.npy without a\n"
      "header, float32; or several files as one: a folder, or a quoted pattern like \"shards/*.h5:/path\".\n"
      "'msae SUBCOMMAND --help' explains every option; =VALUE and [VALUE] are defaults.");
  program.footer(
      "A first try:\n"
      "  msae synth embeddings.h5\n"
      "  msae train embeddings.h5:/embeddings --out run --batch-size 500\n"
      "  msae eval run --data embeddings.h5:/embeddings\n"
      "  msae report run --data embeddings.h5:/embeddings --out report.html\n"
      "Options from a file:          msae train --config options.toml --out run\n"
      "Completion with the Tab key:  source <(msae completion bash)\n"
      "Exit codes: 0 success, 1 failed or interrupted (one sentence on stderr), 2 wrong usage.");
  program.set_version_flag("--version", msae::cli::about,
                           "Print the versions of msae and of what it computes with, and exit");
  msae::cli::add_config(program);
  program.fallthrough();
  program.require_subcommand(1);
  program.get_formatter()->column_width(38);
}

int end_of_output() {
  return std::cout.flush() ? 0 : fail("the results cannot be written to stdout");
}

// What CLI11 throws: a call for help, or wrong usage. That of a resumed run lies in the run's own file.
int end_of_parsing(const CLI::App& program, const OptionsFile& file, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::Success*>(&error)) {
    program.exit(error);
    return end_of_output();
  }
  const bool lacks_options = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const auto options = file.resumed_options();
  if (lacks_options && options.empty() && !file.resumed_run().empty()) {
    return fail(file.resumed_run() + ": holds no run to go on with; name the folder of one");
  }
  if (!options.empty() && (lacks_options || dynamic_cast<const CLI::ConfigError*>(&error))) {
    return fail(options + ": is damaged (" + error.what() +
                "); move it away, then give DATA and all options again, beside --resume");
  }
  std::cerr << msae::cli::usage_error(program, error) << std::flush;
  return wrong_usage;
}

// Every way that a call can end, as an exit code.
int run(CLI::App& program, const OptionsFile& file, std::vector<std::string> arguments) {
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    program.parse(std::move(arguments));
    return end_of_output();
  } catch (const CLI::ParseError& error) {
    return end_of_parsing(program, file, error);
  } catch (const std::invalid_argument& error) {
    std::string sentence = error.what();
    for (const auto* command : program.get_subcommands()) {
      sentence = msae::cli::in_options(*command, sentence);
    }
    return fail(file.gave(sentence.substr(0, sentence.find(':'))) ? file.name() + ": " + sentence : sentence);
  } catch (const std::exception& error) {
    return fail(msae::cli::in_words(error));
  }
}

}  // namespace

int main(int count, char** values) try {
  fill_closed_streams();
  wait_without_spinning(count, values);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit shows as a failed write, which loses nothing
  CLI::App program("", "msae");
  describe(program);
  msae::cli::add_train(program);
  msae::cli::add_sweep(program);
  msae::cli::add_eval(program);
  msae::cli::add_pareto(program);
  msae::cli::add_encode(program);
  msae::cli::add_name(program);
  msae::cli::add_tree(program);
  msae::cli::add_search(program);
  msae::cli::add_steer(program);
  msae::cli::add_bias(program);
  msae::cli::add_report(program);
  msae::cli::add_convert(program);
  msae::cli::add_info(program);
  msae::cli::add_synth(program);
  msae::cli::add_bench(program);
  msae::cli::add_completion(program);
  const auto file = OptionsFile::attach(program);
  program.parse_complete_callback([&program] { msae::cli::refuse_empty_values(program); });
  return run(program, *file, {values + 1, values + count});
} catch (const std::exception& error) {  // of what describes the options: there is no memory at all
  std::fputs(error.what(), stderr);
  return failure;
}
