#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "kernels/cuda/backward.h"
#include "kernels/cuda/step.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"
#include "msae/train/cuda.h"
#include "train/cuda_device.h"
#include "train/cuda_graph.h"
#include "train/device_queue.h"
#include "train/kernel_obstacle.h"
#include "train/moments.h"
#include "train/saved_tensor.h"
#include "train/step_counters.h"
#include "train/step_options.h"

namespace msae::train {
namespace {

namespace cuda = kernels::cuda;

// Steps that may be on their way. What a step's levels were like decides how those of the step so many later
// are computed: by then the device has told, and the host has not waited.
constexpr std::int64_t steps_ahead = 2;

cuda::UpdateOptions update_options(const models::SparseAutoencoder& model, const TrainOptions& options) {
  return {.before = rows_before(options),
          .unit_after = options.unit_norm == UnitNorm::after_step,
          .row_epsilon = static_cast<float>(epsilon_of(model.decoder)),
          .clip = static_cast<float>(options.clip),
          .beta1 = static_cast<float>(options.beta1),
          .beta2 = static_cast<float>(*options.beta2),
          .epsilon = static_cast<float>(options.epsilon),
          .dead_after = options.dead_after};
}

cuda::Trained trained(const Moments& moments) {
  return {moments.value.data_ptr<float>(), nullptr, moments.first.data_ptr<float>(),
          moments.second.data_ptr<float>()};
}

// What each level added to the rows of a step, on its way to the host.
class LevelCounts {
 public:
  LevelCounts(c10::Device device, std::int64_t levels)
      : device_(device), counts_(host_buffer(device, {levels}, torch::kInt64).zero_()), arrived_(device) {}

  void fetch(const unsigned long long* from, std::int64_t rows) {
    const auto counts = torch::from_blob(const_cast<unsigned long long*>(from), counts_.sizes(),
                                         counts_.options().device(device_));
    counts_.copy_(counts, /*non_blocking=*/true);  // LibTorch keeps the memory until it is done
    arrived_.set(stream_in_use(device_));
    rows_ = rows;
  }
  std::int64_t rows() const { return rows_; }
  /// [levels], once they are there.
  torch::Tensor take() const {
    arrived_.wait();
    return counts_;
  }
  void set(const torch::Tensor& counts, std::int64_t rows) {
    arrived_.wait();
    counts_.copy_(counts);
    rows_ = rows;
  }

 private:
  c10::Device device_;
  torch::Tensor counts_;
  Mark arrived_;
  std::int64_t rows_ = 0;  ///< of the step; 0: there was none
};

template <typename F>
class CudaEngine final : public Engine {
 public:
  CudaEngine(models::SparseAutoencoder& model, const TrainOptions& options)
      : model_(model),
        options_(options),
        device_(model.decoder.device()),
        trained_(model),
        counters_(model, options),
        products_(device_products<F>(options.fused.precision, device_)),
        step_(static_cast<int>(model.latents()), static_cast<int>(model.dim()), step_options(model, options),
              update_options(model, options), *products_, device_memory(device_)),
        recording_(recording_stream(device_)),
        levels_(count_of_levels(model, options)),
        counts_{{LevelCounts(device_, levels_), LevelCounts(device_, levels_)}} {
    require_memory();
    step_.prepare(static_cast<int>(*options.batch_size), step_.choose_dense());
  }

  void step(const torch::Tensor& batch, double learning_rate) override {
    TORCH_CHECK(batch.dim() == 2 && batch.size(1) == model_.dim() && batch.size(0) > 0,
                "batch: expected [rows, ", model_.dim(), "], got ", batch.sizes());
    const torch::NoGradGuard no_grad;
    const c10::DeviceGuard guard(device_);
    try {
      enqueue(batch, learning_rate);
    } catch (const cuda::DeviceError& error) {
      throw Error(error.what());
    }
  }

  StepMetrics take_metrics() override { return counters_.take(); }

