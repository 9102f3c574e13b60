#include "benchmarks/gpu/stage_work.h"

#include <algorithm>

namespace msae::gpu_benchmark {
namespace {

constexpr double real = 4;    // bytes of a float
constexpr double wide = 8;    // of a double
constexpr double entry = 8;   // of a latent's value, and where it belongs
constexpr double number = 4;  // of a count

// The arrays that stages hand on, in bytes, and what they have to multiply.
struct Arrays {
  double rows, dim, latents, levels;
  double matrices = 0, lists = 0;  // levels of each kind; of lists those that have entries
  double entries = 0;              // in lists

  double inputs;       // [rows, dim], as factors
  double targets;      // the same as floats
  double pre;          // [rows, latents] floats
  double latents_of;   // [rows, latents] factors, of one matrix
  double slots;        // [rows, latents] bytes
  double dictionary;   // [latents, dim] factors, encoder or decoder
  double parameters;   // the same as floats, or a gradient of it
  double product = 0;  // flops of [rows, latents] with [latents, dim]

  explicit Arrays(const StepSize& size)
      : rows(static_cast<double>(size.rows)),
        dim(static_cast<double>((size.dim + 7) / 8 * 8)),  // rows are padded to whole groups of eight
        latents(static_cast<double>(size.latents)),
        levels(static_cast<double>(size.levels.size())) {
    for (const auto& level : size.levels) {
      if (level.dense) {
        matrices += 1;
      } else if (level.kept > 0) {
        lists += 1;
        entries += static_cast<double>(level.kept);
      }
    }
    const auto factor = static_cast<double>(size.factor_bytes);
    const auto padded_latents = static_cast<double>((size.latents + 7) / 8 * 8);
    inputs = factor * rows * dim;
    targets = real * rows * dim;
    pre = real * rows * padded_latents;
    latents_of = factor * rows * padded_latents;
    slots = rows * padded_latents;
    dictionary = factor * latents * dim;
    parameters = real * latents * dim;
    product = 2 * rows * latents * dim;
  }
};

// Reads the batch; writes it as float and as factors, and each row's square, which are then counted.
StageWork prepare(const Arrays& a) {
  return {.bytes = 2 * a.targets + a.inputs + 2 * wide * a.rows};
}

// Reads input and encoder, writes the pre-activations.
StageWork encoder_product(const Arrays& a) {
  return {.bytes = a.inputs + a.dictionary + a.pre, .product_flops = a.product};
}

// Reads the pre-activations and the bias once; writes a matrix for each level that is one, with the level of
// every latent if there are any, the lists, where each level begins in them, and how many it keeps.
StageWork select(const Arrays& a) {
  return {.bytes = a.pre + real * a.latents + a.matrices * a.latents_of + (a.matrices > 0 ? a.slots : 0) +
                   entry * a.entries + number * a.rows * (2 * a.levels + 1)};
}

// Reads the matrices and the decoder, writes what each matrix adds to the reconstructions.
StageWork decoder_product(const Arrays& a) {
  return {.bytes = a.matrices * a.latents_of + a.dictionary + a.matrices * a.targets,
          .product_flops = a.matrices * a.product};
}

// Reads what matrices add, the target, the lists, and the decoder if there are any; writes the gradient of
// every level that adds something, and three sums a row.
StageWork decode(const Arrays& a) {
  return {.bytes = a.matrices * a.targets + a.targets + entry * a.entries +
                   (a.entries > 0 ? a.dictionary : 0) + (a.matrices + a.lists) * a.inputs + 3 * wide * a.rows,
          .other_flops = 2 * a.entries * a.dim,
          .gathered = a.entries * a.inputs / a.rows};
}

// Reads the gradients of levels that are matrices, the decoder and the level of every latent; writes the
// gradient of every pre-activation. The product goes from one kernel to the next within the stage.
StageWork dense_latents(const Arrays& a) {
  return {.bytes = a.matrices * a.inputs + a.dictionary + a.slots + a.latents_of,
          .product_flops = a.matrices * a.product};
}

// Reads the matrices and the gradients of their levels, writes the decoder's gradient.
StageWork dense_decoder(const Arrays& a) {
  return {.bytes = a.matrices * (a.latents_of + a.inputs) + a.parameters,
          .product_flops = a.matrices * a.product};
}

// Reads the lists, writes them in another order, and where each latent begins. Before it, gradients of
// pre-activations become 0 where lists alone are to fill a matrix of them.
StageWork columns(const Arrays& a, const StepSize& size) {
  return {.bytes = 2 * entry * a.entries + number * a.latents +
                   (size.dense_encoder && a.matrices == 0 ? a.latents_of : 0)};
}

// Reads the lists, the decoder and the gradients of the levels that are lists; writes the decoder's gradient,
// or adds to that of the matrices. Then either writes the gradient of each entry's pre-activation, or reads
// the input and writes the encoder's gradient and the latents' biases'.
StageWork list_gradients(const Arrays& a, const StepSize& size) {
  StageWork work{.bytes = entry * a.entries + a.dictionary + a.lists * a.inputs +
                          (a.matrices > 0 ? 2 : 1) * a.parameters,
                 .other_flops = 4 * a.entries * a.dim,
                 .gathered = a.entries * a.inputs / a.rows};
  if (size.dense_encoder) {
    work.bytes += static_cast<double>(size.factor_bytes) * a.entries;
  } else {
    work.bytes += a.inputs + a.parameters + real * a.latents;
    work.other_flops += 2 * a.entries * a.dim;
    work.gathered *= 2;
  }
  return work;
}

// Reads the gradients of the pre-activations and the input, writes the encoder's gradient.
StageWork dense_encoder(const Arrays& a) {
  return {.bytes = a.latents_of + a.inputs + a.parameters, .product_flops = a.product};
}

// Reads the gradients of the pre-activations where they are a matrix, the gradient of the first level, and
// the encoder; reads and writes the latents' biases' gradient.
StageWork biases(const Arrays& a, const StepSize& size) {
  return {.bytes = (size.dense_encoder ? a.latents_of + real * a.latents : 0) + a.inputs + a.dictionary +
                   real * a.latents};
}

// For each matrix reads the gradient, reads and writes the parameter and two moments, and writes the factors
// of the next step where those are not the parameters. The pass before, which the norm of all gradients has
// to wait for, reads both gradients and the decoder, and writes the decoder's gradient.
StageWork optimiser(const Arrays& a, const StepSize& size) {
  const bool writes_factors = size.factor_bytes != 4 || size.dim % 8 != 0;
  return {.bytes = (2 * 7 + 4) * a.parameters + (writes_factors ? 2 * a.dictionary : 0)};
}

// Reads two sums a row, what each level keeps, and which latents have been active.
StageWork counters(const Arrays& a) {
  return {.bytes = 2 * wide * a.rows + number * a.rows * a.levels + number * a.latents};
}

}  // namespace

std::optional<StageWork> stage_work(std::string_view stage, const StepSize& size) {
  const Arrays a(size);
  if (stage == "prepare") return prepare(a);
  if (stage == "encoder product") return encoder_product(a);
  if (stage == "select") return select(a);
  if (stage == "decoder product") return decoder_product(a);
  if (stage == "decode") return decode(a);
  if (stage == "ds, dense") return dense_latents(a);
  if (stage == "dW, dense") return dense_decoder(a);
  if (stage == "columns") return columns(a, size);
  if (stage == "ds + dW + dV, lists") return list_gradients(a, size);
  if (stage == "dV, dense") return dense_encoder(a);
  if (stage == "biases") return biases(a, size);
  if (stage == "optimiser") return optimiser(a, size);
  if (stage == "counters") return counters(a);
  return {};
}

double floor_ms(const StageWork& work, const DeviceRates& rates) {
  return 1e3 * std::max({work.bytes / rates.bytes, work.product_flops / rates.product_flops,
                         work.other_flops / rates.other_flops});
}

double gather_ms(const StageWork& work, const DeviceRates& rates) {
  return 1e3 * work.gathered / rates.cache_bytes;
}

std::vector<double> expected_kept(const std::vector<std::int64_t>& keep, double positive) {
  std::vector<double> kept;
  double before = 0;
  for (const auto k : keep) {
    const auto upto = std::min(static_cast<double>(k), positive);
    kept.push_back(upto - before);
    before = upto;
  }
  return kept;
}

}  // namespace msae::gpu_benchmark
