#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "kernels/cpu/adam.h"
#include "kernels/cpu/step.h"
#include "msae/train/engine.h"
#include "ops/torch_executor.h"
#include "train/moments.h"
#include "train/product_library.h"
#include "train/step_counters.h"
#include "train/step_options.h"

namespace msae::train {
namespace {

// Rows of the dictionary that one task of the optimiser takes.
constexpr std::int64_t rows_of_task = 64;

template <typename T>
kernels::Matrix<T> matrix(const torch::Tensor& t) {
  using Value = std::remove_const_t<T>;
  return {t.data_ptr<Value>(), t.size(0), t.size(1), t.size(1)};
}

torch::Tensor gradient_of(const torch::Tensor& parameter) {
  return torch::zeros_like(parameter, torch::TensorOptions().requires_grad(false));
}

template <typename T>
class FusedEngine final : public Engine {
 public:
  FusedEngine(models::SparseAutoencoder& model, const TrainOptions& options)
      : model_(model),
        options_(options),
        trained_(model),
        encoder_gradient_(gradient_of(model.encoder)),
        decoder_gradient_(gradient_of(model.decoder)),
        latent_bias_gradient_(gradient_of(model.latent_bias)),
        pre_bias_gradient_(gradient_of(model.pre_bias)),
        step_(model.latents(), model.dim(), step_options(model, options),
              ops::product<T>(product_library(options.fused), options.fused.precision == Precision::bfloat16),
              ops::torch_executor()),
        squares_(static_cast<std::size_t>(model.latents())),
        counters_(model, options) {}

  void step(const torch::Tensor& batch, double learning_rate) override {
    const torch::NoGradGuard no_grad;
    normalise(batch);
    const auto dead = options_.auxk > 0 ? counters_.dead().to(torch::kUInt8) : torch::Tensor();
    const auto report =
        step_.run(matrix<const T>(input_), weight_of(input_.size(0), options_), parameters(),
                  dead.defined() ? dead.const_data_ptr<std::uint8_t>() : nullptr, gradients());
    optimise(learning_rate);
    if (!report.smallest.empty()) {
      const auto smallest =
          torch::tensor(report.smallest, torch::kFloat64).to(model_.threshold.scalar_type());
      follow_threshold(model_, smallest, counters_.steps());
    }
    count(report);
  }

  StepMetrics take_metrics() override { return counters_.take(); }

  TensorMap state() const override {
    TensorMap state;
    counters_.save(state);
    if (counters_.steps() > 0) trained_.save(state);
    return state;
  }

  void restore(const TensorMap& state) override {
    counters_.restore(state);
    if (counters_.steps() > 0) trained_.restore(state);
  }

  std::vector<StageTime> stages() const override {
    std::vector<StageTime> all;
    for (int i = 0; i < static_cast<int>(kernels::Stage::count); ++i) {
      const auto stage = static_cast<kernels::Stage>(i);
      all.push_back({std::string(kernels::name_of(stage)), step_.milliseconds(stage)});
    }
    all.push_back({"optimiser", optimiser_milliseconds_});
    return all;
  }

  StepShape shape() const override { return shape_; }

  std::vector<MemoryUse> memory() const override {
    std::vector<MemoryUse> all;
    for (const auto& [name, bytes] : step_.memory()) all.push_back({std::string(name), bytes});
    return all;
  }

 private:
  // Into memory of its own, which every batch of the same size takes again.
  void normalise(const torch::Tensor& batch) {
    TORCH_CHECK(batch.dim() == 2 && batch.size(1) == model_.dim() && batch.size(0) > 0,
                "batch: expected [rows, ", model_.dim(), "], got ", batch.sizes());
    if (!input_.defined() || input_.sizes() != batch.sizes()) {
      input_ = torch::empty(batch.sizes(), pre_bias_gradient_.options());
    }
    at::sub_out(input_, batch, model_.mean);
    input_.mul_(model_.scale);
  }

  kernels::Parameters<const T> parameters() const {
    return {matrix<const T>(trained_.encoder.value), matrix<const T>(trained_.decoder.value),
            trained_.latent_bias.value.template const_data_ptr<T>(),
            trained_.pre_bias.value.template const_data_ptr<T>()};
  }

  kernels::Parameters<T> gradients() const {
    return {matrix<T>(encoder_gradient_), matrix<T>(decoder_gradient_),
            latent_bias_gradient_.template data_ptr<T>(), pre_bias_gradient_.template data_ptr<T>()};
  }