  TensorMap state() const override {
    TensorMap state;
    counters_.save(state);
    if (counters_.steps() == 0) return state;
    trained_.save(state);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      state[counts_name(i)] =
          torch::cat({counts_[i].take(), torch::tensor({counts_[i].rows()}, torch::kInt64)});
    }
    return state;
  }

  void restore(const TensorMap& state) override {
    counters_.restore(state);
    versions_ = {-1, -1};
    if (counters_.steps() == 0) return;
    trained_.restore(state);
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      // A run that another engine began has none.
      if (state.count(counts_name(i)) == 0) continue;
      const auto saved =
          saved_tensor(state, counts_name(i), torch::zeros({levels_ + 1}, torch::kInt64)).cpu();
      counts_[i].set(saved.slice(0, 0, levels_), saved[levels_].template item<std::int64_t>());
    }
  }

  /// Of the step before the last one, or the one before that: later ones may be on their way.
  StepShape shape() const override {
    const auto& counts = counts_[static_cast<std::size_t>(counters_.steps() % steps_ahead)];
    if (counts.rows() == 0) return {};
    const auto all = counts.take();
    return {counts.rows(), all.sum().template item<std::int64_t>(),
            all.gt(0).sum().template item<std::int64_t>()};
  }

  std::vector<MemoryUse> memory() const override {
    std::vector<MemoryUse> all;
    for (const auto& [name, bytes] : step_.memory()) all.push_back({std::string(name), bytes});
    return all;
  }

 private:
  using Key = std::pair<std::int64_t, cuda::DenseLevels>;
  // The first step of its kind is not recorded: libraries set themselves up in it.
  struct Recorded {
    bool has_run = false;
    CudaGraph graph;
  };

  static std::string counts_name(std::size_t i) { return "engine.level_counts." + std::to_string(i); }

  static std::int64_t count_of_levels(const models::SparseAutoencoder& model, const TrainOptions& options) {
    return static_cast<std::int64_t>(step_options(model, options).levels.size());
  }

  void enqueue(const torch::Tensor& batch, double learning_rate) {
    const auto rows = batch.size(0);
    const auto stream = current_stream(device_);
    auto& counts = counts_[static_cast<std::size_t>(counters_.steps() % steps_ahead)];
    const auto dense = dense_levels(counts);
    if (step_.prepare(static_cast<int>(rows), dense)) graphs_.clear();
    refresh(stream);
    torch::from_blob(step_.batch(), batch.sizes(), trained_.decoder.first.options()).copy_(batch, true);
    step_.set(stream, scalars(rows, learning_rate));
    run(stream, {rows, dense});
    counts.fetch(step_.counts(), rows);
    if (step_.smallest()) {
      const auto smallest =
          torch::from_blob(const_cast<float*>(step_.smallest()), {levels_}, trained_.decoder.first.options());
      follow_threshold(model_, smallest.to(model_.threshold.scalar_type()), counters_.steps());
    }
    counters_.advance(rows);
  }

  void require_memory() const {
    const auto free = free_device_memory(device_);
    // As before training, and when all levels have become lists, as they may.
    const std::vector<cuda::DenseLevels> choices = {step_.choose_dense(),
                                                    cuda::DenseLevels(static_cast<std::size_t>(levels_))};
    const auto bytes = [&](std::int64_t rows) {
      return static_cast<std::uint64_t>(step_.bytes(static_cast<int>(rows), choices));
    };
    if (bytes(*options_.batch_size) <= free) return;
    std::int64_t fits = 0;
    for (auto share = *options_.batch_size; share > 0; share /= 2) {
      if (fits + share < *options_.batch_size && bytes(fits + share) <= free) fits += share;
    }
    std::ostringstream sentence;
    sentence << "training " << model_.latents() << " latents on batches of " << *options_.batch_size
             << " takes " << human_bytes(bytes(*options_.batch_size)) << " on " << device_ << ", which has "
             << human_bytes(free) << " free; ";
    if (fits > 0) {
      sentence << "batches of " << fits << " fit: lower the batch size, or the number of latents";
    } else {
      sentence << "lower the number of latents";
    }
    throw Error(sentence.str());
  }

