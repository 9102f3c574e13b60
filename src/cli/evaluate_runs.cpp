#include "cli/evaluate_runs.h"

#include "cli/data_options.h"
#include "cli/numbers.h"
#include "models/sparse_codes.h"
#include "msae/core/device.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

eval::EvalOptions options_for(const models::SparseAutoencoder& model, const EvaluationArguments& a,
                              const models::Coding& coding) {
  auto options = a.options;
  options.coding = coding;
  if (a.usual_k && a.k.empty()) options.k = usual_ks(model, coding);
  return options;
}

}  // namespace

std::vector<std::int64_t> usual_ks(const models::SparseAutoencoder& model, const models::Coding& coding) {
  std::vector<std::int64_t> ks;
  for (std::int64_t k = 8; k <= 512 && k < model.latents(); k *= 2) {
    if (models::has_candidates(coding, k)) ks.push_back(k);
  }
  return ks;
}

void add_runs(CLI::App& command, EvaluationArguments& a) {
  command.add_option("RUN", a.runs, "Folders of trained models, or .pth and .safetensors files of models")
      ->type_name("FOLDER")
      ->required();
  command.add_option("--data", a.data, "Embeddings to evaluate on (see 'msae --help')")
      ->type_name("DATA")
      ->required();
  command
      .add_option("--k", a.k,
                  std::string("Further operating points: keep the k largest positive latents, e.g. 8,16,32") +
                      (a.usual_k ? "\n[8,16,32,64,128,256,512, those below the model's latents]" : ""))
      ->type_name("K,K,...");
}

void add_ways_to_evaluate(CLI::App& command, EvaluationArguments& a) {
  if (a.several_codes) {
    add_codings(command, a.coding);
  } else {
    add_coding(command, a.coding);
  }
  command.add_flag("--centred", a.options.centred,
                   "Take cosine, NMAE, FVU/row, CKNNA and mono after subtracting the model's mean\n"
                   "[of the original rows]");
  add_whole(command, "--cknna", a.options.cknna_rows,
            "Take CKNNA on ROWS rows, evenly spaced, 11 at least; costs ROWS^2 x latents a\n"
            "point [not taken]")
      ->type_name("ROWS");
  command.add_flag("--monosemanticity", a.options.monosemanticity,
                   "Take the monosemanticity of 'trained' and 'all', which costs rows x latents x dim\n"
                   "[not taken]");
  add_whole(command, "--batch-size", a.options.batch_size,
            "Rows at a time: a matter of memory, not of results")
      ->capture_default_str();
  add_row_options(command, a.read);
  add_holdout(command, a.read, "Evaluate on the share of the rows that 'train --holdout' held out, e.g. 0.1");
  add_device(command, a.common);
  add_common(command, a.common);
}

std::string about_figures() {
  return
      R"(Points: 'trained' is what the model was trained for (relu: all positives, topk: its k; batch-topk, jump-relu,
prefix-matryoshka: above their thresholds; matryoshka: its first level), 'all' keeps every positive latent
(every one that is not zero, where a model's latents may be negative). k is the most latents that a row keeps:
fewer where fewer are positive.
active: mean latents other than zero per row; sparsity: share of zeros; FVU: sum of squared residuals over the
sum of squared deviations from the data's mean; expl.: explained variance, 1 - variance of the residual over
that of the data; FVU/row: the published variant, a mean of per-row ratios; dead: share of latents that no row
activates; CKNNA: whether rows and latents have the same 10 nearest neighbours; mono: mean cosine of the rows
that activate a latent, over all latents. Codes are those of --codes where a row keeps no more latents
than it has coordinates (nor more than --candidates), and the encoder's at wider points; a --k
above --candidates is refused.
)";
}

data::Prepared prepare_to_evaluate(EvaluationArguments& a) {
  apply(a.common);
  if (!a.k.empty()) a.options.k = parse_integers(a.k, "--k");
  codings_of(a.coding);
  a.options.validate();
  resolve_device(a.common.device);
  watch_interrupts();
  return open_data(a.data, a.read, a.common);
}

void evaluate_runs(const EvaluationArguments& a, const data::Prepared& data,
                   const std::function<void(const models::SparseAutoencoder&)>& also_check,
                   const std::function<void(RunReport, const models::SparseAutoencoder&)>& done) {
  const auto device = resolve_device(a.common.device);
  auto& rows = *data.evaluated();
  const auto codings = codings_of(a.coding);
  for (const auto& folder : a.runs) {
    const auto model = io::load(folder, device);
    for (const auto& coding : codings) eval::check(*model, rows, options_for(*model, a, coding));
    if (also_check) also_check(*model);
  }
  for (const auto& folder : a.runs) {
    const auto model = io::load(folder, device);
    say_how_rows_were_read(folder, a.data, a.read, a.common, true);
    for (const auto& coding : codings) {
      done({folder, evaluate_with_bar(*model, rows, options_for(*model, a, coding), a.common)}, *model);
    }
  }
}

std::vector<RunReport> evaluate_runs(const EvaluationArguments& a, const data::Prepared& data) {
  std::vector<RunReport> reports;
  evaluate_runs(a, data, {}, [&](RunReport report, const models::SparseAutoencoder&) {
    reports.push_back(std::move(report));
  });
  return reports;
}

}  // namespace msae::cli
