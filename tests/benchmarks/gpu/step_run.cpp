#include "benchmarks/gpu/step_run.h"

#include "benchmarks/gpu/device.h"
#include "train/step_options.h"

namespace msae::gpu_benchmark {

namespace cuda = kernels::cuda;

cuda::UpdateOptions training_update(const train::TrainOptions& options) {
  return {.before = kernels::Rows::project,
          .unit_after = true,
          .row_epsilon = 1e-7f,
          .clip = static_cast<float>(options.clip),
          .beta1 = static_cast<float>(options.beta1),
          .beta2 = static_cast<float>(*options.beta2),
          .epsilon = static_cast<float>(options.epsilon),
          .dead_after = options.dead_after};
}

cuda::UpdateOptions no_update() {
  auto update = training_update({.beta2 = 0.95});
  update.before = kernels::Rows::as_they_are;
  update.unit_after = false;
  return update;
}

template <typename F>
StepRun<F>::StepRun(models::SparseAutoencoder& model, const train::TrainOptions& options,
                    cuda::UpdateOptions update, float rate)
    : model_(model),
      levels_(model.level_count()),
      rate_(rate),
      sums_(torch::zeros({5}, on_device().dtype(torch::kFloat64))),
      last_active_(torch::zeros({model.latents()}, on_device().dtype(torch::kInt64))),
      products_(
          options.fused.precision == train::Precision::tf32 ? cuda::Multiplier::tf32 : cuda::Multiplier::full,
          device_memory()),
      step_(static_cast<int>(model.latents()), static_cast<int>(model.dim()),
            train::step_options(model, options), update, products_, device_memory()) {
  const torch::NoGradGuard no_grad;
  for (const auto& parameter : {model.encoder, model.decoder, model.latent_bias, model.pre_bias}) {
    for (int i = 0; i < 2; ++i) moments_.push_back(torch::zeros(parameter.sizes(), on_device()));
  }
}

template <typename F>
cuda::RunMemory StepRun<F>::memory() {
  const auto trained = [this](const torch::Tensor& parameter, std::size_t i) -> cuda::Trained {
    return {parameter.data_ptr<float>(), nullptr, moments_[2 * i].template data_ptr<float>(),
            moments_[2 * i + 1].template data_ptr<float>()};
  };
  return {.mean = model_.mean.template const_data_ptr<float>(),
          .scale = model_.scale.template const_data_ptr<float>(),
          .encoder = trained(model_.encoder, 0),
          .decoder = trained(model_.decoder, 1),
          .latent_bias = trained(model_.latent_bias, 2),
          .pre_bias = trained(model_.pre_bias, 3),
          .sums = sums_.template data_ptr<double>(),
          .last_active = last_active_.template data_ptr<std::int64_t>()};
}

template <typename F>
void StepRun<F>::prepare(std::int64_t rows, const cuda::DenseLevels& dense) {
  step_.prepare(static_cast<int>(rows), dense);
  step_.refresh(current_stream(), memory());
  step_.set(current_stream(), {.rate = rate_, .rows_seen = rows});
}

template <typename F>
cuda::DenseLevels StepRun<F>::settle(const torch::Tensor& batch) {
  auto dense = step_.choose_dense();
  prepare(batch.size(0), dense);
  load(batch);
  enqueue();
  std::vector<double> per_row;
  for (const auto count : kept()) {
    per_row.push_back(static_cast<double>(count) / static_cast<double>(batch.size(0)));
  }
  dense = step_.choose_dense(per_row);
  prepare(batch.size(0), dense);
  return dense;
}

template <typename F>
void StepRun<F>::load(const torch::Tensor& batch) {
  cuda::require(cudaMemcpyAsync(step_.batch(), batch.const_data_ptr<float>(), batch.nbytes(),
                                cudaMemcpyDeviceToDevice, current_stream()),
                "copy");
}

template <typename F>
void StepRun<F>::enqueue(const std::function<void(std::string_view)>& mark) {
  step_.enqueue(current_stream(), memory(), mark);
}

template <typename F>
std::vector<std::int64_t> StepRun<F>::kept() const {
  std::vector<unsigned long long> counts(static_cast<std::size_t>(levels_));
  cuda::require(cudaMemcpyAsync(counts.data(), step_.counts(), counts.size() * sizeof counts[0],
                                cudaMemcpyDeviceToHost, current_stream()),
                "copy");
  cuda::require(cudaStreamSynchronize(current_stream()), "wait");
  return {counts.begin(), counts.end()};
}

template class StepRun<float>;
template class StepRun<cuda::bfloat16>;

}  // namespace msae::gpu_benchmark
