#include "msae/lite/encoder.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "lite/coder.h"
#include "lite/eigen.h"
#include "lite/model.h"
#include "models/row_epsilon.h"

namespace msae::lite {
namespace {

using Row = std::span<const float>;

// Pre-activations held at a time: what a block of rows takes beside its result.
constexpr std::size_t block_elements = 1 << 20;

std::size_t size(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

[[noreturn]] void refuse(const std::string& sentence) {
  throw std::invalid_argument(sentence);
}

void require_finite(Row row, const std::string& name) {
  const auto bad = std::find_if(row.begin(), row.end(), [](float value) { return !std::isfinite(value); });
  if (bad == row.end()) return;
  refuse(name + ": holds NaN or Inf, first at " + std::to_string(bad - row.begin()));
}

void check_row(Row row, std::int64_t dim) {
  if (row.size() != size(dim)) {
    refuse("row: has " + std::to_string(row.size()) + " numbers, but the model takes " + std::to_string(dim));
  }
  require_finite(row, "row");
}

/// \return how many rows of `width` there are
std::size_t count_rows(Row values, std::int64_t width, const std::string& name) {
  if (values.size() % size(width) == 0) return values.size() / size(width);
  refuse(name + ": " + std::to_string(values.size()) + " numbers are no whole rows of " +
         std::to_string(width));
}

Row row_of(Row rows, std::size_t row, std::int64_t width) {
  return rows.subspan(row * size(width), size(width));
}

void check_rows(Row rows, std::int64_t dim) {
  const auto count = count_rows(rows, dim, "rows");
  for (std::size_t i = 0; i < count; ++i) require_finite(row_of(rows, i, dim), "row " + std::to_string(i));
}

struct Moments {
  float mean, deviation;
};

// Of a row without the data's mean.
Moments moments_of(const Model& model, Row row) {
  const auto centred = (vector_of(row) - vector_of(model.mean)).cast<double>();
  const auto mean = centred.mean();
  const auto squares = (centred.array() - mean).square().sum();
  const auto deviation = std::sqrt(squares / static_cast<double>(row.size() - 1));
  return {static_cast<float>(mean), static_cast<float>(deviation)};
}

// A row without the data's mean, standardised where the model does so.
void centre(const Model& model, Row row, std::span<float> out) {
  auto centred = vector_of(out);
  centred = vector_of(row) - vector_of(model.mean);
  if (!model.options.normalise_rows) return;
  const auto moments = moments_of(model, row);
  const auto divisor = model.scale * moments.deviation + static_cast<float>(models::row_epsilon);
  centred = (centred.array() - moments.mean) / divisor;
}

// What the encoder's weights are multiplied by.
void prepare(const Model& model, Row row, std::span<float> out) {
  centre(model, row, out);
  auto input = vector_of(out);
  input = model.gain * (input - vector_of(model.shift));
}

// What the decoder's rows have to add up to, of each row; of none where nobody asks.
std::vector<float> targets_of(const Model& model, const Coder& coder, Row rows) {
  if (!coder.solves()) return {};
  const auto dim = model.options.dim;
  std::vector<float> targets(rows.size());
  for (std::size_t i = 0; i < rows.size() / size(dim); ++i) {
    const auto out = std::span(targets).subspan(i * size(dim), size(dim));
    centre(model, row_of(rows, i, dim), out);
    vector_of(out) -= vector_of(model.decoder_bias) - vector_of(model.mean);
  }
  return targets;
}

auto encoder_of(const Model& model) {
  return matrix_of(model.encoder.empty() ? model.decoder : model.encoder, model.options.dim);
}

// Pre-activations of one row: a dot product a latent reads the weights in the order in which they lie, which
// takes half the time of Eigen's product, whose eight rows at once are eight places of memory.
std::vector<float> pre_activations(const Model& model, Row row) {
  std::vector<float> prepared(row.size()), pre = model.latent_bias;
  prepare(model, row, prepared);
  const auto encoder = encoder_of(model);
  const auto input = vector_of(std::as_const(prepared)).transpose();
  for (std::int64_t i = 0; i < model.options.latents; ++i) pre[size(i)] += encoder.row(i).dot(input);
  return pre;
}

// Finite rows may still be too large for the weights.
void require_finite_latents(Row pre, const std::string& name) {
  if (std::all_of(pre.begin(), pre.end(), [](float value) { return std::isfinite(value); })) return;
  refuse(name + ": its numbers are so large that latents are not finite in float32");
}

// Nor may sums of their squares overflow.
void require_finite_square(Row target, const std::string& name) {
  if (target.empty() || std::isfinite(vector_of(target).squaredNorm())) return;
  refuse(name + ": its numbers are so large that latents are not finite in float32");
}

// Calls work(first, targets, pre) for some rows at a time, with pre their pre-activations [rows, latents].
template <typename Work>
void each_block(const Model& model, const Coder& coder, Row rows, const Work& work) {
  const auto dim = model.options.dim, latents = model.options.latents;
  check_rows(rows, dim);
  const auto count = rows.size() / size(dim);
  const auto step = std::min(count, std::max<std::size_t>(1, block_elements / size(latents)));
  std::vector<float> inputs(step * size(dim)), pre(step * size(latents));
  for (std::size_t first = 0; first < count; first += step) {
    const auto here = std::min(step, count - first);
    for (std::size_t i = 0; i < here; ++i) {
      prepare(model, row_of(rows, first + i, dim), std::span(inputs).subspan(i * size(dim), size(dim)));
    }
    auto products = matrix_of(std::span(pre).first(here * size(latents)), latents);
    products.noalias() = matrix_of(Row(inputs).first(here * size(dim)), dim) * encoder_of(model).transpose();
    products.rowwise() += vector_of(model.latent_bias).transpose();
    const auto targets = targets_of(model, coder, rows.subspan(first * size(dim), here * size(dim)));
    for (std::size_t i = 0; i < here; ++i) {
      const auto name = "row " + std::to_string(first + i);
      require_finite_latents(row_of(pre, i, latents), name);
      if (coder.solves()) require_finite_square(row_of(targets, i, dim), name);
    }
    work(first, targets, Row(pre).first(here * size(latents)));
  }
}

void add_code(const Model& model, std::span<const ActiveLatent> code, std::span<float> out) {
  const auto decoder = matrix_of(model.decoder, model.options.dim);
  for (const auto& [latent, value] : code) {
    if (latent < 0 || latent >= model.options.latents) {
      refuse("latent: must be from 0 to " + std::to_string(model.options.latents - 1) + ", not " +
             std::to_string(latent));
    }
    vector_of(out) += value * decoder.row(latent).transpose();
  }
}

// Gives the mean and deviation of encoded rows [rows, dim] back to decoded ones, where there are such.
void restore(const Model& model, Row rows, std::span<float> decoded) {
  if (!model.options.normalise_rows || rows.empty()) return;
  const auto dim = model.options.dim;
  for (std::size_t i = 0; i < rows.size() / size(dim); ++i) {
    const auto moments = moments_of(model, row_of(rows, i, dim));
    auto out = vector_of(decoded.subspan(i * size(dim), size(dim)));
    const auto mean = vector_of(model.mean);
    out = (model.scale * moments.deviation * (out - mean)).array() + moments.mean + mean.array();
  }
}

// Rows to restore from, if any.
void check_originals(Row rows, std::int64_t dim, std::size_t decoded) {
  if (rows.empty()) return;
  check_rows(rows, dim);
  if (rows.size() == decoded * size(dim)) return;
  refuse("rows: there are " + std::to_string(rows.size() / size(dim)) + ", but latents of " +
         std::to_string(decoded));
}

void check_codes(const SparseRows& codes) {
  const auto& starts = codes.starts;
  if (!starts.empty() && starts.front() == 0 && starts.back() == codes.entries.size() &&
      std::is_sorted(starts.begin(), starts.end())) {
    return;
  }
  refuse("codes: starts must ascend from 0 to the number of entries");
}

}  // namespace

Encoder::Encoder(const std::filesystem::path& folder) : model_(read_model(folder)) {}

std::int64_t Encoder::dim() const {
  return model_->options.dim;
}

std::int64_t Encoder::latents() const {
  return model_->options.latents;
}

const models::Activation& Encoder::activation() const {
  return model_->options.activation;
}

std::int64_t Encoder::level_count() const {
  return models::level_count(activation());
}

std::vector<ActiveLatent> Encoder::encode(Row row, OperatingPoint point, Coding coding) const {
  const Coder coder(*model_, point, coding, 1);
  check_row(row, dim());
  const auto pre = pre_activations(*model_, row), target = targets_of(*model_, coder, row);
  require_finite_latents(pre, "row");
  require_finite_square(target, "row");
  SparseRows codes;
  coder.append(target, pre, codes);
  return std::move(codes.entries);
}

SparseRows Encoder::encode_rows(Row rows, OperatingPoint point, Coding coding) const {
  const Coder coder(*model_, point, coding, count_rows(rows, dim(), "rows"));
  SparseRows codes;
  each_block(*model_, coder, rows,
             [&](std::size_t, Row targets, Row pre) { coder.append(targets, pre, codes); });
  return codes;
}

std::vector<float> Encoder::encode_dense(Row rows, OperatingPoint point, Coding coding) const {
  const auto count = count_rows(rows, dim(), "rows");
  const Coder coder(*model_, point, coding, count);
  std::vector<float> dense(count * size(latents()));
  each_block(*model_, coder, rows, [&](std::size_t first, Row targets, Row pre) {
    SparseRows codes;
    coder.append(targets, pre, codes);
    for (std::size_t i = 0; i < codes.rows(); ++i) {
      for (const auto& [latent, value] : codes[i]) {
        dense[(first + i) * size(latents()) + size(latent)] = value;
      }
    }
  });
  return dense;
}

std::vector<float> Encoder::decode(std::span<const ActiveLatent> code, Row row) const {
  if (!row.empty()) check_row(row, dim());
  auto decoded = model_->decoder_bias;
  add_code(*model_, code, decoded);
  restore(*model_, row, decoded);
  return decoded;
}

std::vector<float> Encoder::decode_rows(const SparseRows& codes, Row rows) const {
  check_codes(codes);
  check_originals(rows, dim(), codes.rows());
  std::vector<float> decoded;
  decoded.reserve(codes.rows() * size(dim()));
  for (std::size_t row = 0; row < codes.rows(); ++row) {
    decoded.insert(decoded.end(), model_->decoder_bias.begin(), model_->decoder_bias.end());
    add_code(*model_, codes[row], std::span(decoded).last(size(dim())));
  }
  restore(*model_, rows, decoded);
  return decoded;
}

std::vector<float> Encoder::decode_dense(Row latents_of_rows, Row rows) const {
  const auto count = count_rows(latents_of_rows, latents(), "latents");
  check_originals(rows, dim(), count);
  std::vector<float> decoded(count * size(dim()));
  auto out = matrix_of(decoded, dim());
  out.noalias() = matrix_of(latents_of_rows, latents()) * matrix_of(model_->decoder, dim());
  out.rowwise() += vector_of(model_->decoder_bias).transpose();
  restore(*model_, rows, decoded);
  return decoded;
}

}  // namespace msae::lite
