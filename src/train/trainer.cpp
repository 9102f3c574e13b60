#include "msae/train/trainer.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "data/epoch_order.h"
#include "data/pool_order.h"
#include "io/model_rows.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"
#include "msae/data/geometric_median.h"
#include "msae/data/statistics.h"
#include "train/feed.h"
#include "train/fingerprint.h"
#include "train/kept_rows.h"
#include "train/precision.h"
#include "train/row_order.h"
#include "train/run_folder.h"
#include "train/saved_tensor.h"

namespace msae::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

data::LoaderOptions loader_options(const models::SparseAutoencoder& model, const TrainOptions& options,
                                   const std::atomic<bool>* stop) {
  data::LoaderOptions loader{.batch_size = *options.batch_size,
                             .seed = options.seed,
                             .memory = options.memory,
                             .shuffle_rows = options.shuffle_rows,
                             .stop = stop};
  if (options.published_order) {
    loader.epoch_seed = published_epoch_seeds(model.options().seed, model.latents(), model.dim());
  }
  return loader;
}

// What training takes beyond the model, at the least: gradients, two moments, and a batch's pre-activations,
// latents and their gradients. The CPU's memory alone can be asked for.
void require_memory_to_train(const models::SparseAutoencoder& model, const TrainOptions& options) {
  if (!model.decoder.device().is_cpu()) return;
  const auto latents = static_cast<std::uint64_t>(model.latents());
  const auto dictionary = saturating_product(latents, static_cast<std::uint64_t>(model.dim()));
  const auto batch = saturating_product(latents, static_cast<std::uint64_t>(*options.batch_size));
  const auto bytes = static_cast<std::uint64_t>(model.decoder.element_size());
  require_memory(std::max(saturating_product(dictionary, 6 * bytes), saturating_product(batch, 3 * bytes)),
                 "training " + std::to_string(model.latents()) + " latents on batches of " +
                     std::to_string(*options.batch_size));
}

void copy_named(const torch::OrderedDict<std::string, torch::Tensor>& from, TensorMap& to) {
  for (const auto& item : from) to["model." + item.key()] = item.value().detach();
}

// As close to it, in model space, as the published implementation.
void start_at_median(models::SparseAutoencoder& model, data::EmbeddingSource& rows,
                     const std::function<void(double)>& progress) {
  const data::GeometricMedianOptions published;
  const auto scale = model.scale.item<double>();
  const auto median = data::geometric_median(rows, {.tolerance = published.tolerance / scale}, progress);
  const torch::NoGradGuard no_grad;
  model.pre_bias.copy_((torch::tensor(median, torch::kFloat64) - model.mean.cpu()) * scale);
}

// In place of what a device's allocator says.
Error no_memory_to_train(const models::SparseAutoencoder& model, const TrainOptions& options) {
  std::ostringstream sentence;
  sentence << model.decoder.device() << " has not enough memory to train " << model.latents()
           << " latents on batches of " << *options.batch_size
           << "; lower the batch size or the number of latents";
  return Error(sentence.str());
}

// Thrown out of the pass over the data that comes before the first step.
struct Stopped {};

// One fit(): the loop's state in one place.
class Fit {
 public:
  Fit(models::SparseAutoencoder& model, const TrainOptions& options, const TrainerParts& parts,
      data::EmbeddingSource& rows, const RunOptions& run, const std::function<void(double)>& reading,
      const std::atomic<bool>* stop)
      : model_(model), options_(options), run_(run), stop_(stop) {
    if (RunFolder::has_state(run)) saved_ = RunFolder::saved_progress(run.folder);
    const bool may_be_kept = decide_shuffling(rows);
    feed_ = make_host_feed(FeedPlace::of(model), rows, loader_options(model, options_, stop_));
    per_epoch_ = feed_->batches_per_epoch();
    steps_ = all_steps();
    if (options_.dead_after == 0) options_.dead_after = rows.rows();
    log_every_ = run.log_every > 0 ? run.log_every : std::max<std::int64_t>(1, steps_ / 200);
    fingerprint_ = fingerprint(model, options_, rows, steps_);
    // First what can fail: a run that cannot start leaves no folder.
    RunFolder::check(run);
    require_memory_to_train(model, options_);
    require_precision(model, options_);
    if (!saved_) {
      set_statistics(model, data::statistics(rows, reading), options_.scaling, rows.name());
      if (options_.median_bias) start_at_median(model, rows, reading);
    }
    if (parts.free_memory && may_be_kept) keep_on_device(rows, parts, reading);
    if (!kept_) note_pool(rows);
    if (!run.folder.empty()) folder_.emplace(run);
    engine_ = parts.engine(model, options_);
    if (folder_ && run.resume) restore(folder_->load_state());
    rows_in_data_ = rows.rows();
    if (folder_) folder_->open_metrics(step_);
  }

