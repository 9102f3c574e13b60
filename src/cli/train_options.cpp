#include "cli/data_options.h"
#include "cli/numbers.h"
#include "cli/train_arguments.h"

namespace msae::cli {
namespace {

void add_choice(CLI::App& command, const std::string& group, const char* name, std::string& value,
                const char* text, const std::vector<std::string>& choices) {
  command.add_option(name, value, text)
      ->type_name("NAME")
      ->check(CLI::IsMember(choices))
      ->capture_default_str()
      ->group(group);
}

void add_choice(CLI::App& command, const std::string& group, const char* name,
                std::optional<std::string>& value, const char* text,
                const std::vector<std::string>& choices) {
  command.add_option(name, value, text)->type_name("NAME")->check(CLI::IsMember(choices))->group(group);
}

void add_model_options(CLI::App& command, TrainArguments& a) {
  const std::string group = "Model";
  add_choice(command, group, "--preset", a.preset,
             "default, or reference: the published settings, oddities included", {"default", "reference"});
  add_choice(command, group, "--model", a.model, "What decides which latents are active",
             {"relu", "topk", "batch-topk", "matryoshka", "jump-relu", "prefix-matryoshka"});
  auto* latents = add_whole(command, "--latents", a.latents, "Size of the dictionary [8 x dimension]");
  latents->group(group);
  add_whole(command, "--expansion", a.expansion, "Size of the dictionary in multiples of the dimension [8]")
      ->excludes(latents)
      ->group(group);
  add_whole(command, "--k", a.k,
            "topk, batch-topk, prefix-matryoshka: latents kept per row [64; reference: batch-topk 32]")
      ->group(group);
  command
      .add_option("--levels", a.levels,
                  "matryoshka: latents kept per level, e.g. 64,128,256; end it with the number of\n"
                  "latents to train them all too; auto: 8,16,...,512 (reference: 64,128,... and all);\n"
                  "prefix-matryoshka: sizes of the nested dictionaries; auto: 1/8, 1/4, 1/2, all")
      ->type_name("auto|K,K,...")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--weights", a.weights,
                  "matryoshka, prefix-matryoshka: weight of each level's loss: uniform, reverse\n"
                  "(the first weighs most), trapezoid (the mean over log k: of levels that double, the\n"
                  "first and the last count half) or a list; auto: trapezoid for matryoshka, uniform for\n"
                  "prefix-matryoshka and --preset reference")
      ->type_name("auto|uniform|reverse|trapezoid|W,W,...")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--batch-levels", a.batch_levels,
                "matryoshka: levels keep so many latents per row on average over a batch, and have\n"
                "thresholds at inference, as batch-topk [so many of every row]")
      ->group(group);
  add_real(command, "--threshold", a.threshold,
           "jump-relu: threshold of every latent at the start, in units of pre-activations [0.1]")
      ->group(group);
  add_real(command, "--bandwidth", a.bandwidth,
           "jump-relu: width around a threshold from which it learns, in units of pre-activations [0.1]")
      ->group(group);
  add_choice(command, group, "--ranking", a.ranking,
             "Which pre-activations become latents: the largest positive ones; by value, negative\n"
             "ones too; or by magnitude, sign kept",
             {"positive", "value", "magnitude"});
  add_real(command, "--soft-cap", a.soft_cap, "Size c that latents cannot exceed: c tanh(z / c); 0: none")
      ->capture_default_str()
      ->group(group);
  command.add_flag("--tied", a.tied, "One matrix for encoder and decoder")->group(group);
  command
      .add_flag("--normalise-rows", a.normalise_rows,
                "Bring every row to mean 0 and deviation 1 across its coordinates before it is encoded")
      ->group(group);
}

