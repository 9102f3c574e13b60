#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <limits>

#include "msae/core/error.h"
#include "msae/train/engine.h"
#include "train/resampling.h"
#include "train/saved_tensor.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

// The threshold of models that choose over batches is a mean of all batches' own, in which late ones count
// more, as weights still change: about the last ninth decides (polynomial-decay averaging, Shamir and Zhang,
// ICML 2013, with this exponent).
constexpr double threshold_exponent = 8;

double epsilon_of(const torch::Tensor& t) {
  return t.scalar_type() == torch::kFloat64 ? std::numeric_limits<double>::epsilon()
                                            : double{std::numeric_limits<float>::epsilon()};
}

class AutogradEngine final : public Engine {
 public:
  AutogradEngine(models::SparseAutoencoder& model, const TrainOptions& options)
      : model_(model), options_(options), optimizer_(parameters(), adam_options(options)) {
    const auto counters = torch::TensorOptions().device(model.decoder.device());
    sums_ = torch::zeros({sum_count}, counters.dtype(torch::kFloat64));
    last_active_ = torch::zeros({model.latents()}, counters.dtype(torch::kInt64));
  }

  void step(const torch::Tensor& batch, double learning_rate) override {
    optimizer_.zero_grad();
    const auto input = model_.normalise(batch);
    const auto result = step_loss(model_, input, options_, options_.auxk > 0 ? dead() : torch::Tensor());
    result.loss.backward();
    {
      const torch::NoGradGuard no_grad;
      if (options_.unit_norm == UnitNorm::before_step) rescale_rows_and_encoder();
      if (options_.unit_norm != UnitNorm::never) project_decoder_gradient();
      if (options_.clip > 0) torch::nn::utils::clip_grad_norm_(parameters(), options_.clip);
    }
    static_cast<torch::optim::AdamWOptions&>(optimizer_.param_groups()[0].options()).lr(learning_rate);
    optimizer_.step();
    const torch::NoGradGuard no_grad;
    if (options_.unit_norm == UnitNorm::after_step) {
      model_.decoder.div_(model_.decoder.norm(2, 1, true).clamp_min_(epsilon_of(model_.decoder)));
    }
    follow_threshold(result.smallest_kept);
    count(result, input);
    if (options_.resample_every > 0 && steps_ % options_.resample_every == 0) revive(result, input);
  }

