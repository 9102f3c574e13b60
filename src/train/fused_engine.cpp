#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "kernels/cpu/adam.h"
#include "kernels/cpu/step.h"
#include "msae/train/engine.h"
#include "ops/torch_executor.h"
#include "train/product_library.h"
#include "train/saved_tensor.h"
#include "train/step_counters.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

// Rows of the dictionary that one task of the optimiser takes.
constexpr std::int64_t rows_of_task = 64;

struct Levels {
  std::vector<std::int64_t> keep;
  std::vector<double> weights;
  bool over_batch = false;
};

Levels levels_of(const models::SparseAutoencoder& model) {
  const auto& activation = model.activation();
  if (const auto* topk = std::get_if<models::TopK>(&activation)) return {{topk->k}, {1}};
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) return {{batch->k}, {1}, true};
  const auto* nested = std::get_if<models::Matryoshka>(&activation);
  if (!nested) return {{model.latents()}, {1}};
  auto weights = models::level_weights(activation);
  const auto sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (auto& weight : weights) weight /= sum;
  return {nested->levels, std::move(weights), nested->batch};
}

kernels::StepOptions step_options(const models::SparseAutoencoder& model, const TrainOptions& options) {
  auto levels = levels_of(model);
  return {.levels = std::move(levels.keep),
          .weights = std::move(levels.weights),
          .over_batch = levels.over_batch,
          .squared = options.loss == Loss::mse,
          .soft_cap = model.options().soft_cap,
          .l1 = options.l1,
          .l1_by_norm = options.l1_by_norm,
          .auxk = options.auxk,
          .auxk_latents = std::min(auxk_latents(options, model.dim()), model.latents()),
          .dense = {.decode = options.fused.dense_decode,
                    .decoder_gradient = options.fused.dense_decoder_gradient,
                    .encoder_gradient = options.fused.dense_encoder_gradient}};
}

template <typename T>
kernels::Matrix<T> matrix(const torch::Tensor& t) {
  using Value = std::remove_const_t<T>;
  return {t.data_ptr<Value>(), t.size(0), t.size(1), t.size(1)};
}

// A parameter and what AdamW keeps of it.
struct Trained {
  torch::Tensor value, gradient, first, second;

  explicit Trained(const torch::Tensor& parameter)
      : value(parameter),
        gradient(torch::zeros_like(parameter, torch::TensorOptions().requires_grad(false))),
        first(torch::zeros_like(gradient)),
        second(torch::zeros_like(gradient)) {}
};

template <typename T>
class FusedEngine final : public Engine {
 public:
  FusedEngine(models::SparseAutoencoder& model, const TrainOptions& options)
      : model_(model),
        options_(options),
        encoder_(model.encoder),
        decoder_(model.decoder),
        latent_bias_(model.latent_bias),
        pre_bias_(model.pre_bias),
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
    if (counters_.steps() == 0) return state;
    for (const auto& [name, trained] : all()) {
      state["adam." + name + ".first"] = trained->first;
      state["adam." + name + ".second"] = trained->second;
    }
    return state;
  }

  void restore(const TensorMap& state) override {
    const torch::NoGradGuard no_grad;
    counters_.restore(state);
    if (counters_.steps() == 0) return;
    for (const auto& [name, trained] : all()) {
      trained->first.copy_(saved_tensor(state, "adam." + name + ".first", trained->first));
      trained->second.copy_(saved_tensor(state, "adam." + name + ".second", trained->second));
    }
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
      input_ = torch::empty(batch.sizes(), pre_bias_.gradient.options());
    }
    at::sub_out(input_, batch, model_.mean);
    input_.mul_(model_.scale);
  }

  kernels::Parameters<const T> parameters() const {
    return {matrix<const T>(encoder_.value), matrix<const T>(decoder_.value),
            latent_bias_.value.template const_data_ptr<T>(), pre_bias_.value.template const_data_ptr<T>()};
  }

  kernels::Parameters<T> gradients() const {
    return {matrix<T>(encoder_.gradient), matrix<T>(decoder_.gradient),
            latent_bias_.gradient.template data_ptr<T>(), pre_bias_.gradient.template data_ptr<T>()};
  }

  kernels::Rows rows() const {
    if (options_.unit_norm == UnitNorm::never) return kernels::Rows::as_they_are;
    return options_.unit_norm == UnitNorm::before_step ? kernels::Rows::rescale : kernels::Rows::project;
  }

  void optimise(double learning_rate) {
    const auto start = std::chrono::steady_clock::now();
    const kernels::Rescale<T> rescale{.rows = rows(),
                                      .decoder = matrix<T>(decoder_.value),
                                      .decoder_gradient = matrix<T>(decoder_.gradient),
                                      .encoder = matrix<T>(encoder_.value),
                                      .encoder_gradient = matrix<T>(encoder_.gradient),
                                      .latent_bias = latent_bias_.value.template data_ptr<T>(),
                                      .latent_bias_gradient = latent_bias_.gradient.template data_ptr<T>(),
                                      .epsilon = static_cast<T>(epsilon_of(model_.decoder)),
                                      .squares = squares_.data()};
    for_rows([&](std::int64_t first, std::int64_t last) { kernels::rescale(rescale, first, last); });
    const auto adam = adam_of(learning_rate);
    for_rows([&](std::int64_t first, std::int64_t last) {
      update(adam, encoder_, first * model_.dim(), last * model_.dim());
      update(adam, decoder_, first * model_.dim(), last * model_.dim());
      update(adam, latent_bias_, first, last);
      if (options_.unit_norm != UnitNorm::after_step) return;
      for (auto j = first; j < last; ++j) {
        kernels::to_unit_norm(rescale.decoder.row(j), model_.dim(), rescale.epsilon);
      }
    });
    update(adam, pre_bias_, 0, model_.dim());
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
    const auto* pre_bias = pre_bias_.gradient.template const_data_ptr<T>();
    for (std::int64_t d = 0; d < model_.dim(); ++d) squares += static_cast<double>(pre_bias[d] * pre_bias[d]);
    const auto clip = options_.clip > 0 ? std::min(1.0, options_.clip / (std::sqrt(squares) + 1e-6)) : 1;
    const auto step = static_cast<double>(counters_.steps() + 1);
    return {.clip = static_cast<T>(clip),
            .decay = static_cast<T>(1 - learning_rate * options_.weight_decay),
            .beta1 = static_cast<T>(options_.beta1),
            .beta2 = static_cast<T>(options_.beta2),
            .rate = static_cast<T>(learning_rate / (1 - std::pow(options_.beta1, step))),
            .correction = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, step))),
            .epsilon = static_cast<T>(options_.epsilon)};
  }

  static void update(const kernels::Adam<T>& adam, const Trained& trained, std::int64_t first,
                     std::int64_t last) {
    kernels::adam(adam, trained.gradient.template const_data_ptr<T>() + first, last - first,
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

  std::array<std::pair<std::string, const Trained*>, 4> all() const {
    return {{{"encoder", &encoder_},
             {"decoder", &decoder_},
             {"latent_bias", &latent_bias_},
             {"pre_bias", &pre_bias_}}};
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  Trained encoder_, decoder_, latent_bias_, pre_bias_;
  kernels::NestedStep<T> step_;
  torch::Tensor input_;          ///< [rows, dim] in model space
  std::vector<double> squares_;  ///< [latents], squared norms of gradients
  StepCounters counters_;
  StepShape shape_;
  double optimiser_milliseconds_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_fused_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  options.validate();
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
