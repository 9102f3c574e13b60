#include "msae/train/options.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "data/epoch_order.h"
#include "msae/core/error.h"

namespace msae::train {
namespace {

template <typename Number>
void require(bool holds, const char* field, Number value, const char* expected) {
  if (holds) return;
  std::ostringstream sentence;
  sentence << field << ": must be " << expected << ", not " << value;
  throw std::invalid_argument(sentence.str());
}

// As float32, which is what models are made of.
bool finite(double value) {
  return std::abs(value) <= double{std::numeric_limits<float>::max()};
}

bool share(double value) {
  return value >= 0 && value <= 1;
}

// Constant for int((1 - decay) * epochs) epochs, then towards zero; the published implementation truncates,
// which lets the rate of very short runs rise above the base.
double published_factor(const TrainOptions& options, std::int64_t epoch, std::int64_t epochs) {
  const auto total = static_cast<double>(epochs);
  const auto constant = static_cast<std::int64_t>((1 - options.decay) * total);
  if (epoch < constant) return 1;
  return (total - static_cast<double>(epoch)) / (total - (1 - options.decay) * total);
}

double in_two_digits(double value) {
  const double tens = std::pow(10, 1 - std::floor(std::log10(value)));
  return std::round(value * tens) / tens;
}

std::int64_t usual_batch_size(std::int64_t rows) {
  std::int64_t size = 4096;
  while (size > 32 && size > rows / 10) size /= 2;
  return std::min(size, rows);
}

}  // namespace

void TrainOptions::validate() const {
  require(shuffle_rows >= 0, "shuffle_rows", shuffle_rows, "at least 0");
  if (batch_size) require(*batch_size >= 1, "batch_size", *batch_size, "at least 1");
  require(steps >= 0, "steps", steps, "at least 1 (0: epochs decide)");
  require(steps > 0 || epochs >= 1, "epochs", epochs, "at least 1");
  if (learning_rate) {
    require(*learning_rate > 0 && finite(*learning_rate), "learning_rate", *learning_rate,
            "positive and finite in float32");
  }
  require(share(warmup), "warmup", warmup, "from 0 to 1");
  require(share(decay), "decay", decay, "from 0 to 1");
  require(l1 >= 0 && finite(l1), "l1", l1, "finite in float32 and not negative");
  require(l0 >= 0 && finite(l0), "l0", l0, "finite in float32 and not negative");
  require(auxk >= 0 && finite(auxk), "auxk", auxk, "finite in float32 and not negative");
  require(auxk_latents >= 0, "auxk_latents", auxk_latents, "at least 1 (0: half the dimension)");
  require(resample_every >= 0, "resample_every", resample_every, "at least 1 (0: never)");
  require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "from 0 to below 1");
  if (beta2) require(*beta2 >= 0 && *beta2 < 1, "beta2", *beta2, "from 0 to below 1");
  require(epsilon > 0 && finite(epsilon), "epsilon", epsilon, "positive and finite in float32");
  if (weight_decay) {
    require(*weight_decay >= 0 && finite(*weight_decay), "weight_decay", *weight_decay,
            "finite in float32 and not negative");
  }
  // From there on a step would turn the signs of all weights around.
  if (learning_rate && weight_decay && !(*learning_rate * *weight_decay < 1)) {
    std::ostringstream sentence;
    sentence << "weight_decay: must be below 1 / the learning rate, " << 1 / *learning_rate << ", not "
             << *weight_decay;
    throw std::invalid_argument(sentence.str());
  }
  require(clip >= 0 && finite(clip), "clip", clip, "finite in float32 and not negative (0: no clipping)");
  for (const auto share_of_all :
       {fused.dense_decode, fused.dense_decoder_gradient, fused.dense_encoder_gradient, fused.dense_level}) {
    require(share_of_all >= 0, "fused.dense", share_of_all, "a share, or above 1 for never");
  }
  require(dead_after >= 0, "dead_after", dead_after, "at least 1 (0: one epoch)");
}

