#include "cli/train_arguments.h"

#include <algorithm>
#include <stdexcept>

#include "cli/numbers.h"
#include "cli/train_model.h"
#include "data/epoch_order.h"
#include "msae/core/device.h"
#include "msae/data/batch_loader.h"

namespace msae::cli {
namespace {

template <typename Value>
void override_with(const std::optional<Value>& given, Value& value) {
  if (given) value = *given;
}

// A field that is left to the data where nobody names a value.
template <typename Value>
void override_with(const std::optional<Value>& given, std::optional<Value>& value) {
  if (given) value = given;
}

// What a file says for the data, latents and levels of another run, and the user did not type, gives way to
// what was typed.
void let_file_give_way(TrainArguments& a, std::int64_t latents, std::int64_t rows) {
  const auto of_file = [&](const char* name) { return a.from_file.count(name) > 0; };
  const auto drop = [&](const char* name, const std::string& instead) {
    say(a.common, "msae: " + std::string(name) + " of the options file does not fit and becomes " + instead);
  };
  const bool other_latents = (a.latents && !of_file("latents")) || (a.expansion && !of_file("expansion"));
  const bool other_levels = other_latents || (a.levels != "auto" && !of_file("levels"));
  if (of_file("k") && other_latents && *a.k > latents) {
    drop("k", "the default");
    a.k.reset();
  }
  if (of_file("levels") && other_latents && levels_of(a, latents).back() > latents) {
    drop("levels", "auto");
    a.levels = "auto";
  }
  const std::set<std::string> names{"auto", "uniform", "reverse", "trapezoid"};
  const bool is_list = names.count(a.weights) == 0;
  if (of_file("weights") && other_levels && is_list &&
      parse_numbers(a.weights, "--weights").size() != levels_of(a, latents).size()) {
    drop("weights", "auto");
    a.weights = "auto";
  }
  if (of_file("shuffle-rows") && !of_file("data")) a.shuffle_rows = "auto";  // it was for rows in that memory
  if (of_file("batch-size") && !of_file("data") && *a.batch_size > rows) a.batch_size.reset();
}

train::Loss loss(const std::string& name) {
  if (name == "mse") return train::Loss::mse;
  return name == "cosine" ? train::Loss::cosine : train::Loss::nmse;
}

train::UnitNorm unit_norm(const std::string& name) {
  if (name == "never") return train::UnitNorm::never;
  return name == "before-step" ? train::UnitNorm::before_step : train::UnitNorm::after_step;
}

train::EngineKind engine(const std::string& name) {
  if (name == "fused") return train::EngineKind::fused;
  return name == "autograd" ? train::EngineKind::autograd : train::EngineKind::automatic;
}

train::Precision precision(const std::string& name) {
  if (name == "bf16") return train::Precision::bfloat16;
  return name == "tf32" ? train::Precision::tf32 : train::Precision::full;
}

train::FusedOptions fused(const TrainArguments& a) {
  train::FusedOptions o;
  using train::Products;
  o.products = a.products == "torch"      ? Products::torch
               : a.products == "onednn"   ? Products::onednn
               : a.products == "openblas" ? Products::openblas
                                          : Products::automatic;
  o.precision = precision(a.precision);
  override_with(a.dense_decode, o.dense_decode);
  override_with(a.dense_decoder_gradient, o.dense_decoder_gradient);
  override_with(a.dense_encoder_gradient, o.dense_encoder_gradient);
  override_with(a.dense_level, o.dense_level);
  return o;
}

// A preset's, for a model.
train::TrainOptions preset(const TrainArguments& a, const models::SparseAutoencoderOptions& model) {
  const bool jump = std::holds_alternative<models::JumpRelu>(model.activation);
  if (a.preset == "reference") {
    auto o = train::TrainOptions::published(model.activation);
    if (model.tied) o.unit_norm = train::UnitNorm::never;
    if (jump) o.l0 = 0.001;
    return o;
  }
  train::TrainOptions o;
  if (std::holds_alternative<models::Relu>(model.activation)) o.l1 = 0.003;
  if (jump) o.l0 = 0.001;
  return o;
}

}  // namespace

train::TrainOptions train_options(const TrainArguments& a, const models::SparseAutoencoderOptions& model) {
  auto o = preset(a, model);
  override_with(a.epochs, o.epochs);
  if (a.steps && *a.steps < 1) {
    throw std::invalid_argument("--steps: must be at least 1, not " + std::to_string(*a.steps));
  }
  override_with(a.steps, o.steps);
  override_with(a.batch_size, o.batch_size);
  override_with(a.learning_rate, o.learning_rate);
  override_with(a.warmup, o.warmup);
  override_with(a.decay, o.decay);
  override_with(a.l1, o.l1);
  override_with(a.l0, o.l0);
  o.l1_by_norm = !a.plain_l1;
  o.auxk = a.auxk;
  o.auxk_latents = a.auxk_latents;
  o.resample_every = a.resample_every;
  o.median_bias = a.median_bias;
  if (a.unit_norm) o.unit_norm = unit_norm(*a.unit_norm);
  override_with(a.clip, o.clip);
  override_with(a.beta1, o.beta1);
  override_with(a.beta2, o.beta2);
  override_with(a.weight_decay, o.weight_decay);
  if (a.schedule) {
    if (*a.schedule == "published" && a.preset != "reference") {
      throw std::invalid_argument("--schedule: 'published' needs --preset reference");
    }
    o.schedule = *a.schedule == "cosine" ? train::Schedule::cosine : train::Schedule::linear;
    o.schedule_by_epoch = o.schedule_by_epoch && *a.schedule == "published";
  }
  if (o.schedule_by_epoch && o.warmup > 0) {
    throw std::invalid_argument("--warmup: the published schedule has none; add --schedule linear or cosine");
  }
  if (a.loss) o.loss = loss(*a.loss);
  o.seed = a.common.seed;
  o.engine = engine(a.engine);
  o.fused = fused(a);
  return o;
}

namespace {

// "300" is seconds, "500steps" steps.
void parse_save_every(const std::string& text, train::RunOptions& run) {
  const std::string suffix = "steps";
  const bool in_steps =
      text.size() > suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
  const auto number = in_steps ? text.substr(0, text.size() - suffix.size()) : text;
  if (number.empty() || number.size() > 9 || number.find_first_not_of("0123456789") != std::string::npos) {
    throw std::invalid_argument("--save-every: '" + text +
                                "' is neither seconds like 300 nor steps like 500steps");
  }
  run.save_every_seconds = in_steps ? 0 : std::stod(number);
  run.save_every_steps = in_steps ? std::stoll(number) : 0;
}

// Of a length that nobody asked for.
void say_when_steps_are_few(const TrainArguments& a, const train::TrainOptions& o, std::int64_t rows) {
  constexpr std::int64_t few = 200;
  if (a.steps || a.epochs || *o.batch_size <= 32) return;
  const auto steps = o.epochs * data::batches_of(rows, *o.batch_size);
  if (steps >= few) return;
  say(a.common, "msae: " + std::to_string(steps) + " steps in all are few; a smaller --batch-size, " +
                    std::to_string(std::max<std::int64_t>(32, *o.batch_size / 8)) +
                    " say, or more --epochs gives a better model");
}

// "auto" is left to the trainer where rows may stay on a device, and where a run goes on as it began.
std::int64_t parse_shuffle_rows(const TrainArguments& a, const data::EmbeddingSource& data) {
  const auto& text = a.shuffle_rows;
  if (text == "all") return data::all_rows;
  if (text == "auto") {
    const bool on_host = !a.resume && resolve_device(a.common.device).is_cpu();
    return on_host ? data::shuffled_rows(data, parse_size(a.memory, "--memory")) : 0;
  }
  const bool is_number =
      !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
  const auto rows = is_number ? std::stoll(text) : 0;
  if (rows < 1)
    throw std::invalid_argument("--shuffle-rows: must be auto, all or at least 1, not '" + text + "'");
  return rows;
}

}  // namespace

TrainPlan plan(TrainArguments a, const data::EmbeddingSource& data) {
  refuse_what_does_not_apply(a);
  TrainPlan p;
  const auto count = latents_of(a, data.dim());
  let_file_give_way(a, count, data.rows());
  p.model = model_of(a, data.dim(), count);
  p.train = train_options(a, p.model);
  const bool lowers_batch = !a.batch_size && p.train.batch_size > data.rows();  // a preset's
  if (lowers_batch) p.train.batch_size = data.rows();
  if (a.log_every < 0) {
    throw std::invalid_argument("--log-every: must be at least 1 (0: about 200 rows in all), not " +
                                std::to_string(a.log_every));
  }
  p.train.memory = parse_size(a.memory, "--memory");
  p.train.shuffle_rows = parse_shuffle_rows(a, data);
  p.run.folder = a.out;
  p.run.resume = a.resume;
  p.run.log_every = a.log_every;
  parse_save_every(a.save_every, p.run);
  p.model.validate();
  p.train = p.train.for_data(p.model.dim, p.model.latents, data.rows());
  p.run.description = options_toml(a, p);
  if (lowers_batch) {
    say(a.common, "msae: the batch is lowered to the " + std::to_string(data.rows()) + " rows there are");
  }
  say_when_steps_are_few(a, p.train, data.rows());
  return p;
}

}  // namespace msae::cli