  TrainResult loop(const std::function<void(const Progress&)>& callback) {
    started_ = last_saved_ = Clock::now();
    first_step_ = last_logged_ = step_;
    last_logged_at_ = started_;
    feed_->seek(step_ / per_epoch_, step_ % per_epoch_);
    TrainResult result;
    while (step_ < steps_ && !(stop_ && stop_->load())) {
      const auto begun = Clock::now();
      if (!one_step(result)) break;
      if (step_ % log_every_ == 0 || step_ == steps_) report(callback, result);
      step_times_.push_back(seconds_since(begun));
      if (folder_ && step_ < steps_ && save_is_due()) save();
    }
    if (folder_) {
      if (step_ > first_step_ || step_ == 0) save();
      folder_->save_model(model_);
    }
    result.finished = step_ == steps_;
    result.steps = step_;
    result.seconds = seconds();
    result.step_milliseconds = 1e3 * median(step_times_);
    return result;
  }

 private:
  std::int64_t all_steps() const {
    if (options_.steps > 0) return options_.steps;
    std::int64_t steps = 0;
    if (!__builtin_mul_overflow(options_.epochs, per_epoch_, &steps)) return steps;
    throw std::invalid_argument("epochs: " + std::to_string(options_.epochs) + " epochs of " +
                                std::to_string(per_epoch_) + " steps are more than can be counted");
  }

  // A run that goes on shuffles as it began. Whether rows may stay on the device, where all are shuffled
  // together.
  bool decide_shuffling(const data::EmbeddingSource& rows) {
    auto& shuffled = options_.shuffle_rows;
    if (shuffled == 0 && saved_) shuffled = saved_->shuffle_rows;
    const bool may_be_kept = shuffled == 0 || shuffled >= rows.rows();
    if (shuffled == 0) shuffled = data::shuffled_rows(rows, options_.memory);
    return may_be_kept;
  }

  // What an order of rows follows from, beside the seed.
  void note_pool(const data::EmbeddingSource& rows) {
    const auto pool = options_.shuffle_rows;
    if (pool >= rows.rows()) return;
    const auto piece = data::piece_rows(rows, pool);
    const data::PoolOrder order(rows.rows(), pool, piece);
    fingerprint_ = with_pool(fingerprint_, pool, piece);
    log::info(rows.name() + ": " + std::to_string(order.size(0)) + " of " + std::to_string(rows.rows()) +
              " rows are shuffled at a time, as they are read; all together need " +
              human_bytes(data::bytes_of_rows(rows.rows(), rows.dim())) + " of memory, these and the next " +
              human_bytes(data::bytes_of_pools(order.size(0), rows.dim())));
  }