  cuda::DenseLevels dense_levels(const LevelCounts& before) const {
    if (before.rows() == 0) return step_.choose_dense();
    const auto counts = before.take();
    const auto* count = counts.const_data_ptr<std::int64_t>();
    std::vector<double> kept(count, count + counts.numel());
    for (auto& latents : kept) latents /= static_cast<double>(before.rows());
    return step_.choose_dense(kept);
  }

  cuda::RunMemory run_memory() {
    return {.mean = model_.mean.template const_data_ptr<float>(),
            .scale = model_.scale.template const_data_ptr<float>(),
            .encoder = trained(trained_.encoder),
            .decoder = trained(trained_.decoder),
            .latent_bias = trained(trained_.latent_bias),
            .pre_bias = trained(trained_.pre_bias),
            .sums = counters_.sums(),
            .last_active = counters_.last_active()};
  }

  // The step writes parameters behind LibTorch's back; who else does so is counted by LibTorch.
  void refresh(cudaStream_t stream) {
    const std::array<std::int64_t, 2> versions = {static_cast<std::int64_t>(model_.encoder._version()),
                                                  static_cast<std::int64_t>(model_.decoder._version())};
    if (versions_ == versions) return;
    step_.refresh(stream, run_memory());
    versions_ = versions;
  }

  cuda::Scalars scalars(std::int64_t rows, double learning_rate) const {
    const auto pace = adam_pace(options_, learning_rate, counters_.steps() + 1);
    return {.factor = weight_of(rows, options_),
            .loss_weight = counters_.loss_weight(rows),
            .decay = static_cast<float>(pace.decay),
            .rate = static_cast<float>(pace.rate),
            .correction = static_cast<float>(pace.correction),
            .rows_seen = counters_.rows_seen() + rows};
  }

  void run(cudaStream_t stream, const Key& key) {
    auto& recorded = graphs_[key];
    if (!std::exchange(recorded.has_run, true)) return step_.enqueue(stream, run_memory());
    if (recorded.graph.is_empty()) {
      recorded.graph.record(recording_.get(), [&] { step_.enqueue(recording_.get(), run_memory()); });
    }
    recorded.graph.launch(stream);
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  c10::Device device_;
  AllMoments trained_;
  StepCounters counters_;
  std::unique_ptr<cuda::Products<F>> products_;
  cuda::NestedStep<F> step_;
  OwnedStream recording_;
  std::int64_t levels_;
  std::array<LevelCounts, steps_ahead> counts_;
  std::map<Key, Recorded> graphs_;
  std::array<std::int64_t, 2> versions_ = {-1, -1};
};

}  // namespace

std::string cuda_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options) {
  if (!is_on_device(model.decoder)) return "it runs on CUDA devices alone";
  if (model.decoder.scalar_type() != torch::kFloat32) return "its parameters are float32";
  if (auto obstacle = kernel_obstacle(model, options); !obstacle.empty()) return obstacle;
  if (model.dim() > cuda::most_dimensions) {
    return "it takes at most " + std::to_string(cuda::most_dimensions) + " dimensions";
  }
  if (model.latents() > cuda::most_latents) {
    return "it takes at most " + std::to_string(cuda::most_latents) + " latents";
  }
  if (options.batch_size > cuda::most_rows) {
    return "it takes batches of at most " + std::to_string(cuda::most_rows) + " rows";
  }
  return "";
}

std::unique_ptr<Engine> make_cuda_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  check(model, options);
  if (const auto obstacle = cuda_obstacle(model, options); !obstacle.empty()) {
    throw std::invalid_argument("engine: the fused one does not train this model, as " + obstacle +
                                "; choose autograd");
  }
  const c10::DeviceGuard guard(model.decoder.device());
  try {
    if (options.fused.precision == Precision::bfloat16) {
      return std::make_unique<CudaEngine<cuda::bfloat16>>(model, options);
    }
    return std::make_unique<CudaEngine<float>>(model, options);
  } catch (const cuda::DeviceError& error) {
    throw Error(error.what());
  }
}

}  // namespace msae::train
