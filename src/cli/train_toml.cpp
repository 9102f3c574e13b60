#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/toml.h"
#include "cli/train_arguments.h"
#include "cli/train_model.h"
#include "msae/data/batch_loader.h"

namespace msae::cli {
namespace {

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

std::string loss_name(train::Loss loss) {
  if (loss == train::Loss::cosine) return "cosine";
  return loss == train::Loss::mse ? "mse" : "nmse";
}

std::string unit_norm_name(train::UnitNorm when) {
  if (when == train::UnitNorm::never) return "never";
  return when == train::UnitNorm::before_step ? "before-step" : "after-step";
}

// What the kind of model has of its own.
struct ActivationLines {
  std::ostream& out;
  const TrainArguments& a;

  void operator()(const models::Relu&) const {}
  void operator()(const models::TopK& topk) const { out << "k = " << topk.k << "\n"; }
  void operator()(const models::BatchTopK& batch) const { out << "k = " << batch.k << "\n"; }
  void operator()(const models::Matryoshka& nested) const {
    levels(nested.levels);
    if (nested.batch) out << "batch-levels = true\n";
  }
  void operator()(const models::JumpRelu& jump) const {
    out << "threshold = " << toml_number(jump.threshold) << "\n";
    out << "bandwidth = " << toml_number(jump.bandwidth) << "\n";
  }
  void operator()(const models::PrefixMatryoshka& nested) const {
    out << "k = " << nested.k << "\n";
    levels(nested.sizes);
  }

  // As typed: 'auto' and names of weights also fit other numbers of latents.
  void levels(const std::vector<std::int64_t>& values) const {
    out << "levels = " << toml_string(a.levels) << (a.levels == "auto" ? "  # " + joined(values) : "")
        << "\n";
    out << "weights = " << toml_string(a.weights) << "\n";
  }
};

void add_model_lines(std::ostream& out, const TrainArguments& a,
                     const models::SparseAutoencoderOptions& model) {
  std::visit(ActivationLines{out, a}, model.activation);
  out << "ranking = " << toml_string(models::ranking_name(model.ranking)) << "\n";
  out << "soft-cap = " << toml_number(model.soft_cap) << "\n";
  if (model.tied) out << "tied = true\n";
  if (model.normalise_rows) out << "normalise-rows = true\n";
}

// Those that this call, or the one whose file it goes by, left to the preset and the data.
std::string by_default(const TrainArguments& a, const models::SparseAutoencoderOptions& model) {
  const auto before = CLI::detail::split(a.by_default, ',');
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, bool is_given) {
    const bool was_none = std::find(before.begin(), before.end(), name) != before.end();
    if (!is_given || (was_none && a.from_file.count(name) > 0)) names.push_back(name);
  };
  const auto& kind = model.activation;
  const bool keeps_k = std::holds_alternative<models::TopK>(kind) ||
                       std::holds_alternative<models::BatchTopK>(kind) ||
                       std::holds_alternative<models::PrefixMatryoshka>(kind);
  if (keeps_k) add("k", a.k.has_value());
  add("batch-size", a.batch_size.has_value());
  add("lr", a.learning_rate.has_value());
  add("beta2", a.beta2.has_value());
  add("weight-decay", a.weight_decay.has_value());
  return CLI::detail::join(names, ",");
}

}  // namespace

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
  add_model_lines(text, a, p.model);
  o.steps > 0 ? line("steps", o.steps) : line("epochs", o.epochs);
  line("batch-size", *o.batch_size);
  line("lr", toml_number(*o.learning_rate));
  line("schedule", toml_string(schedule_name(o)));
  line("warmup", toml_number(o.warmup));
  line("decay", toml_number(o.decay));
  line("loss", toml_string(loss_name(o.loss)));
  line("l1", toml_number(o.l1));
  if (!o.l1_by_norm) line("plain-l1", "true");
  if (std::holds_alternative<models::JumpRelu>(p.model.activation)) line("l0", toml_number(o.l0));
  line("auxk", toml_number(o.auxk));
  if (o.auxk_latents > 0) line("auxk-latents", o.auxk_latents);
  if (o.resample_every > 0) line("resample-every", o.resample_every);
  if (o.median_bias) line("median-bias", "true");
  line("unit-norm", toml_string(unit_norm_name(o.unit_norm)));
  line("clip", toml_number(o.clip));
  line("beta1", toml_number(o.beta1));
  line("beta2", toml_number(*o.beta2));
  line("weight-decay", toml_number(*o.weight_decay));
  // Beside other data, latents or steps, `msae train --config` chooses them anew.
  if (const auto names = by_default(a, p.model); !names.empty()) line("by-default", toml_string(names));
  line("engine", toml_string(a.engine));
  line("products", toml_string(a.products));
  line("precision", toml_string(a.precision));
  line("dense-decode", toml_number(o.fused.dense_decode));
  line("dense-decoder-gradient", toml_number(o.fused.dense_decoder_gradient));
  line("dense-encoder-gradient", toml_number(o.fused.dense_encoder_gradient));
  // Newer than runs that are without it.
  if (o.fused.dense_level != train::FusedOptions().dense_level)
    line("dense-level", toml_number(o.fused.dense_level));
  line("memory", toml_string(a.memory));
  if (o.shuffle_rows > 0) {
    line("shuffle-rows", o.shuffle_rows == data::all_rows ? "\"all\"" : std::to_string(o.shuffle_rows));
  }
  line("seed", toml_seed(a.common.seed));
  line("device", toml_string(a.common.device));
  line("threads", at::get_num_threads());  // sums in another number of threads round otherwise
  line("save-every", toml_string(a.save_every));
  line("log-every", a.log_every);
  return text.str();
}

}  // namespace msae::cli
