#include "cli/train_arguments.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "cli/data_options.h"

namespace msae::cli {
namespace {

template <typename Value>
void override_with(const std::optional<Value>& given, Value& value) {
  if (given) value = *given;
}

// An option that has no say in the chosen model is a mistake better told than ignored.
void refuse_what_does_not_apply(const TrainArguments& a) {
  const auto refuse = [&](const char* option, const char* of) {
    throw std::invalid_argument(std::string(option) + ": is for " + of + ", not for --model " + a.model);
  };
  const bool nested = a.model == "matryoshka", topk = a.model == "topk" || a.model == "batch-topk";
  if (a.k && !topk) refuse("--k", "topk and batch-topk");
  if (a.levels != "auto" && !nested) refuse("--levels", "matryoshka");
  if (a.weights != "uniform" && !nested) refuse("--weights", "matryoshka");
  if (a.l1.value_or(0) > 0 && nested) refuse("--l1", "relu, topk and batch-topk");
}

models::Activation activation(const TrainArguments& a, std::int64_t latents) {
  if (a.model == "relu") return models::Relu{};
  if (a.model == "topk") return models::TopK{a.k.value_or(64)};
  if (a.model == "batch-topk") return models::BatchTopK{a.k.value_or(a.preset == "reference" ? 32 : 64)};
  models::Matryoshka nested;
  if (a.levels != "auto") {
    nested.levels = parse_integers(a.levels, "--levels");
  } else if (a.preset == "reference") {
    nested.levels = models::doubling_levels(64, latents);
  } else {
    nested.levels = models::default_levels(latents);
  }
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

// So that the run can be repeated from any folder. A DATA with a path inside the file counts as one path;
// "..", which may follow a link, stays as it is.
std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).string();
}

// TOML's literal string where there is something to escape: CLI11 before 2.4 knows no escapes.
std::string quoted(const std::string& text) {
  const char mark = text.find_first_of("\"\\") == std::string::npos ? '"' : '\'';
  return mark + text + mark;
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
  say(a.common, "msae: " + std::to_string(steps) +
                    " steps in all are few; a smaller --batch-size or more --epochs gives a better model");
}

void add_model_options(CLI::App& command, TrainArguments& a) {
  const std::string group = "Model";
  const auto number = [&](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->group(group);
  };
  command
      .add_option("--preset", a.preset, "default, or reference: the published settings, oddities included")
      ->check(CLI::IsMember({"default", "reference"}))
      ->capture_default_str()
      ->group(group);
  command.add_option("--model", a.model, "relu, topk, batch-topk or matryoshka")
      ->check(CLI::IsMember({"relu", "topk", "batch-topk", "matryoshka"}))
      ->capture_default_str()
      ->group(group);
  auto* latent_count = number("--latents", a.latents, "Size of the dictionary");
  number("--expansion", a.expansion, "Size of the dictionary in multiples of the dimension [8]")
      ->excludes(latent_count);
  number("--k", a.k, "topk, batch-topk: latents kept per row [64; reference: batch-topk 32]");
  command
      .add_option("--levels", a.levels,
                  "matryoshka: latents kept per level, e.g. 64,128,256; end it with the number of\n"
                  "latents to train them all too; auto: 8,16,...,512 and all (reference: from 64 on)")
      ->type_name("K,K,...")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--weights", a.weights,
                  "matryoshka: weight of each level's loss: uniform, reverse (the sparsest\n"
                  "weighs most) or a list")
      ->type_name("W,W,...")
      ->capture_default_str()
      ->group(group);
}

void add_training_options(CLI::App& command, TrainArguments& a) {
  const std::string group = "Training (defaults are the default preset's)";
  const auto number = [&](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->group(group);
  };
  auto* epochs = number("--epochs", a.epochs, "Passes over the data [30]");
  number("--steps", a.steps, "Steps, instead of epochs")->excludes(epochs);
  number("--batch-size", a.batch_size, "Rows of a step [4096, or all rows when there are fewer]");
  number("--lr", a.learning_rate,
         "Peak learning rate [0.001; reference: 0.0001 matryoshka, 0.0005 topk, 0.00005 relu]")
      ->group(group);
  command
      .add_option("--schedule", a.schedule,
                  "linear (constant, then to zero), cosine, or published (linear by whole epochs; reference "
                  "only) [linear]")
      ->check(CLI::IsMember({"linear", "cosine", "published"}))
      ->group(group);
  number("--warmup", a.warmup, "Share of the steps over which the rate rises [0.01]");
  number("--decay", a.decay, "Share of the steps over which 'linear' falls [0.2]");
  command.add_option("--loss", a.loss, "nmse (squared error over the row's squared norm) or mse [nmse]")
      ->check(CLI::IsMember({"nmse", "mse"}))
      ->group(group);
  number("--l1", a.l1, "Weight of the L1 loss [0.003 for relu, 0 for the others]");
  number("--clip", a.clip, "Largest norm of all gradients together; 0: no clipping [1]");
  number("--weight-decay", a.weight_decay, "AdamW's weight decay [0]");
  command.add_option("--engine", a.engine, "auto or autograd")
      ->check(CLI::IsMember({"auto", "autograd"}))
      ->capture_default_str()
      ->group(group);
}

}  // namespace