TrainOptions TrainOptions::for_data(std::int64_t dim, std::int64_t latents, std::int64_t rows) const {
  validate();
  require(dim >= 1, "dim", dim, "at least 1");
  require(latents >= 1, "latents", latents, "at least 1");
  require(rows >= 1, "rows", rows, "at least 1");
  auto o = *this;
  if (!batch_size) o.batch_size = usual_batch_size(rows);
  if (!learning_rate) o.learning_rate = in_two_digits(5e-3 * std::sqrt(512 / static_cast<double>(dim)));
  const auto per_epoch = static_cast<double>(data::batches_of(rows, *o.batch_size));
  const auto all = steps > 0 ? static_cast<double>(steps) : static_cast<double>(epochs) * per_epoch;
  if (!beta2) o.beta2 = 1 - in_two_digits(std::clamp(16 / all, 0.001, 0.1));
  if (!weight_decay) {
    const double of_all_steps = 10 * std::sqrt(static_cast<double>(latents) / static_cast<double>(rows));
    o.weight_decay = in_two_digits(std::min(0.05, of_all_steps / all) / *o.learning_rate);
  }
  o.validate();
  return o;
}

void TrainOptions::require_complete() const {
  const auto require_value = [](bool has_one, const std::string& field) {
    if (!has_one)
      throw std::invalid_argument(field + ": has no value yet; TrainOptions::for_data() gives one");
  };
  require_value(batch_size.has_value(), "batch_size");
  require_value(beta2.has_value(), "beta2");
  require_value(weight_decay.has_value(), "weight_decay");
}

TrainOptions TrainOptions::published(const models::Activation& activation) {
  TrainOptions options;
  const bool relu = std::holds_alternative<models::Relu>(activation);
  const bool nested = std::holds_alternative<models::Matryoshka>(activation);
  options.batch_size = 4096;
  options.learning_rate = relu ? 5e-5 : nested ? 1e-4 : 5e-4;
  options.l1 = relu ? 0.003 : 0;
  options.warmup = 0;
  options.beta2 = 0.999;
  options.weight_decay = 0;
  options.schedule_by_epoch = true;
  options.weigh_short_batch = false;
  options.unit_norm = UnitNorm::before_step;
  options.scaling = Scaling::published;
  options.published_order = true;
  return options;
}

models::SparseAutoencoderOptions published_model(std::int64_t dim, std::int64_t latents,
                                                 models::Activation activation, std::uint64_t seed) {
  return {.dim = dim,
          .latents = latents,
          .activation = std::move(activation),
          .seed = seed,
          .decoder_norm = 0.1,
          .encoder_norm = 0.1};
}

void set_statistics(models::SparseAutoencoder& model, const data::Statistics& statistics, Scaling scaling,
                    const std::string& name) {
  const auto dim = static_cast<std::int64_t>(statistics.mean.size());
  if (dim != model.dim()) {
    throw std::invalid_argument(name + ": rows have dimension " + std::to_string(dim) +
                                " but the model's is " + std::to_string(model.dim()));
  }
  const double energy = statistics.mean_squared_deviation;
  if (scaling != Scaling::none && !(energy > 0)) {
    throw Error(name + ": all rows are equal, so there is nothing to learn from them; name other data");
  }
  double scale = 1;
  if (scaling == Scaling::published) scale = std::sqrt(static_cast<double>(dim)) / energy;
  if (scaling == Scaling::unit_variance) scale = std::sqrt(static_cast<double>(dim) / energy);
  if (scale < std::numeric_limits<float>::min()) {
    throw Error(name + ": the rows differ too much to be scaled in float32; divide them first");
  }
  if (!finite(scale))
    throw Error(name + ": the rows differ too little to be scaled in float32; multiply them first");
  model.set_statistics(torch::tensor(statistics.mean, torch::kFloat64), scale);
}

double learning_rate(const TrainOptions& options, std::int64_t step, std::int64_t steps,
                     std::int64_t steps_per_epoch) {
  if (options.schedule_by_epoch) {
    const auto epochs = (steps + steps_per_epoch - 1) / steps_per_epoch;
    return *options.learning_rate * published_factor(options, step / steps_per_epoch, epochs);
  }
  const auto total = static_cast<double>(steps), done = static_cast<double>(step);
  const double warm = std::ceil(options.warmup * total);
  double factor = 1;
  if (options.schedule == Schedule::cosine) {
    factor = 0.5 * (1 + std::cos(M_PI * std::max(0.0, done - warm) / std::max(1.0, total - warm)));
  } else {
    factor = options.decay > 0 ? std::min(1.0, (total - done) / (options.decay * total)) : 1;
  }
  if (done < warm) factor *= (done + 1) / (warm + 1);
  return *options.learning_rate * factor;
}

}  // namespace msae::train
