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
#include "msae/core/log.h"
#include "msae/io/model_folder.h"
#include "train/fingerprint.h"

namespace msae::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* state_format = "1";
constexpr const char* sum_key = "crc32";        // of everything else in the file
constexpr std::uint64_t max_metrics = 1 << 30;  // bytes
constexpr const char* metrics_header = "step,epoch,rows_seen,lr,loss,fvu,active,dead,seconds,rows_per_second";

fs::path state_file(const fs::path& folder) {
  return folder / "state" / "state.safetensors";
}
fs::path state_before(const fs::path& folder) {
  return folder / "state" / "previous.safetensors";
}
bool state_exists(const fs::path& folder) {
  std::error_code error;
  return fs::exists(state_file(folder), error) || fs::exists(state_before(folder), error);
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
    const bool unfinished = name == "options.toml" ||
                            (name == "metrics.csv" && (resume || !has_rows(entry.path()))) ||
                            (name == "state" && !state_exists(folder)) || (resume && is_temporary(name));
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

void check_sum(io::TensorFile& file, const fs::path& path) {
  const auto sum = file.metadata.extract(sum_key);
  if (sum.empty()) return;  // of a state from before there were sums
  if (sum.mapped() == std::to_string(io::checksum(file))) return;
  throw IoError(path.string() + ": damaged, its contents do not fit its checksum");
}

SavedState read_state(const fs::path& path) {
  auto file = io::load_tensors(path);
  auto state = parse_state(file.metadata, path);  // first, as one of a newer version may have other sums
  check_sum(file, path);
  state.tensors = std::move(file.tensors);
  return state;
}

// The newest state that is whole, if any.
std::optional<SavedState> newest_whole(const fs::path& folder) {
  const auto newest = state_file(folder), before = state_before(folder);
  if (!fs::exists(newest) && !fs::exists(before)) return std::nullopt;
  if (!fs::exists(newest)) return read_state(before);  // killed between two renames
  std::string damage;
  try {
    return read_state(newest);
  } catch (const IoError& error) {
    if (!fs::exists(before)) throw;
    damage = error.what();
  }
  try {
    auto older = read_state(before);
    older.damage =
        damage + "; the state saved before it, of step " + std::to_string(older.step) + ", is taken instead";
    return older;
  } catch (const IoError& error) {
    throw IoError(damage + "; and " + error.what());
  }
}

void sync_file(const fs::path& path) {
  const files::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.open()) ::fsync(file.number());
}

}  // namespace

bool RunFolder::has_state(const RunOptions& options) {
  return options.resume && state_exists(options.folder);
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
  if (::flock(lock_.number(), LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) fail_in_use(options_.folder);
  log::warning(options_.folder.string() + ": cannot be locked (" + std::generic_category().message(errno) +
               "); see to it that no other run writes to it");
}

// What a killed process of this run was writing. Nobody else writes here: the folder is locked.
void RunFolder::remove_temporaries() const {
  std::error_code error;
  for (const auto& folder : {options_.folder, options_.folder / "state"}) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (is_temporary(entry.path().filename())) fs::remove(entry.path(), error);
    }
  }
}

std::optional<SavedProgress> RunFolder::saved_progress(const fs::path& folder) {
  const auto state = newest_whole(folder);
  if (!state) return std::nullopt;
  return SavedProgress{
      .step = state->step,
      .steps = parse_number<std::int64_t>(value_in(state->fingerprint, "steps"), state->file),
      .seconds = state->seconds,
      .rounded_rows = has_rounded_rows(state->fingerprint),
      .shuffle_rows = shuffle_rows_in(state->fingerprint),
      .running = is_locked(folder),
      .damage = state->damage};
}

std::optional<SavedState> RunFolder::load_state() {
  auto loaded = newest_whole(options_.folder);
  newest_is_damaged_ = loaded && !loaded->damage.empty();
  if (newest_is_damaged_) log::warning(loaded->damage);
  return loaded;
}

void RunFolder::save_state(const SavedState& state) {
  sync_file(metrics_file(options_.folder));  // rows of steps that are not done again
  io::TensorFile file{state.tensors,
                      {{"state_format", state_format},
                       {"step", std::to_string(state.step)},
                       {"seconds", full_digits(state.seconds)},
                       {"fingerprint", state.fingerprint}}};
  for (auto& [name, tensor] : file.tensors)
    tensor = tensor.detach().cpu().contiguous();  // once for sum and file
  file.metadata[sum_key] = std::to_string(io::checksum(file));
  const auto newest = state_file(options_.folder);
  files::AtomicFile out(newest);
  io::write_tensors(out, file);
  out.sync();
  if (!newest_is_damaged_) keep_as_previous(newest);
  out.commit();
  newest_is_damaged_ = false;
}

void RunFolder::keep_as_previous(const fs::path& newest) const {
  const auto before = state_before(options_.folder);
  auto link = before;
  link += ".link";
  // By a second name, where the file system has such, so that who looks finds a newest state at any time.
  std::error_code error, ignored;
  fs::remove(link, ignored);
  fs::create_hard_link(newest, link, error);
  if (!error) fs::rename(link, before, error);
  if (error) fs::rename(newest, before, error);
  fs::remove(link, ignored);  // still there where both were one file already
  if (error && fs::exists(newest)) throw IoError(before.string() + ": cannot be written: " + error.message());
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
    // A last line without an end was cut by a full disk.
    while (std::getline(old, line) && !old.eof() && std::strtoll(line.c_str(), nullptr, 10) <= step) {
      kept += line + "\n";
    }
  }
  remove_temporaries();
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