void add_train_options(CLI::App& command, TrainArguments& a) {
  command.add_option("DATA,--data", a.data, "Embeddings to train on (see 'msae --help')")->required();
  command.add_option("--out", a.out, "Folder of the run, new or empty")->type_name("RUN")->required();
  command.add_option("--eval", a.eval, "Embeddings to evaluate on at the end")->type_name("DATA");
  command
      .add_flag("--resume", a.resume,
                "Go on with the run in --out, exactly where it stopped, with its options")
      ->configurable(false);
  add_row_options(command, a.read);
  add_holdout(command, a.read,
              "Share of the rows that is not trained on but evaluated on at the end, e.g. 0.1; the same\n"
              "rows for every run with that share, and for --holdout of eval and encode");
  add_model_options(command, a);
  add_training_options(command, a);
  add_seed(command, a.common, "the initial dictionary and the order of rows");
  add_device(command, a.common);

  command
      .add_option("--save-every", a.save_every,
                  "Save a resumable state every so many seconds ('300') or steps\n"
                  "('500steps'); 0: only at the end")
      ->type_name("TIME")
      ->capture_default_str();
  command.add_option("--log-every", a.log_every, "Steps between rows of metrics.csv [about 200 rows in all]");
  add_common(command, a.common);
}

TrainPlan plan(const TrainArguments& a, const data::EmbeddingSource& data) {
  if (a.out.empty()) throw std::invalid_argument("--out: must name a folder");
  refuse_what_does_not_apply(a);
  TrainPlan p;
  const auto count = latents(a, data.dim());
  if (count < 1) throw std::invalid_argument("--latents: must be at least 1, not " + std::to_string(count));
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
  if (a.log_every < 0) throw std::invalid_argument("--log-every: must not be negative");
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
  text.precision(17);
  const auto line = [&](const char* key, const auto& value) { text << key << " = " << value << "\n"; };
  text << "# Every option of this run. To repeat it: msae train --config options.toml --out OTHER\n[train]\n";
  line("data", quoted(absolute(a.data)));
  line("out", quoted(absolute(a.out)));
  if (!a.eval.empty()) line("eval", quoted(absolute(a.eval)));
  if (a.read.unit_rows) line("unit-rows", "true");
  if (a.read.skip_bad_rows) line("skip-bad-rows", "true");
  if (a.read.holdout > 0) line("holdout", a.read.holdout);
  line("preset", quoted(a.preset));
  line("model", quoted(a.model));
  line("latents", p.model.latents);
  if (const auto* topk = std::get_if<models::TopK>(&p.model.activation)) line("k", topk->k);
  if (const auto* batch = std::get_if<models::BatchTopK>(&p.model.activation)) line("k", batch->k);
  if (const auto* nested = std::get_if<models::Matryoshka>(&p.model.activation)) {
    line("levels", quoted(joined(nested->levels)));
    line("weights", quoted(a.weights));  // as typed: 'uniform' and 'reverse' also fit other levels
  }
  o.steps > 0 ? line("steps", o.steps) : line("epochs", o.epochs);
  line("batch-size", o.batch_size);
  line("lr", o.learning_rate);
  line("schedule", quoted(schedule_name(o)));
  line("warmup", o.warmup);
  line("decay", o.decay);
  line("loss", quoted(o.loss == train::Loss::mse ? "mse" : "nmse"));
  line("l1", o.l1);
  line("clip", o.clip);
  line("weight-decay", o.weight_decay);
  line("engine", quoted(a.engine));
  line("seed", a.common.seed);
  line("device", quoted(a.common.device));
  line("threads", at::get_num_threads());  // sums in another number of threads round otherwise
  line("save-every", quoted(a.save_every));
  line("log-every", a.log_every);
  return text.str();
}

}  // namespace msae::cli
