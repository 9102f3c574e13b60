/// \file
/// Everything that decides what a training run computes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "msae/core/export.h"
#include "msae/data/statistics.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::train {

/// How a reconstruction is judged, in model space.
enum class Loss {
  nmse,   ///< squared error over the row's own squared norm: every row counts alike; see ops::nmse()
  mse,    ///< plain mean squared error
  cosine  ///< (1 - cosine)^2; blind to lengths; see ops::cosine_loss()
};

/// When decoder rows are brought to unit norm. Where they are, what would only change a row's length is taken
/// out of its gradient.
enum class UnitNorm {
  after_step,   ///< the decoder alone
  before_step,  ///< encoder and latent bias multiplied by what decoder rows are divided by (the published
                ///< order)
  never         ///< rows of any length
};

/// What the learning rate does after the warm-up.
enum class Schedule {
  linear,  ///< constant, then linearly to zero over the last `decay` of the steps
  cosine   ///< half a cosine from the peak to zero
};

/// What computes the steps.
enum class EngineKind {
  automatic,  ///< fused where it takes the model and the options, else autograd
  autograd,   ///< LibTorch's autograd: every model, any device
  fused       ///< kernels of our own on the CPU; see fused_obstacle()
};

/// Who multiplies dense matrices for the fused engine. Each has bits of its own.
enum class Products {
  automatic,  ///< openblas or else onednn on AMD processors with AVX-512, torch on all others
  torch,      ///< LibTorch's own: MKL on x86
  onednn,     ///< oneDNN, as LibTorch brings it; float32 alone, torch for float64
  openblas    ///< libopenblas.so.0 of the system
};

/// Of the factors of the fused engine's dense products.
enum class Precision {
  full,      ///< the model's own
  bfloat16,  ///< 8 bits of mantissa, also of the products; sums, weights and moments stay as they are
  tf32       ///< products of 10 bits of mantissa, on CUDA devices alone
};

/// How the fused engine computes, where there is a choice. Thresholds are shares of all pre-activations that
/// are active: above them, dense products over all latents take the place of sums over the active ones. Above
/// 1: never.
struct FusedOptions {
  Products products = Products::automatic;  ///< whose dense products
  Precision precision = Precision::full;    ///< of their factors
  double dense_decode = 0.45;               ///< of the widest level's own latents: its reconstruction
  double dense_decoder_gradient = 0.55;     ///< of the same: its gradients of latents and dictionary
  double dense_encoder_gradient = 0.6;      ///< of all levels' latents
  /// On CUDA: share of all latents that a level adds to a row, from which it is computed by dense products.
  double dense_level = 0.0125;
};

/// How the centred data is scaled, with E = the mean squared norm of the centred rows.
enum class Scaling {
  unit_variance,  ///< sqrt(dim / E): coordinates have unit variance on average
  published,      ///< sqrt(dim) / E, as the published implementation has it
  none            ///< 1
};

/// What a training run computes; the defaults are those of the default preset of `msae train`, which leaves
/// what has no value to the data: see for_data(). "Published" is the implementation of Zaigrajew et al.
/// (arXiv 2502.20578).
struct MSAE_EXPORT TrainOptions {
  std::optional<std::int64_t> batch_size = {};  ///< rows
  std::int64_t epochs = 30;                     ///< passes over the data
  std::int64_t steps = 0;                       ///< when positive, the number of steps instead of epochs

  std::optional<double> learning_rate = {};  ///< at its peak
  Schedule schedule = Schedule::linear;      ///< of the learning rate
  double warmup = 0.05;                      ///< share of the steps over which the rate rises from zero
  double decay = 0.2;                        ///< share of the steps over which `linear` falls to zero
  /// true: the published schedule, constant within an epoch, and a last epoch whose rate is not zero; it has
  /// no warm-up and is always linear.
  bool schedule_by_epoch = false;

  Loss loss = Loss::nmse;  ///< of the reconstruction
  /// Weight of ops::l1(); of use with relu, which has no other source of sparsity. 0.003 is the published
  /// one.
  double l1 = 0;
  bool l1_by_norm = true;  ///< false: ops::plain_l1() in its place
  /// Weight of the mean number of active latents, ops::step_above(); jump-relu alone, whose only source of
  /// sparsity it is.
  double l0 = 0;
  /// Weight of the loss by which latents that are dead learn to explain what the others leave over (AuxK: Gao
  /// et al., arXiv 2406.04093, who use 1/32); 0: none.
  double auxk = 0;
  std::int64_t auxk_latents =
      0;  ///< dead latents a row uses for it; 0: half the dimension, as a power of two
  /// Steps between fresh starts of dead latents, at rows that are badly explained (Bricken et al., "Towards
  /// Monosemanticity", 2023); 0: never.
  std::int64_t resample_every = 0;
  /// A short last batch counts by its rows; false: as much as a full one.
  bool weigh_short_batch = true;