  void optimise(double learning_rate) {
    const auto start = std::chrono::steady_clock::now();
    const kernels::Rescale<T> rescale{.rows = rows_before(options_),
                                      .decoder = matrix<T>(trained_.decoder.value),
                                      .decoder_gradient = matrix<T>(decoder_gradient_),
                                      .encoder = matrix<T>(trained_.encoder.value),
                                      .encoder_gradient = matrix<T>(encoder_gradient_),
                                      .latent_bias = trained_.latent_bias.value.template data_ptr<T>(),
                                      .latent_bias_gradient = latent_bias_gradient_.template data_ptr<T>(),
                                      .epsilon = static_cast<T>(epsilon_of(model_.decoder)),
                                      .squares = squares_.data()};
    for_rows([&](std::int64_t first, std::int64_t last) { kernels::rescale(rescale, first, last); });
    const auto adam = adam_of(learning_rate);
    for_rows([&](std::int64_t first, std::int64_t last) {
      update(adam, trained_.encoder, encoder_gradient_, first * model_.dim(), last * model_.dim());
      update(adam, trained_.decoder, decoder_gradient_, first * model_.dim(), last * model_.dim());
      update(adam, trained_.latent_bias, latent_bias_gradient_, first, last);
      if (options_.unit_norm != UnitNorm::after_step) return;
      for (auto j = first; j < last; ++j) {
        kernels::to_unit_norm(rescale.decoder.row(j), model_.dim(), rescale.epsilon);
      }
    });
    update(adam, trained_.pre_bias, pre_bias_gradient_, 0, model_.dim());
    optimiser_milliseconds_ =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  void for_rows(const std::function<void(std::int64_t, std::int64_t)>& work) const {
    const auto tasks = (model_.latents() + rows_of_task - 1) / rows_of_task;
    ops::torch_executor().run(tasks, [&](std::int64_t task, int) {
      work(task * rows_of_task, std::min((task + 1) * rows_of_task, model_.latents()));
    });
  }

  kernels::Adam<T> adam_of(double learning_rate) const {
    double squares = std::accumulate(squares_.begin(), squares_.end(), 0.0);
    const auto* pre_bias = pre_bias_gradient_.template const_data_ptr<T>();
    for (std::int64_t d = 0; d < model_.dim(); ++d) squares += static_cast<double>(pre_bias[d] * pre_bias[d]);
    const auto clip = options_.clip > 0 ? std::min(1.0, options_.clip / (std::sqrt(squares) + 1e-6)) : 1;
    const auto pace = adam_pace(options_, learning_rate, counters_.steps() + 1);
    return {.clip = static_cast<T>(clip),
            .decay = static_cast<T>(pace.decay),
            .beta1 = static_cast<T>(options_.beta1),
            .beta2 = static_cast<T>(*options_.beta2),
            .rate = static_cast<T>(pace.rate),
            .correction = static_cast<T>(pace.correction),
            .epsilon = static_cast<T>(options_.epsilon)};
  }

  static void update(const kernels::Adam<T>& adam, const Moments& trained, const torch::Tensor& gradient,
                     std::int64_t first, std::int64_t last) {
    kernels::adam(adam, gradient.template const_data_ptr<T>() + first, last - first,
                  trained.value.template data_ptr<T>() + first, trained.first.template data_ptr<T>() + first,
                  trained.second.template data_ptr<T>() + first);
  }

  void count(const kernels::StepReport& report) {
    shape_ = {input_.size(0), report.entries, report.levels};
    const double sums[] = {report.loss, report.residual, report.deviation,
                           static_cast<double>(report.active)};
    // Read at once: tensors over memory that is ours.
    const auto fired = torch::from_blob(const_cast<std::uint8_t*>(step_.fired()), {model_.latents()},
                                        torch::TensorOptions(torch::kBool));
    counters_.add(input_.size(0), torch::from_blob(const_cast<double*>(sums), {4}, torch::kFloat64), fired);
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  AllMoments trained_;
  torch::Tensor encoder_gradient_, decoder_gradient_, latent_bias_gradient_, pre_bias_gradient_;
  kernels::NestedStep<T> step_;
  torch::Tensor input_;          ///< [rows, dim] in model space
  std::vector<double> squares_;  ///< [latents], squared norms of gradients
  StepCounters counters_;
  StepShape shape_;
  double optimiser_milliseconds_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_fused_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  check(model, options);
  if (const auto obstacle = fused_obstacle(model, options); !obstacle.empty()) {
    throw std::invalid_argument("engine: the fused one does not train this model, as " + obstacle +
                                "; choose autograd");
  }
  if (model.decoder.scalar_type() == torch::kFloat64) {
    return std::make_unique<FusedEngine<double>>(model, options);
  }
  return std::make_unique<FusedEngine<float>>(model, options);
}

}  // namespace msae::train