  // A run that goes on has the rows that it began with, to the bit.
  void keep_on_device(data::EmbeddingSource& rows, const TrainerParts& parts,
                      const std::function<void(double)>& reading) {
    auto half = HalfRows::if_needed;
    if (saved_) {
      half = saved_->rounded_rows ? HalfRows::always : HalfRows::if_exact;
      if (saved_->rounded_rows) fingerprint_ = with_rounded_rows(fingerprint_);
      if (saved_->step >= steps_) return;  // nothing is left to do
    }
    KeptRows for_this_run;
    auto& all = parts.kept_rows ? parts.kept_rows->impl() : for_this_run.impl();
    const auto kept = all.take(rows, value_in(fingerprint_, "data"), model_.decoder.device(),
                               parts.free_memory(), half, reading);
    if (!kept && half == HalfRows::always) {
      throw IoError(run_.folder.string() +
                    ": the run began with its rows rounded to float16 on the device, " + "where they need " +
                    human_bytes(resident_bytes(rows, torch::kFloat16)) + " and may take half of the " +
                    human_bytes(parts.free_memory()) +
                    " that are free; go on when more is free, or begin a run in a new folder");
    }
    if (!kept) return;
    if (kept->rounded && half == HalfRows::if_needed) fingerprint_ = with_rounded_rows(fingerprint_);
    kept_ = true;
    feed_ = make_resident_feed(FeedPlace::of(model_), kept, loader_options(model_, options_, stop_));
  }

  // False when it was told to stop while it waited for rows.
  bool one_step(TrainResult& result) {
    const auto asked = Clock::now();
    const auto batch = next_batch();
    if (!batch.defined()) return false;
    (step_ == first_step_ ? result.first_rows_seconds : result.waiting_seconds) += seconds_since(asked);
    engine_->step(batch, learning_rate(options_, step_, steps_, per_epoch_));
    ++step_;
    return true;
  }

  // Steps that are done are not lost with the file that cannot be read any more, nor for want of memory.
  torch::Tensor next_batch() {
    try {
      return feed_->next();
    } catch (...) {
      if (folder_ && step_ > first_step_) save_despite_failure();
      throw;
    }
  }

  void save_despite_failure() {
    try {
      save();
      log::warning("the run is saved up to step " + std::to_string(step_) + "; --resume goes on from there");
    } catch (const Error& error) {
      log::warning(std::string("the run could not be saved: ") + error.what());
    }
  }

  void report(const std::function<void(const Progress&)>& callback, TrainResult& result) {
    Progress progress;
    progress.metrics = engine_->take_metrics();
    if (!std::isfinite(progress.metrics.loss)) {
      fail_diverged("loss is");
    }
    progress.step = step_;
    progress.steps = steps_;
    progress.epoch = (step_ - 1) / per_epoch_;
    progress.rows_seen = rows_after(step_);
    progress.learning_rate = learning_rate(options_, step_ - 1, steps_, per_epoch_);
    progress.seconds = seconds();
    const auto session = seconds_since(started_);
    progress.rows_per_second = static_cast<double>(progress.rows_seen - rows_after(last_logged_)) /
                               std::max(1e-9, seconds_since(last_logged_at_));
    progress.seconds_left =
        session / static_cast<double>(step_ - first_step_) * static_cast<double>(steps_ - step_);
    last_logged_ = step_;
    last_logged_at_ = Clock::now();
    if (folder_) folder_->log(progress);
    if (callback) callback(progress);
    result.last = progress.metrics;
  }

  [[noreturn]] void fail_diverged(const std::string& what_is) const {
    throw Error("training diverged: the " + what_is + " not finite at step " + std::to_string(step_) +
                "; try a smaller learning rate");
  }

  std::int64_t rows_after(std::int64_t steps) const {
    return steps / per_epoch_ * rows_in_data_ +
           steps % per_epoch_ * std::min(*options_.batch_size, rows_in_data_);
  }

  double seconds() const { return seconds_before_ + seconds_since(started_); }

  bool save_is_due() const {
    return (run_.save_every_steps > 0 && step_ % run_.save_every_steps == 0) ||
           (run_.save_every_seconds > 0 && seconds_since(last_saved_) >= run_.save_every_seconds);
  }