  StepMetrics take_metrics() override {
    const auto sums = sums_.to(torch::kCPU, sums_.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
    const auto* s = sums.const_data_ptr<double>();
    sums_.zero_();
    StepMetrics metrics;
    if (s[row_sum] == 0) return metrics;
    metrics.loss = s[loss_sum] / s[row_sum];
    metrics.fvu = s[deviation_sum] > 0 ? s[residual_sum] / s[deviation_sum] : 0;
    metrics.active = s[active_sum] / s[row_sum];
    metrics.dead = dead().sum().item<std::int64_t>();
    return metrics;
  }

  TensorMap state() const override {
    TensorMap state{{"engine.last_active", last_active_},
                    {"engine.sums", sums_},
                    {"engine.counters", torch::tensor({rows_seen_, steps_}, torch::kInt64)}};
    for (const auto& parameter : model_.named_parameters()) {
      const auto found = optimizer_.state().find(parameter.value().unsafeGetTensorImpl());
      if (found == optimizer_.state().end()) continue;  // no step yet
      const auto& moments = static_cast<const torch::optim::AdamWParamState&>(*found->second);
      state["adam." + parameter.key() + ".first"] = moments.exp_avg();
      state["adam." + parameter.key() + ".second"] = moments.exp_avg_sq();
    }
    return state;
  }

  void restore(const TensorMap& state) override {
    const auto counters = saved_tensor(state, "engine.counters", torch::zeros({2}, torch::kInt64));
    if (counters.lt(0).any().item<bool>()) throw IoError("engine.counters are negative");
    rows_seen_ = counters[0].item<std::int64_t>();
    steps_ = counters[1].item<std::int64_t>();
    last_active_.copy_(saved_tensor(state, "engine.last_active", last_active_));
    sums_.copy_(saved_tensor(state, "engine.sums", sums_));
    if (steps_ == 0) return;
    for (const auto& parameter : model_.named_parameters()) {
      const auto& value = parameter.value();
      auto moments = std::make_unique<torch::optim::AdamWParamState>();
      moments->step(steps_);
      const auto moment = [&](const char* order) {
        return saved_tensor(state, "adam." + parameter.key() + order, value).to(value.device()).clone();
      };
      moments->exp_avg(moment(".first"));
      moments->exp_avg_sq(moment(".second"));
      optimizer_.state()[value.unsafeGetTensorImpl()] = std::move(moments);
    }
  }

 private:
  enum Sum { loss_sum, row_sum, residual_sum, deviation_sum, active_sum, sum_count };

  static torch::optim::AdamWOptions adam_options(const TrainOptions& options) {
    return torch::optim::AdamWOptions(options.learning_rate)
        .betas({options.beta1, options.beta2})
        .eps(options.epsilon)
        .weight_decay(options.weight_decay);
  }

  std::vector<torch::Tensor> parameters() const { return model_.parameters(); }

  // The published order: unit rows before the step, with the product of encoder and decoder unchanged.
  void rescale_rows_and_encoder() {
    const auto norms = model_.decoder.norm(2, 1, true) + epsilon_of(model_.decoder);
    model_.decoder.div_(norms);
    model_.encoder.mul_(norms);
    model_.latent_bias.mul_(norms.squeeze(1));
    if (model_.log_threshold.defined()) model_.log_threshold.add_(norms.squeeze(1).log());
  }

  // Takes out of each decoder row's gradient what would only change the row's length.
  void project_decoder_gradient() {
    auto gradient = model_.decoder.grad();
    if (!gradient.defined()) return;
    const auto rows =
        options_.unit_norm == UnitNorm::before_step
            ? model_.decoder
            : model_.decoder / model_.decoder.norm(2, 1, true).clamp_min(epsilon_of(model_.decoder));
    gradient.sub_((gradient * rows).sum(1, true) * rows);
  }

  void follow_threshold(const torch::Tensor& smallest_kept) {
    if (!smallest_kept.defined()) return;
    const double rate = (1 + threshold_exponent) / (static_cast<double>(steps_ + 1) + threshold_exponent);
    // A batch without a latent says nothing.
    const auto target = torch::where(smallest_kept.isinf(), model_.threshold, smallest_kept);
    model_.threshold.add_(rate * (target - model_.threshold));
  }

  // [latents] bool
  torch::Tensor dead() const { return rows_seen_ - last_active_ > options_.dead_after; }

  // Gives dead latents a fresh start, without the moments of their past.
  void revive(const StepLoss& result, const torch::Tensor& input) {
    const auto which = dead();
    const auto seed = options_.seed + static_cast<std::uint64_t>(steps_);
    if (!resample(model_, input, result.residual, which, seed)) return;
    last_active_.masked_fill_(which, rows_seen_);
    const auto latents = which.nonzero().flatten();
    for (const auto& parameter : model_.parameters()) {
      if (parameter.is_same(model_.pre_bias)) continue;  // all others have a row a latent
      const auto found = optimizer_.state().find(parameter.unsafeGetTensorImpl());
      if (found == optimizer_.state().end()) continue;  // frozen
      auto& moments = static_cast<torch::optim::AdamWParamState&>(*found->second);
      moments.exp_avg().index_fill_(0, latents, 0);
      moments.exp_avg_sq().index_fill_(0, latents, 0);
    }
  }

  void count(const StepLoss& result, const torch::Tensor& input) {
    const auto rows = input.size(0);
    rows_seen_ += rows;
    ++steps_;
    const double weight = options_.weigh_short_batch && rows < options_.batch_size
                              ? static_cast<double>(options_.batch_size) / static_cast<double>(rows)
                              : 1.0;
    const auto seen = static_cast<double>(rows);
    sums_ += torch::stack({result.loss.detach().to(torch::kFloat64) * (seen * weight),
                           torch::full({}, seen, sums_.options()),
                           (result.reconstruction - input).square().sum().to(torch::kFloat64),
                           input.square().sum().to(torch::kFloat64), result.active.to(torch::kFloat64)});
    last_active_.masked_fill_(result.fired, rows_seen_);
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  torch::optim::AdamW optimizer_;
  torch::Tensor sums_;         ///< [sum_count] float64, since the metrics were last taken
  torch::Tensor last_active_;  ///< [latents] int64, rows seen when last active
  std::int64_t rows_seen_ = 0;
  std::int64_t steps_ = 0;
};

// Options that have no say in a model of that kind.
void check(const models::SparseAutoencoder& model, const TrainOptions& options) {
  if (options.l1 > 0 && std::holds_alternative<models::Matryoshka>(model.activation())) {
    throw std::invalid_argument("l1: a matryoshka model has no L1 loss; its sparsity comes from its levels");
  }
  if (options.l0 > 0 && !std::holds_alternative<models::JumpRelu>(model.activation())) {
    throw std::invalid_argument("l0: is for jump-relu, not for " + models::kind(model.activation()));
  }
  if (options.unit_norm == UnitNorm::before_step && model.options().tied) {
    throw std::invalid_argument(
        "unit_norm: the published order rescales the encoder against the decoder, but " +
        std::string("in a tied model they are one; choose after_step or never"));
  }
}

}  // namespace

std::unique_ptr<Engine> make_autograd_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  options.validate();
  check(model, options);
  return std::make_unique<AutogradEngine>(model, options);
}

}  // namespace msae::train
