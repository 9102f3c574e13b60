#include "cli/train_arguments.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "cli/toml.h"

namespace msae::cli {
namespace {

template <typename Value>
void override_with(const std::optional<Value>& given, Value& value) {
  if (given) value = *given;
}

}  // namespace

void refuse_what_does_not_apply(const TrainArguments& a) {
  const auto refuse = [&](const char* option, const char* of) {
    throw DoesNotApply(std::string(option) + ": is for " + of + ", not for --model " + a.model);
  };
  const bool nested = a.model == "matryoshka", topk = a.model == "topk" || a.model == "batch-topk";
  if (a.k && !topk) refuse("--k", "topk and batch-topk");
  if (a.levels != "auto" && !nested) refuse("--levels", "matryoshka");
  if (a.weights != "uniform" && !nested) refuse("--weights", "matryoshka");
  if (a.l1.value_or(0) > 0 && nested) refuse("--l1", "relu, topk and batch-topk");
}

namespace {

std::vector<std::int64_t> nested_levels(const TrainArguments& a, std::int64_t latents) {
  if (a.levels != "auto") return parse_integers(a.levels, "--levels");
  return a.preset == "reference" ? models::doubling_levels(64, latents) : models::default_levels(latents);
}

models::Activation activation(const TrainArguments& a, std::int64_t latents) {
  if (a.model == "relu") return models::Relu{};
  if (a.model == "topk") return models::TopK{a.k.value_or(std::min<std::int64_t>(64, latents))};
  if (a.model == "batch-topk") {
    const std::int64_t k = a.preset == "reference" ? 32 : 64;
    return models::BatchTopK{a.k.value_or(std::min(k, latents))};
  }
  models::Matryoshka nested;
  nested.levels = nested_levels(a, latents);
  if (a.weights == "reverse") {
    nested.weights = models::reverse_weights(nested.levels.size());
  } else if (a.weights == "uniform") {
    nested.weights.assign(nested.levels.size(), 1.0);
  } else {
    nested.weights = parse_numbers(a.weights, "--weights");
  }
  return nested;
}

std::int64_t latents(const TrainArguments& a, std::int64_t dim) {
  if (a.latents) return *a.latents;
  const auto expansion = a.expansion.value_or(8);
  if (expansion < 1 || expansion > 100'000) {
    throw std::invalid_argument("--expansion: must be from 1 to 100000, not " + std::to_string(expansion));
  }
  return expansion * dim;
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
  if (of_file("levels") && other_latents && nested_levels(a, latents).back() > latents) {
    drop("levels", "auto");
    a.levels = "auto";
  }
  const bool is_list = a.weights != "uniform" && a.weights != "reverse";
  if (of_file("weights") && other_levels && is_list &&
      parse_numbers(a.weights, "--weights").size() != nested_levels(a, latents).size()) {
    drop("weights", "uniform");
    a.weights = "uniform";
  }
  if (of_file("batch-size") && !of_file("data") && *a.batch_size > rows) a.batch_size.reset();
}

train::TrainOptions train_options(const TrainArguments& a, const models::Activation& activation) {
  auto o = a.preset == "reference" ? train::TrainOptions::published(activation) : train::TrainOptions{};
  if (a.preset != "reference" && std::holds_alternative<models::Relu>(activation)) o.l1 = 0.003;
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
  override_with(a.clip, o.clip);
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
  if (a.loss) o.loss = *a.loss == "mse" ? train::Loss::mse : train::Loss::nmse;
  o.seed = a.common.seed;
  return o;
}

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

template <typename Number>
std::string joined(const std::vector<Number>& values) {
  std::ostringstream text;
  text.precision(17);
  for (std::size_t i = 0; i < values.size(); ++i) text << (i == 0 ? "" : ",") << values[i];
  return text.str();
}

std::string toml_path(const std::string& option, const std::string& path) {
  try {
    return toml_string(absolute_path(path));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument("--" + option + ": " + error.what());
  }
}

// A seed may be more than a whole number of TOML can.
std::string toml_seed(std::uint64_t seed) {
  const auto text = std::to_string(seed);
  return seed > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ? toml_string(text)
                                                                                     : text;
}

std::string schedule_name(const train::TrainOptions& o) {
  if (o.schedule_by_epoch) return "published";
  return o.schedule == train::Schedule::cosine ? "cosine" : "linear";
}

// Of a length that nobody asked for.
void say_when_steps_are_few(const TrainArguments& a, const train::TrainOptions& o, std::int64_t rows) {
  constexpr std::int64_t few = 200;
  if (a.steps || a.epochs) return;
  const auto steps = o.epochs * ((rows - 1) / o.batch_size + 1);
  if (steps >= few) return;
  say(a.common, "msae: " + std::to_string(steps) + " steps in all are few; a smaller --batch-size, " +
                    std::to_string(std::max<std::int64_t>(32, o.batch_size / 8)) +
                    " say, or more --epochs gives a better model");
}

}  // namespace

TrainPlan plan(TrainArguments a, const data::EmbeddingSource& data) {
  refuse_what_does_not_apply(a);
  TrainPlan p;
  const auto count = latents(a, data.dim());
  if (count < 1) throw std::invalid_argument("--latents: must be at least 1, not " + std::to_string(count));
  let_file_give_way(a, count, data.rows());
  auto kind = activation(a, count);
  p.train = train_options(a, kind);
  p.model =
      a.preset == "reference"
          ? train::published_model(data.dim(), count, std::move(kind), a.common.seed)
          : models::SparseAutoencoderOptions{
                .dim = data.dim(), .latents = count, .activation = std::move(kind), .seed = a.common.seed};
  bool batch_is_lowered = false;
  if (!a.batch_size && p.train.batch_size > data.rows()) {
    p.train.batch_size = data.rows();
    batch_is_lowered = true;
  }
  if (a.log_every < 0) {
    throw std::invalid_argument("--log-every: must be at least 1 (0: about 200 rows in all), not " +
                                std::to_string(a.log_every));
  }
  p.run.folder = a.out;
  p.run.resume = a.resume;
  p.run.log_every = a.log_every;
  parse_save_every(a.save_every, p.run);
  p.run.description = options_toml(a, p);
  p.model.validate();
  p.train.validate();
  if (batch_is_lowered) {
    say(a.common, "msae: the batch is lowered to the " + std::to_string(data.rows()) + " rows there are");
  }
  say_when_steps_are_few(a, p.train, data.rows());
  return p;
}

std::string options_toml(const TrainArguments& a, const TrainPlan& p) {
  const auto& o = p.train;
  std::ostringstream text;
  const auto line = [&](const char* key, const auto& value) { text << key << " = " << value << "\n"; };
  const auto path = [&](const char* key, const std::string& value) { line(key, toml_path(key, value)); };
  text << "# Every option of this run. To repeat it: msae train --config options.toml --out OTHER\n[train]\n";
  path("data", a.data);
  path("out", a.out);
  if (!a.eval.empty()) path("eval", a.eval);
  if (a.read.unit_rows) line("unit-rows", "true");
  if (a.read.skip_bad_rows) line("skip-bad-rows", "true");
  if (a.read.holdout > 0) line("holdout", toml_number(a.read.holdout));
  line("preset", toml_string(a.preset));
  line("model", toml_string(a.model));
  line("latents", p.model.latents);
  if (const auto* topk = std::get_if<models::TopK>(&p.model.activation)) line("k", topk->k);
  if (const auto* batch = std::get_if<models::BatchTopK>(&p.model.activation)) line("k", batch->k);
  if (const auto* nested = std::get_if<models::Matryoshka>(&p.model.activation)) {
    // As typed: 'auto', 'uniform' and 'reverse' also fit other numbers of latents.
    line("levels", toml_string(a.levels) + (a.levels == "auto" ? "  # " + joined(nested->levels) : ""));
    line("weights", toml_string(a.weights));
  }
  o.steps > 0 ? line("steps", o.steps) : line("epochs", o.epochs);
  line("batch-size", o.batch_size);
  line("lr", toml_number(o.learning_rate));
  line("schedule", toml_string(schedule_name(o)));
  line("warmup", toml_number(o.warmup));
  line("decay", toml_number(o.decay));
  line("loss", toml_string(o.loss == train::Loss::mse ? "mse" : "nmse"));
  line("l1", toml_number(o.l1));
  line("clip", toml_number(o.clip));
  line("weight-decay", toml_number(o.weight_decay));
  line("engine", toml_string(a.engine));
  line("seed", toml_seed(a.common.seed));
  line("device", toml_string(a.common.device));
  line("threads", at::get_num_threads());  // sums in another number of threads round otherwise
  line("save-every", toml_string(a.save_every));
  line("log-every", a.log_every);
  return text.str();
}

}  // namespace msae::cli
