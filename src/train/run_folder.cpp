#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <iomanip>
#include <sstream>
#include <system_error>

#include "core/atomic_file.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"
#include "train/fingerprint.h"

namespace msae::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* state_format = "1";
constexpr std::uint64_t max_metrics = 1 << 30;  // bytes
constexpr const char* metrics_header = "step,epoch,rows_seen,lr,loss,fvu,active,dead,seconds,rows_per_second";

fs::path state_file(const fs::path& folder) {
  return folder / "state" / "state.safetensors";
}
fs::path lock_file(const fs::path& folder) {
  return folder / "state" / "lock";
}
fs::path metrics_file(const fs::path& folder) {
  return folder / "metrics.csv";
}

std::string full_digits(double value) {
  std::ostringstream text;
  text << std::setprecision(17) << value;
  return text.str();
}

bool is_locked(const fs::path& folder) {
  const files::Descriptor lock(::open(lock_file(folder).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  return lock.open() && ::flock(lock.number(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

[[noreturn]] void fail_in_use(const fs::path& folder) {
  throw IoError(folder.string() +
                ": another run is writing to this folder; name another one, or wait for it");
}

// Whether a file is there with more in it than the header of metrics.csv.
bool has_rows(const fs::path& metrics) {
  std::error_code error;
  return fs::file_size(metrics, error) > std::string(metrics_header).size() + 1 && !error;
}

bool is_temporary(const fs::path& name) {
  return name.string().rfind('.', 0) == 0 && name.extension() == ".tmp";
}

// Anything but what a run leaves that failed before its first step. To go on with one that was killed before
// its first save is to begin anew: the steps it has told of are lost.
bool holds_something(const fs::path& folder, bool resume) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return false;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename();
    const bool unfinished =
        name == "options.toml" || (name == "metrics.csv" && (resume || !has_rows(entry.path()))) ||
        (name == "state" && !fs::exists(state_file(folder), error)) || (resume && is_temporary(name));
    if (!unfinished) return true;
  }
  return false;
}

const std::string& metadata(const std::map<std::string, std::string>& known, const char* key,
                            const fs::path& path) {
  const auto found = known.find(key);
  if (found == known.end())
    throw IoError(path.string() + ": not a saved training state, '" + key + "' is missing");
  return found->second;
}

template <typename Number>
Number parse_number(const std::string& text, const fs::path& path) {
  std::istringstream in(text);
  Number value{};
  if (!(in >> value) || !in.eof() || value < 0)
    throw IoError(path.string() + ": damaged, '" + text + "' is no number");
  return value;
}

// All of a state but its tensors.
SavedState parse_state(const std::map<std::string, std::string>& known, const fs::path& path) {
  if (metadata(known, "state_format", path) != state_format) {
    throw IoError(path.string() + ": written by a newer version of msae; update msae to go on with this run");
  }
  return {.file = path,
          .step = parse_number<std::int64_t>(metadata(known, "step", path), path),
          .seconds = parse_number<double>(metadata(known, "seconds", path), path),
          .fingerprint = metadata(known, "fingerprint", path),
          .tensors = {}};
}

}  // namespace

bool RunFolder::has_state(const RunOptions& options) {
  return options.resume && fs::exists(state_file(options.folder));
}

RunFolder::RunFolder(RunOptions options) : options_(std::move(options)) {
  create();
  lock();
  const auto written = options_.folder / "options.toml";
  if (!options_.description.empty() && !(has_state(options_) && fs::exists(written))) {
    files::write_file(written, options_.description);
  }
}

void RunFolder::check(const RunOptions& options) {
  const auto& folder = options.folder;
  if (folder.empty()) return;
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
    throw IoError(folder.string() + ": is a file; name a folder for the run");
  }
  for (const auto* name : {"cfg.json", "sae_weights.safetensors"}) {
    const auto file = folder / name;  // the model's, to be replaced at the end
    if (fs::exists(file, error) && !fs::is_regular_file(file, error)) {
      throw IoError(file.string() + ": is not a regular file");
    }
  }
  if (has_state(options) || !holds_something(folder, options.resume)) return;
  if (is_locked(folder)) fail_in_use(folder);  // what a run holds before its first save says little
  throw IoError(folder.string() +
                (options.resume
                     ? ": holds no saved state to go on from; name a new folder"
                     : ": is not empty; name a new folder, or go on with the run in it by --resume"));
}

void RunFolder::create() {
  check(options_);
  const auto& folder = options_.folder;
  std::error_code error;
  fs::create_directories(folder / "state", error);
  if (!error && ::access(folder.c_str(), W_OK) != 0) error = {errno, std::generic_category()};
  if (error) throw IoError(folder.string() + ": cannot be written (" + error.message() + ")");
}

void RunFolder::lock() {
  const auto path = lock_file(options_.folder);
  lock_ = files::Descriptor(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
  if (!lock_.open()) throw IoError(path.string() + ": cannot be written");
  if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) {
    fail_in_use(options_.folder);
  }
}

std::optional<SavedProgress> RunFolder::saved_progress(const fs::path& folder) {
  const auto path = state_file(folder);
  if (!fs::exists(path)) return std::nullopt;
  const auto state = parse_state(io::SafetensorsFile(path).metadata(), path);
  return SavedProgress{.step = state.step,
                       .steps = parse_number<std::int64_t>(value_in(state.fingerprint, "steps"), path),
                       .seconds = state.seconds,
                       .rounded_rows = has_rounded_rows(state.fingerprint),
                       .running = is_locked(folder)};
}

std::optional<SavedState> RunFolder::load_state() const {
  const auto path = state_file(options_.folder);
  if (!fs::exists(path)) return std::nullopt;
  auto file = io::load_tensors(path);
  auto state = parse_state(file.metadata, path);
  state.tensors = std::move(file.tensors);
  return state;
}

void RunFolder::save_state(const SavedState& state) const {
  io::save_tensors(state_file(options_.folder), {state.tensors,
                                                 {{"state_format", state_format},
                                                  {"step", std::to_string(state.step)},
                                                  {"seconds", full_digits(state.seconds)},
                                                  {"fingerprint", state.fingerprint}}});
}

void RunFolder::save_model(const models::SparseAutoencoder& model) const {
  io::save(model, options_.folder);
}

void RunFolder::open_metrics(std::int64_t step) {
  const auto path = metrics_file(options_.folder);
  std::string kept = std::string(metrics_header) + "\n";
  if (step > 0 && fs::exists(path)) {
    std::istringstream old(files::read_text(path, max_metrics));
    std::string line;
    std::getline(old, line);  // the header
    while (std::getline(old, line) && std::strtoll(line.c_str(), nullptr, 10) <= step) kept += line + "\n";
  }
  files::write_file(path, kept);
  metrics_.open(path, std::ios::app);
}

void RunFolder::log(const Progress& p) {
  metrics_ << p.step << ',' << p.epoch << ',' << p.rows_seen << ',' << std::setprecision(9) << p.learning_rate
           << ',' << p.metrics.loss << ',' << p.metrics.fvu << ',' << p.metrics.active << ','
           << p.metrics.dead << ',' << std::setprecision(6) << p.seconds << ',' << p.rows_per_second << '\n';
  if (!metrics_.flush())
    throw IoError(metrics_file(options_.folder).string() + ": cannot be written; is the disk full?");
}

}  // namespace msae::train