  double beta1 = 0.9;                ///< AdamW's decay of the mean of gradients
  std::optional<double> beta2 = {};  ///< AdamW's decay of the mean of squared gradients
  double epsilon = 6.25e-10;         ///< AdamW's, as published; small beside the gradients of rare latents
  /// AdamW's, times the learning rate a step; decoder rows keep their norm anyhow, and thresholds of
  /// jump-relu do not decay.
  std::optional<double> weight_decay = {};
  double clip = 1.0;  ///< largest norm of all gradients together, as published; 0: no clipping
  UnitNorm unit_norm = UnitNorm::after_step;  ///< of decoder rows

  /// Start pre_bias at the geometric median of the data instead of its mean.
  bool median_bias = false;
  Scaling scaling = Scaling::unit_variance;  ///< of the data, by the Trainer
  /// Row order of the published implementation, which draws from the same generator as its initialisation:
  /// the model's seed decides, not TrainOptions::seed.
  bool published_order = false;
  std::uint64_t seed = 42;  ///< of the order of rows
  /// Rows that are shuffled together: data::all_rows, or so many at a time; decides the order of rows. 0: all
  /// where they fit in `memory` or stay on the device, else as many as fit (data::shuffled_rows()); a run
  /// that is resumed keeps to what it began with.
  std::int64_t shuffle_rows = 0;
  std::uint64_t memory = 0;  ///< bytes that rows may take of the machine's memory; 0: half of what is free
  /// Rows without activity after which a latent counts as dead; 0: one epoch, which the Trainer fills in.
  std::int64_t dead_after = 0;

  /// What computes the steps, to the same numbers but for rounding.
  EngineKind engine = EngineKind::automatic;
  FusedOptions fused = {};  ///< matter to the fused engine alone

  /// Checks every field that has a value.
  /// \throws std::invalid_argument naming the field and the value
  void validate() const;

  /// These options with a value for every field, those that had none in two digits; Trainer::fit() does so
  /// itself. How they were found: examples/default_preset.md.
  /// - batch_size: 4096, or the power of two that is a tenth of the rows or less (32 at least, and no more
  ///   than all rows): a small set wants more steps, not better gradients.
  /// - learning_rate: 0.005 sqrt(512 / dim). A step of AdamW moves every coordinate by about the rate, and a
  ///   row of unit norm by sqrt(dim) times that: the same angle whatever the dimension.
  /// - beta2: the mean of squared gradients remembers a sixteenth of all steps, 10 to 1,000.
  /// - weight_decay: all steps at the full rate together take 10 sqrt(latents / rows), as few rows are easily
  ///   learnt by heart, but no step takes more than a twentieth.
  ///
  /// \param dim     of the model
  /// \param latents of the model
  /// \param rows    of the data
  /// \throws std::invalid_argument as validate(), and where one of these is below 1
  TrainOptions for_data(std::int64_t dim, std::int64_t latents, std::int64_t rows) const;

  /// What an engine needs.
  /// \throws std::invalid_argument naming a field that has no value, of batch_size, beta2 and weight_decay
  void require_complete() const;

  /// The published settings for an activation. The learning rate is 1e-4 for matryoshka, 5e-5 for relu and
  /// 5e-4 for the others, the L1 weight 0.003 for relu; there is no warm-up and no weight decay, and scaling,
  /// schedule, order of rows and unit norms are as published (tied weights, which it cannot train, go with
  /// UnitNorm::never).
  static TrainOptions published(const models::Activation& activation);
};

/// The published initialisation: decoder rows of norm 0.1, encoder equal to the decoder.
MSAE_EXPORT models::SparseAutoencoderOptions published_model(std::int64_t dim, std::int64_t latents,
                                                             models::Activation activation,
                                                             std::uint64_t seed);

/// Fits the model's mean and scale to the data's; Trainer::fit() does so itself.
/// \param model      whose buffers are set
/// \param statistics of the training data
/// \param scaling    what the scale is made from
/// \param name       of the data, for messages
/// \throws std::invalid_argument on another dimension
/// \throws msae::Error when all rows are equal, or as good as equal, so that there is no scale
MSAE_EXPORT void set_statistics(models::SparseAutoencoder& model, const data::Statistics& statistics,
                                Scaling scaling, const std::string& name = "data");

/// The learning rate of a step.
/// \param options         validated, with a learning_rate
/// \param step            from 0
/// \param steps           in all
/// \param steps_per_epoch at least 1; matters to TrainOptions::schedule_by_epoch alone
MSAE_EXPORT double learning_rate(const TrainOptions& options, std::int64_t step, std::int64_t steps,
                                 std::int64_t steps_per_epoch);

}  // namespace msae::train