  // A state that nobody can go on from does not replace one that is good.
  void save() {
    for (const auto& parameter : model_.parameters()) {
      if (!parameter.isfinite().all().item<bool>()) fail_diverged("parameters are");
    }
    SavedState state{{}, step_, seconds(), fingerprint_, engine_->state()};
    copy_named(model_.named_parameters(), state.tensors);
    copy_named(model_.named_buffers(), state.tensors);
    try {
      folder_->save_state(state);
    } catch (const IoError& error) {
      if (saved_step_ == 0) throw;
      throw IoError(std::string(error.what()) + "; the run is kept as it was at step " +
                    std::to_string(saved_step_) + ", --resume goes on from there");
    }
    saved_step_ = step_;
    last_saved_ = Clock::now();
  }

  void restore(const std::optional<SavedState>& state) {
    if (!state) return log::info(run_.folder.string() + ": nothing to go on from yet, a new run begins");
    const auto& saved = *state;
    if (saved.fingerprint != fingerprint_) {
      throw IoError(run_.folder.string() + ": holds a run with other options or data: " +
                    differences(saved.fingerprint, fingerprint_) +
                    "; go on without changing them, or name a new folder");
    }
    const torch::NoGradGuard no_grad;
    const auto copy = [&](const torch::OrderedDict<std::string, torch::Tensor>& into) {
      for (const auto& item : into) {
        item.value().copy_(saved_tensor(saved.tensors, "model." + item.key(), item.value()));
      }
    };
    try {
      if (saved.step > steps_) {
        throw IoError("step " + std::to_string(saved.step) + " is beyond the run's " +
                      std::to_string(steps_));
      }
      copy(model_.named_parameters());
      copy(model_.named_buffers());
      engine_->restore(saved.tensors);
    } catch (const IoError& error) {
      throw IoError(saved.file.string() + ": damaged, " + error.what() +
                    "; the run cannot go on from it, begin one in a new folder");
    }
    step_ = saved_step_ = saved.step;
    seconds_before_ = saved.seconds;
    if (step_ < steps_) log::info("going on from step " + std::to_string(step_));
  }

  static double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  const RunOptions& run_;
  const std::atomic<bool>* stop_;
  std::optional<SavedProgress> saved_;  // where the run stands that goes on
  std::unique_ptr<Feed> feed_;
  bool kept_ = false;  // all rows on the device, and shuffled together there
  std::optional<RunFolder> folder_;
  std::unique_ptr<Engine> engine_;
  std::string fingerprint_;
  std::int64_t rows_in_data_ = 0, per_epoch_ = 1, steps_ = 0, log_every_ = 1;
  std::int64_t step_ = 0, first_step_ = 0, last_logged_ = 0, saved_step_ = 0;
  double seconds_before_ = 0;
  Clock::time_point started_ = Clock::now(), last_saved_ = started_, last_logged_at_ = started_;
  std::vector<double> step_times_;
};

}  // namespace

Trainer::Trainer(models::SparseAutoencoder& model, TrainOptions options, TrainerParts parts)
    : model_(model), options_(options), parts_(std::move(parts)) {
  options_.validate();
}

void Trainer::on_progress(std::function<void(const Progress&)> callback) {
  callback_ = std::move(callback);
}

void Trainer::on_reading(std::function<void(double)> callback) {
  reading_ = std::move(callback);
}

void Trainer::stop_when(const std::atomic<bool>* flag) {
  stop_ = flag;
}

TrainResult Trainer::fit(data::EmbeddingSource& rows, const RunOptions& run) {
  io::require_same_dim(model_, rows);
  const auto options = options_.for_data(model_.dim(), model_.latents(), rows.rows());
  if (*options.batch_size > rows.rows()) {
    throw std::invalid_argument("batch_size: " + std::to_string(*options.batch_size) + " is more than the " +
                                std::to_string(rows.rows()) + " rows of " + rows.name());
  }
  const auto reading = [this](double share) {
    if (reading_) reading_(share);
    if (stop_ && stop_->load()) throw Stopped();
  };
  try {
    return Fit(model_, options, parts_, rows, run, reading, stop_).loop(callback_);
  } catch (const Stopped&) {
    return {};
  } catch (const c10::OutOfMemoryError&) {
    throw no_memory_to_train(model_, options);
  }
}

}  // namespace msae::train
