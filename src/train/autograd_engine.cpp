#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include "msae/train/engine.h"
#include "train/resampling.h"
#include "train/saved_tensor.h"
#include "train/step_counters.h"
#include "train/step_loss.h"

namespace msae::train {
namespace {

class AutogradEngine final : public Engine {
 public:
  AutogradEngine(models::SparseAutoencoder& model, const TrainOptions& options)
      : model_(model),
        options_(options),
        optimizer_(parameter_groups(model, options)),
        counters_(model, options) {}

  void step(const torch::Tensor& batch, double learning_rate) override {
    optimizer_.zero_grad();
    const auto input = model_.normalise(batch);
    const auto result =
        step_loss(model_, input, options_, options_.auxk > 0 ? counters_.dead() : torch::Tensor());
    result.loss.backward();
    {
      const torch::NoGradGuard no_grad;
      if (options_.unit_norm == UnitNorm::before_step) rescale_rows_and_encoder();
      if (options_.unit_norm != UnitNorm::never) project_decoder_gradient();
      if (options_.clip > 0) torch::nn::utils::clip_grad_norm_(parameters(), options_.clip);
    }
    for (auto& group : optimizer_.param_groups()) group.options().set_lr(learning_rate);
    optimizer_.step();
    const torch::NoGradGuard no_grad;
    if (options_.unit_norm == UnitNorm::after_step) {
      model_.decoder.div_(model_.decoder.norm(2, 1, true).clamp_min_(epsilon_of(model_.decoder)));
    }
    if (result.smallest_kept.defined()) follow_threshold(model_, result.smallest_kept, counters_.steps());
    count(result, input);
    if (options_.resample_every > 0 && counters_.steps() % options_.resample_every == 0)
      revive(result, input);
  }

  StepMetrics take_metrics() override { return counters_.take(); }

  TensorMap state() const override {
    TensorMap state;
    counters_.save(state);
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
    counters_.restore(state);
    if (counters_.steps() == 0) return;
    for (const auto& parameter : model_.named_parameters()) {
      const auto& value = parameter.value();
      auto moments = std::make_unique<torch::optim::AdamWParamState>();
      moments->step(counters_.steps());
      const auto moment = [&](const char* order) {
        return saved_tensor(state, "adam." + parameter.key() + order, value).to(value.device()).clone();
      };
      moments->exp_avg(moment(".first"));
      moments->exp_avg_sq(moment(".second"));
      optimizer_.state()[value.unsafeGetTensorImpl()] = std::move(moments);
    }
  }

 private:
  // Thresholds are learnt as logarithms: zero is no place to decay to.
  static std::vector<torch::optim::OptimizerParamGroup> parameter_groups(
      const models::SparseAutoencoder& model, const TrainOptions& options) {
    const auto group = [&](std::vector<torch::Tensor> parameters, double weight_decay) {
      auto adam = std::make_unique<torch::optim::AdamWOptions>(0);  // each step has a rate of its own
      adam->betas({options.beta1, *options.beta2}).eps(options.epsilon).weight_decay(weight_decay);
      return torch::optim::OptimizerParamGroup(std::move(parameters), std::move(adam));
    };
    std::vector<torch::Tensor> decaying;
    for (const auto& parameter : model.parameters()) {
      if (!parameter.is_same(model.log_threshold)) decaying.push_back(parameter);
    }
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.push_back(group(std::move(decaying), *options.weight_decay));
    if (model.log_threshold.defined()) groups.push_back(group({model.log_threshold}, 0));
    return groups;
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

  // Gives dead latents a fresh start, without the moments of their past.
  void revive(const StepLoss& result, const torch::Tensor& input) {
    const auto which = counters_.dead();
    const auto seed = options_.seed + static_cast<std::uint64_t>(counters_.steps());
    if (!resample(model_, input, result.residual, which, seed)) return;
    counters_.revive(which);
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
    const auto sums =
        torch::stack({result.loss.detach().to(torch::kFloat64),
                      (result.reconstruction - input).square().sum().to(torch::kFloat64),
                      input.square().sum().to(torch::kFloat64), result.active.to(torch::kFloat64)});
    counters_.add(input.size(0), sums, result.fired);
  }

  models::SparseAutoencoder& model_;
  TrainOptions options_;
  torch::optim::AdamW optimizer_;
  StepCounters counters_;
};

}  // namespace

std::unique_ptr<Engine> make_autograd_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  check(model, options);
  return std::make_unique<AutogradEngine>(model, options);
}

}  // namespace msae::train