void add_training_options(CLI::App& command, TrainArguments& a) {
  const std::string group = "Training (defaults are the default preset's)";
  const auto whole = [&](const char* name, std::optional<std::int64_t>& value, const char* text) {
    return add_whole(command, name, value, text)->group(group);
  };
  const auto real = [&](const char* name, std::optional<double>& value, const char* text) {
    add_real(command, name, value, text)->group(group);
  };
  auto* epochs = whole("--epochs", a.epochs, "Passes over the data [30]");
  whole("--steps", a.steps, "Steps, instead of epochs")->excludes(epochs);
  whole("--batch-size", a.batch_size,
        "Rows of a step [4096, or the power of two that is a tenth of the rows; reference: 4096]");
  real("--lr", a.learning_rate,
       "Peak learning rate [0.11 / sqrt(dimension), 0.005 for 512; reference: 0.0001 matryoshka,\n0.0005 "
       "topk, 0.00005 relu]");
  add_choice(command, group, "--schedule", a.schedule,
             "linear (constant, then to zero), cosine, or published (linear by whole epochs;\n"
             "reference only) [linear]",
             {"linear", "cosine", "published"});
  real("--warmup", a.warmup,
       "Share of the steps, from 0 to 1, over which the rate rises [0.05; reference: 0]");
  real("--decay", a.decay, "Share of the steps, from 0 to 1, over which 'linear' falls [0.2]");
  add_choice(command, group, "--loss", a.loss,
             "nmse (squared error over the row's squared norm), mse, or cosine [nmse]",
             {"nmse", "mse", "cosine"});
  real("--l1", a.l1, "Weight of the L1 loss [0.003 for relu, 0 for the others]");
  command.add_flag("--plain-l1", a.plain_l1, "Do not divide the L1 loss by the row's norm")->group(group);
  real("--l0", a.l0, "jump-relu: weight of the number of active latents [0.001]");
  add_real(command, "--auxk", a.auxk,
           "Weight of the loss by which dead latents explain what others leave over (AuxK), e.g.\n"
           "0.03125; 0: none")
      ->capture_default_str()
      ->group(group);
  add_whole(command, "--auxk-latents", a.auxk_latents,
            "Dead latents a row uses for it [half the dimension, as a power of two]", 1)
      ->group(group);
  add_whole(command, "--resample-every", a.resample_every,
            "Steps between fresh starts of dead latents at badly explained rows [never]", 1)
      ->group(group);
  command
      .add_flag("--median-bias", a.median_bias,
                "Start the pre-encoder bias at the data's geometric median [its mean]")
      ->group(group);
  add_choice(command, group, "--unit-norm", a.unit_norm,
             "When decoder rows are brought to unit norm: after-step, before-step (encoder\n"
             "rescaled, the published order) or never [after-step]",
             {"after-step", "before-step", "never"});
  real("--clip", a.clip, "Largest norm of all gradients together; 0: no clipping [1]");
  real("--beta1", a.beta1, "AdamW's decay of the mean of gradients [0.9]");
  real("--beta2", a.beta2,
       "AdamW's decay of the mean of squared gradients [1 - 16 / steps, from 0.9 to 0.999;\nreference: "
       "0.999]");
  real("--weight-decay", a.weight_decay,
       "AdamW's weight decay, below 1 / lr [10 sqrt(latents / rows) / (lr steps); reference: 0]");
}

}  // namespace

void add_fused_options(CLI::App& command, TrainArguments& a, const std::string& group) {
  add_choice(command, group, "--products", a.products,
             "fused: whose dense products; auto: openblas or else onednn on AMD, torch on others",
             {"auto", "torch", "onednn", "openblas"});
  add_choice(command, group, "--precision", a.precision,
             "fused: of the factors of dense products; bf16 rounds them to 8 bits, tf32, of GPUs\n"
             "alone, to 10",
             {"full", "tf32", "bf16"});
  const auto share = [&](const char* name, std::optional<double>& value, const char* text) {
    add_real(command, name, value, text)->group(group);
  };
  share("--dense-decode", a.dense_decode,
        "fused: share of latents active at the widest level alone from which it is\n"
        "reconstructed by a dense product; above 1: never [0.45]");
  share("--dense-decoder-gradient", a.dense_decoder_gradient, "fused: the same for its gradients [0.55]");
  share("--dense-encoder-gradient", a.dense_encoder_gradient,
        "fused: the same for the encoder's gradient, of all active latents [0.6]");
  share("--dense-level", a.dense_level,
        "on a GPU: share of all latents that a level adds to a row, from which it is computed\n"
        "by dense products [0.0125]");
}

void add_train_options(CLI::App& command, TrainArguments& a) {
  command
      .add_option("DATA,--data", a.data,
                  "Embeddings to train on (see 'msae --help'); those of the run with --resume")
      ->type_name("FILE:/PATH")
      ->required();
  command.add_option("--out", a.out, "Folder of the run, new or empty")->type_name("RUN")->required();
  auto* eval =
      command.add_option("--eval", a.eval, "Embeddings to evaluate on at the end")->type_name("DATA");
  command
      .add_flag("--resume", a.resume,
                "Go on with the run in --out, exactly where it stopped, with its options")
      ->configurable(false);
  command
      .add_option("--save-every", a.save_every,
                  "Save a resumable state every so many seconds ('300') or steps\n"
                  "('500steps'); 0: only at the end")
      ->type_name("TIME")
      ->capture_default_str();
  add_whole(command, "--log-every", a.log_every,
            "Steps between rows of metrics.csv; 0: about 200 rows in all [0]");
  add_size(command, "--memory", a.memory,
           "Memory that rows may take, e.g. 8GB. Where they do not all fit, a part of them is\n"
           "shuffled at a time, which must have room for 262144; auto: half of what is free");
  command
      .add_option("--shuffle-rows", a.shuffle_rows,
                  "Rows that are shuffled together: all, so many at a time, or auto: as --memory allows")
      ->type_name("auto|all|N")
      ->capture_default_str();
  add_row_options(command, a.read);
  add_holdout(command, a.read,
              "Share of the rows that is not trained on but evaluated on at the end, e.g. 0.1; the same\n"
              "rows for every run with that share, and for --holdout of eval and encode")
      ->excludes(eval);
  // Written into RUN/options.toml, and of use in such a file alone.
  command.add_option("--by-default", a.by_default)->group("");
  add_model_options(command, a);
  add_training_options(command, a);
  const char* engine = "Engine (changes numbers by rounding only)";
  add_choice(command, engine, "--engine", a.engine,
             "What computes the steps: fused (all levels in one pass, on the CPU), autograd (of\n"
             "LibTorch), or auto, fused where it knows the model and the options",
             {"auto", "autograd", "fused"});
  add_fused_options(command, a, engine);
  add_common(command, a.common);
  add_seed(command, a.common, "the initial dictionary and the order of rows");
  add_device(command, a.common);
}

}  // namespace msae::cli
