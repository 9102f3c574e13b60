// What a training run leaves on disk: metrics.csv, options.toml, state/ and the model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "core/file.h"
#include "msae/train/engine.h"
#include "msae/train/trainer.h"

namespace msae::train {

/// Where a run stands, beside its tensors.
struct SavedState {
  std::filesystem::path file;  ///< where it was read, for messages
  std::int64_t step = 0;
  double seconds = 0;
  std::string fingerprint;  ///< of all that decides the numbers; a resumed run must have the same
  TensorMap tensors;
  std::string damage = {};  ///< of the newest state, where this is the one before it; empty otherwise
};

/// What a saved state tells of its run.
struct SavedProgress {
  std::int64_t step = 0;
  std::int64_t steps = 0;         ///< of the whole run
  double seconds = 0;             ///< of training
  bool rounded_rows = false;      ///< it trains on rows rounded to float16
  std::int64_t shuffle_rows = 0;  ///< that it shuffles together
  bool running = false;           ///< someone trains in the folder now
  std::string damage = {};        ///< of the newest state, where this is the one before it; empty otherwise
};

/// The folder of one run, locked against a second one for as long as this object lives.
class RunFolder {
 public:
  /// Whether a run is to be resumed and there is a state to resume.
  static bool has_state(const RunOptions& options);

  /// What can be refused before any work is done. \throws msae::IoError as the constructor
  static void check(const RunOptions& options);

  /// Where the run in a folder stands by the newest saved state that is whole, if any. \throws msae::IoError
  /// where there are states, and all are damaged
  static std::optional<SavedProgress> saved_progress(const std::filesystem::path& folder);

  /// Creates the folder, or takes the existing one when resuming, or when there is nothing in it but what a
  /// run leaves that failed before its first step. \throws msae::IoError when it is not empty, not writable
  /// or in use
  explicit RunFolder(RunOptions options);

  /// The newest saved state that is whole, if any; a warning tells where that is the one before the newest.
  /// \throws msae::IoError where there are states, and all are damaged
  std::optional<SavedState> load_state();
  /// The newest state becomes the one before it, unless load_state() found it damaged: the two are whole,
  /// whatever stops the process.
  void save_state(const SavedState& state);
  void save_model(const models::SparseAutoencoder& model) const;

  /// Opens metrics.csv; rows after `step` belong to steps that are about to be repeated and are cut. What a
  /// killed process was writing is removed: nobody misses it any more.
  void open_metrics(std::int64_t step);
  void log(const Progress& progress);

 private:
  void create();
  void lock();
  void remove_temporaries() const;
  void keep_as_previous(const std::filesystem::path& newest) const;

  RunOptions options_;
  std::ofstream metrics_;
  files::Descriptor lock_;
  bool newest_is_damaged_ = false;
};

}  // namespace msae::train
