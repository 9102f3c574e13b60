#include "kernels/cpu/step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

#include "kernels/cpu/backward.h"
#include "kernels/cpu/columns.h"
#include "kernels/cpu/decode.h"
#include "kernels/cpu/dense.h"

namespace msae::kernels {
namespace {

using Clock = std::chrono::steady_clock;

// Latents whose dense rows are worked on at a time.
constexpr std::int64_t strip_latents = 256;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::int64_t tiles(std::int64_t latents) {
  return (latents + tile_latents - 1) / tile_latents;
}

// Rows of one dense product: many enough to be fast, few enough for many threads.
std::int64_t block_rows(std::int64_t rows) {
  constexpr std::int64_t blocks = 16, most_chunks = 8;
  const auto share = (rows / blocks + chunk_rows - 1) / chunk_rows * chunk_rows;
  return std::clamp(share, chunk_rows, most_chunks * chunk_rows);
}

template <typename Parts>
std::int64_t bytes_of(const Parts& parts) {
  std::int64_t bytes = 0;
  for (const auto& part : parts) bytes += part.bytes();
  return bytes;
}

}  // namespace

std::string_view name_of(Stage stage) {
  constexpr std::string_view names[] = {"prepare", "encoder product", "select", "decode",
                                        "columns", "ds + dW",         "dV"};
  return names[static_cast<std::size_t>(stage)];
}

template <typename T>
struct NestedStep<T>::Worker {
  Worker(std::int64_t latents, T soft_cap)
      : selector(latents, tile_latents, soft_cap), whole_rows(latents, latents, T{0}) {}

  Selector<T> selector;
  Selector<T> whole_rows;  ///< of entries that are not cut yet
  Buffer<T> pre;           ///< [rows of a block, latents]
  Buffer<T> sums;          ///< [tile, slice_width]
  std::vector<std::uint64_t> histogram;
  std::vector<T> smallest;
  std::vector<Cut<T>> cuts;
  std::int64_t most = 0;  ///< positive pre-activations of a row
  double product_milliseconds = 0, select_milliseconds = 0;
};

// Where a level ends in a batch: of values equal to `key`, those before (row, end).
template <typename T>
struct NestedStep<T>::BatchCut {
  typename Cut<T>::Key key;
  std::int64_t row;
  std::uint32_t end;

  Cut<T> of(std::int64_t other_row) const {
    if (other_row == row) return {key, end};
    return {key, other_row < row ? std::numeric_limits<std::uint32_t>::max() : 0};
  }
};

template <typename T>
NestedStep<T>::NestedStep(std::int64_t latents, std::int64_t dim, StepOptions options, Product<T> product,
                          const Executor& executor)
    : latents_(latents),
      dim_(dim),
      options_(std::move(options)),
      product_(std::move(product)),
      executor_(executor) {
  check_levels(options_, max_levels - 1);
  fired_.reserve(latents);
}

template <typename T>
NestedStep<T>::~NestedStep() = default;

template <typename T>
StepReport NestedStep<T>::run(const Matrix<const T>& batch, double factor,
                              const Parameters<const T>& parameters, const std::uint8_t* dead,
                              const Parameters<T>& gradients) {
  milliseconds_ = {};
  while (static_cast<int>(workers_.size()) < executor_.workers()) {
    workers_.emplace_back(latents_, static_cast<T>(options_.soft_cap));
  }
  auxiliary_ = options_.auxk > 0 && dead && std::any_of(dead, dead + latents_, [](auto d) { return d != 0; });
  const auto timed = [&](Stage stage, const auto& work) {
    const auto start = Clock::now();
    work();
    milliseconds_[static_cast<std::size_t>(stage)] += milliseconds_since(start);
  };
  timed(Stage::prepare, [&] { prepare(batch, parameters); });
  select(parameters, dead);
  timed(Stage::select, [&] {
    if (options_.over_batch) cut_batch();
    join_levels();
    choose_dense();
  });
  timed(Stage::decode, [&] {
    weigh_rows(factor);
    decode_levels(parameters);
    if (auxiliary_) decode_auxiliary(factor);
  });
  timed(Stage::columns, [&] { sort_columns(); });
  timed(Stage::decoder_gradient, [&] { decoder_gradients(parameters, gradients); });
  timed(Stage::encoder_gradient, [&] { encoder_gradients(parameters, gradients); });
  return report();
}

template <typename T>
void NestedStep<T>::for_chunks(const std::function<void(std::int64_t, Worker&)>& work) {
  executor_.run(chunks(), [&](std::int64_t chunk, int worker) {
    work(chunk, workers_[static_cast<std::size_t>(worker)]);
  });
}

template <typename T>
void NestedStep<T>::for_latents(const std::function<void(std::int64_t, std::int64_t, Worker&)>& work) {
  run_shares(executor_, latents_, tile_latents, [&](std::int64_t first, std::int64_t last, int worker) {
    work(first, last, workers_[static_cast<std::size_t>(worker)]);
  });
}

// The same rows together whatever the executor, as bits of a product may depend on how many there are.
template <typename T>
void NestedStep<T>::for_blocks(const std::function<void(std::int64_t, std::int64_t, Worker&)>& work) {
  const auto size = block_rows(rows());
  executor_.run((rows() + size - 1) / size, [&](std::int64_t block, int worker) {
    work(block * size, std::min((block + 1) * size, rows()), workers_[static_cast<std::size_t>(worker)]);
  });
}

template <typename T>
void NestedStep<T>::for_strips(const std::function<void(std::int64_t, std::int64_t, Worker&)>& work) {
  executor_.run((latents_ + strip_latents - 1) / strip_latents, [&](std::int64_t strip, int worker) {
    work(strip * strip_latents, std::min((strip + 1) * strip_latents, latents_),
         workers_[static_cast<std::size_t>(worker)]);
  });
}

template <typename T>
void NestedStep<T>::prepare(const Matrix<const T>& batch, const Parameters<const T>& parameters) {
  const auto count = batch.rows;
  input_.reserve(count * dim_);
  centred_.resize(count, dim_);
  dictionary_.resize(latents_, dim_);
  square_.resize(static_cast<std::size_t>(count));
  entries_.resize(static_cast<std::size_t>(chunks()));
  spare_.resize(entries_.size());
  auxiliary_entries_.resize(entries_.size());
  columns_.resize(entries_.size());
  for_chunks([&](std::int64_t chunk, Worker&) {
    const auto first = chunk * chunk_rows, last = std::min(first + chunk_rows, count);
    for (auto b = first; b < last; ++b) {
      const auto* from = batch.row(b);
      auto* to = input_.data() + b * dim_;
      double square = 0;
      for (std::int64_t d = 0; d < dim_; ++d) {
        square += static_cast<double>(from[d]) * static_cast<double>(from[d]);
        to[d] = from[d] - parameters.pre_bias[d];
      }
      square_[static_cast<std::size_t>(b)] = square;
    }
    pack<T>({input_.data(), count, dim_, dim_}, first, last, centred_);
  });
  for_latents([&](std::int64_t first, std::int64_t last, Worker&) {
    pack<T>(parameters.decoder, first, last, dictionary_);
  });
  // For every worker that may have a block, or latents: which of them do is chance.
  const auto blocks = static_cast<std::size_t>((count + block_rows(count) - 1) / block_rows(count));
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    if (w < blocks) workers_[w].pre.reserve(block_rows(count) * latents_);
    workers_[w].sums.reserve(std::min(latents_, tile_latents) * slice_width<T>);
  }
  counted_ = std::count_if(square_.begin(), square_.end(), [](double s) { return s > 0; });
}

template <typename T>
void NestedStep<T>::select(const Parameters<const T>& parameters, const std::uint8_t* dead) {
  for (auto& worker : workers_) {
    worker.most = 0;
    worker.product_milliseconds = worker.select_milliseconds = 0;
    worker.smallest.assign(options_.levels.size(), std::numeric_limits<T>::infinity());
    worker.histogram.assign(options_.over_batch ? Selector<T>::bins : 0, 0);
  }
  const auto by_encoder = product_.by(true, latents_, dim_, parameters.encoder.data);
  for_blocks([&](std::int64_t first, std::int64_t last, Worker& worker) {
    select_block(first, last, by_encoder, parameters.latent_bias, dead, worker);
  });
  // Both share their threads: a stage's time is what it would have taken alone.
  const auto blocks = (rows() + block_rows(rows()) - 1) / block_rows(rows());
  const auto threads = static_cast<double>(std::clamp<std::int64_t>(blocks, 1, executor_.workers()));
  for (const auto& worker : workers_) {
    milliseconds_[static_cast<std::size_t>(Stage::product)] += worker.product_milliseconds / threads;
    milliseconds_[static_cast<std::size_t>(Stage::select)] += worker.select_milliseconds / threads;
  }
}

template <typename T>
void NestedStep<T>::select_block(std::int64_t first, std::int64_t last, const TimesMatrix<T>& by_encoder,
                                 const T* latent_bias, const std::uint8_t* dead, Worker& worker) {
  const auto start = Clock::now();
  by_encoder(last - first, input_.data() + first * dim_, worker.pre.data());
  worker.product_milliseconds += milliseconds_since(start);
  const auto selecting = Clock::now();
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  for (auto b = first; b < last; ++b) {
    const auto chunk = static_cast<std::size_t>(b / chunk_rows);
    if (b % chunk_rows == 0) {
      if (options_.over_batch) {
        spare_[chunk].clear(1);
      } else {
        entries_[chunk].clear(tiles(latents_) * levels);
      }
      if (auxiliary_) auxiliary_entries_[chunk].clear(tiles(latents_));
    }
    auto& selector = options_.over_batch ? worker.whole_rows : worker.selector;
    const auto* pre = worker.pre.data() + (b - first) * latents_;
    selector.read(pre, latent_bias);
    worker.most = std::max(worker.most, selector.count());
    if (options_.over_batch) {
      selector.add_to(worker.histogram);
      selector.append({}, 1, spare_[chunk]);
    } else {
      selector.append(selector.cuts(options_.levels), levels, entries_[chunk]);
    }
    if (auxiliary_) {
      const std::int64_t keep[] = {options_.auxk_latents};
      worker.selector.read(pre, latent_bias);
      worker.selector.leave_out(dead);
      worker.selector.append(worker.selector.cuts(keep), 1, auxiliary_entries_[chunk]);
    }
  }
  worker.select_milliseconds += milliseconds_since(selecting);
}

// Cuts all rows of a batch at once.
template <typename T>
void NestedStep<T>::cut_batch() {
  auto& histogram = workers_[0].histogram;
  for (std::size_t w = 1; w < workers_.size(); ++w) {
    std::transform(histogram.begin(), histogram.end(), workers_[w].histogram.begin(), histogram.begin(),
                   std::plus<>());
  }
  const auto total = std::accumulate(histogram.begin(), histogram.end(), std::uint64_t{0});
  std::vector<BatchCut> cuts;
  auto bin = static_cast<std::int64_t>(histogram.size()) - 1;
  std::uint64_t above = 0;
  for (const auto k : options_.levels) {
    const auto keep = static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>(rows());
    if (keep >= total) break;
    while (above + histogram[static_cast<std::size_t>(bin)] < keep) {
      above += histogram[static_cast<std::size_t>(bin--)];
    }
    cuts.push_back(cut_in_bin(bin, static_cast<std::int64_t>(keep - above)));
  }
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  for_chunks([&](std::int64_t c, Worker& worker) {
    auto &from = spare_[static_cast<std::size_t>(c)], &to = entries_[static_cast<std::size_t>(c)];
    to.clear(tiles(latents_) * levels);
    for (std::int64_t i = 0; i < from.rows; ++i) {
      worker.cuts.clear();
      for (const auto& cut : cuts) worker.cuts.push_back(cut.of(c * chunk_rows + i));
      worker.selector.read(from, i);
      worker.selector.append(worker.cuts, levels, to, worker.smallest.data());
    }
  });
}

// The cut that keeps `keep` values of a bin, those of all bins above it aside.
template <typename T>
typename NestedStep<T>::BatchCut NestedStep<T>::cut_in_bin(std::int64_t bin, std::int64_t keep) {
  if (keep == 0) return {~typename Cut<T>::Key{0}, 0, 0};
  std::vector<std::vector<Cut<T>>> found(entries_.size());  // [chunk], the row in the chunk in front
  std::vector<std::vector<std::int64_t>> row_of(entries_.size());
  for_chunks([&](std::int64_t c, Worker& worker) {
    const auto chunk = static_cast<std::size_t>(c);
    for (std::int64_t i = 0; i < spare_[chunk].rows; ++i) {
      worker.whole_rows.read(spare_[chunk], i);
      worker.whole_rows.collect(bin, found[chunk]);
      row_of[chunk].resize(found[chunk].size(), c * chunk_rows + i);
    }
  });
  // In the order of (row, latent): a number stands for both.
  std::vector<Cut<T>> candidates;
  std::vector<std::pair<std::int64_t, std::uint32_t>> places;
  for (std::size_t c = 0; c < found.size(); ++c) {
    for (std::size_t i = 0; i < found[c].size(); ++i) {
      candidates.push_back({found[c][i].key, static_cast<std::uint32_t>(places.size())});
      places.emplace_back(row_of[c][i], found[c][i].end);
    }
  }
  const auto cut = cut_among(candidates, keep);
  const auto& [row, latent] = places[cut.end - 1];
  return {cut.key, row, latent + 1};
}

// Levels that keep every positive pre-activation of the batch reconstruct alike: they become one.
template <typename T>
void NestedStep<T>::join_levels() {
  std::int64_t most = 0;
  for (const auto& worker : workers_) most = std::max(most, worker.most);
  if (options_.over_batch) {
    const auto& histogram = workers_[0].histogram;
    const auto total = std::accumulate(histogram.begin(), histogram.end(), std::uint64_t{0});
    most = static_cast<std::int64_t>((total + static_cast<std::uint64_t>(rows()) - 1) /
                                     static_cast<std::uint64_t>(rows()));
  }
  const auto& levels = options_.levels;
  const auto narrow = std::lower_bound(levels.begin(), levels.end(), most) - levels.begin();
  used_ = std::min(narrow + 1, static_cast<std::int64_t>(levels.size()));
  level_weight_.reserve(used_);
  for (std::int64_t l = 0; l < used_; ++l) {
    const auto from = options_.weights.begin() + l;
    const auto weight = l + 1 < used_ ? *from : std::accumulate(from, options_.weights.end(), 0.0);
    level_weight_[l] = static_cast<T>(weight);
  }
}

template <typename T>
void NestedStep<T>::weigh_rows(double factor) {
  const auto count = static_cast<double>(rows()), counted = static_cast<double>(counted_);
  row_weight_.reserve(rows());
  row_l1_.reserve(rows());
  for (std::int64_t b = 0; b < rows(); ++b) {
    const auto square = square_[static_cast<std::size_t>(b)];
    const auto by_square = square > 0 ? 1 / (counted * square) : 0;
    const auto by_norm = square > 0 ? 1 / (counted * std::sqrt(square)) : 0;
    const auto mean = 1 / (count * static_cast<double>(dim_));
    row_weight_[b] = static_cast<T>(2 * factor * (options_.squared ? mean : by_square));
    row_l1_[b] = static_cast<T>(factor * options_.l1 * (options_.l1_by_norm ? by_norm : 1 / count));
  }
}

// The counts are the same for any number of threads, and so is the choice.
template <typename T>
void NestedStep<T>::choose_dense() {
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  std::int64_t widest = 0, all = 0;
  for (const auto& chunk : entries_) {
    all += chunk.count();
    for (auto run = used_ - 1; run < chunk.rows * chunk.runs_per_row; run += levels) {
      widest += chunk.run[run + 1] - chunk.run[run];
    }
  }
  const auto of_all = static_cast<double>(rows()) * static_cast<double>(latents_);
  const auto share = static_cast<double>(widest) / of_all;
  dense_decode_ = share >= options_.dense.decode;
  dense_decoder_gradient_ = share >= options_.dense.decoder_gradient;
  dense_encoder_gradient_ = static_cast<double>(all) / of_all >= options_.dense.encoder_gradient;
  if (dense_decode_ || dense_decoder_gradient_) wide_.reserve(rows() * dim_);
  if (!dense_decoder_gradient_ && !dense_encoder_gradient_) return;
  // For every worker that may have a strip: which of them do is chance.
  const auto strips = static_cast<std::size_t>((latents_ + strip_latents - 1) / strip_latents);
  for (std::size_t w = 0; w < std::min(strips, workers_.size()); ++w) {
    workers_[w].pre.reserve(std::min(strip_latents, latents_) * rows());
  }
}

template <typename T>
void NestedStep<T>::sum_wide_level(const Parameters<const T>& parameters) {
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  const auto by_decoder = product_.by(false, dim_, latents_, parameters.decoder.data);
  for_blocks([&](std::int64_t first, std::int64_t last, Worker& worker) {
    const auto chunk = static_cast<std::size_t>(first / chunk_rows);
    const auto count = static_cast<std::size_t>((last - first + chunk_rows - 1) / chunk_rows);
    const std::span<const ChunkEntries<T>> chunks(entries_);
    to_dense_rows(chunks.subspan(chunk, count), levels, used_ - 1, latents_, worker.pre.data());
    by_decoder(last - first, worker.pre.data(), wide_.data() + first * dim_);
  });
}

template <typename T>
void NestedStep<T>::decode_levels(const Parameters<const T>& parameters) {
  if (dense_decode_) sum_wide_level(parameters);
  gradient_.resize(rows() * slots(), dim_);
  error_.assign(static_cast<std::size_t>(rows() * used_), 0.0);
  const Decode<T> work{.chunks = entries_,
                       .levels = static_cast<std::int64_t>(options_.levels.size()),
                       .used = used_,
                       .decoder = &dictionary_,
                       .tile = tile_latents,
                       .target = &centred_,
                       .weight = level_weight_.data(),
                       .row_weight = row_weight_.data(),
                       .slots = slots(),
                       .gradient = &gradient_,
                       .error = error_.data(),
                       .widest = dense_decode_ ? wide_.data() : nullptr};
  for_chunk_ranges([&](std::int64_t first, std::int64_t last) { decode(work, first, last); });
}

template <typename T>
void NestedStep<T>::for_chunk_ranges(const std::function<void(std::int64_t, std::int64_t)>& work) {
  const auto pieces = std::min(chunks(), 2 * std::int64_t{executor_.workers()});
  executor_.run(pieces, [&](std::int64_t piece, int) {
    work(piece * chunks() / pieces, (piece + 1) * chunks() / pieces);
  });
}

template <typename T>
void NestedStep<T>::decode_auxiliary(double factor) {
  auxiliary_error_.assign(static_cast<std::size_t>(rows()), 0.0);
  const auto widest = [&](std::int64_t b) { return error_[static_cast<std::size_t>((b + 1) * used_ - 1)]; };
  double counted = 0;
  for (std::int64_t b = 0; b < rows(); ++b) counted += widest(b) > 0 ? 1 : 0;
  auxiliary_weight_.reserve(rows());
  for (std::int64_t b = 0; b < rows(); ++b) {
    const auto weight = widest(b) > 0 ? 2 * factor * options_.auxk / (counted * widest(b)) : 0;
    auxiliary_weight_[b] = static_cast<T>(weight);
  }
  const DecodeAuxiliary<T> work{.chunks = auxiliary_entries_,
                                .decoder = &dictionary_,
                                .tile = tile_latents,
                                .row_weight = auxiliary_weight_.data(),
                                .slots = slots(),
                                .gradient = &gradient_,
                                .error = auxiliary_error_.data()};
  for_chunk_ranges([&](std::int64_t first, std::int64_t last) { decode(work, first, last); });
}

template <typename T>
void NestedStep<T>::sort_columns() {
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  wide_columns_.resize(entries_.size());
  for_chunks([&](std::int64_t c, Worker&) {
    const auto chunk = static_cast<std::size_t>(c);
    const auto sparse = dense_decoder_gradient_ ? used_ - 1 : levels;
    const LevelledEntries<T> parts[] = {{&entries_[chunk], levels, 0, 0, sparse},
                                        {&auxiliary_entries_[chunk], 1, used_}};
    to_columns(std::span(parts, auxiliary_ ? 2 : 1), latents_, columns_[chunk]);
    if (!dense_decoder_gradient_) return;
    const LevelledEntries<T> widest[] = {{&entries_[chunk], levels, 0, used_ - 1, used_}};
    to_columns(std::span<const LevelledEntries<T>>(widest), latents_, wide_columns_[chunk]);
  });
  std::fill_n(fired_.data(), latents_, std::uint8_t{0});
  for (std::size_t c = 0; c < entries_.size(); ++c) {
    if (auxiliary_) {  // whose entries are among the columns
      const auto count = entries_[c].count();
      for (std::int64_t i = 0; i < count; ++i) fired_[entries_[c].latent[i]] = 1;
    } else {
      const auto* begin = columns_[c].begin.data();
      for (std::int64_t j = 0; j < latents_; ++j) fired_[j] |= begin[j + 1] > begin[j] ? 1 : 0;
      if (!dense_decoder_gradient_) continue;
      begin = wide_columns_[c].begin.data();
      for (std::int64_t j = 0; j < latents_; ++j) fired_[j] |= begin[j + 1] > begin[j] ? 1 : 0;
    }
  }
}

// ds and dW of the widest level, for all latents.
template <typename T>
void NestedStep<T>::wide_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients) {
  const auto by_transpose = product_.by(true, latents_, dim_, parameters.decoder.data);
  for_blocks([&](std::int64_t first, std::int64_t last, Worker& worker) {
    unpack(gradient_, slots(), used_ - 1, first, last, wide_.data() + first * dim_);
    by_transpose(last - first, wide_.data() + first * dim_, worker.pre.data());
    for (auto row = first; row < last; row += chunk_rows) {
      take_gradients(worker.pre.data() + (row - first) * latents_, latents_,
                     wide_columns_[static_cast<std::size_t>(row / chunk_rows)]);
    }
  });
  const auto by_gradient = product_.by(false, dim_, rows(), wide_.data());
  for_strips([&](std::int64_t first, std::int64_t last, Worker& worker) {
    std::fill_n(worker.pre.data(), (last - first) * rows(), T{0});
    add_to_dense_columns(std::span<const ChunkColumns<T>>(wide_columns_), false, first, last, rows(),
                         worker.pre.data());
    by_gradient(last - first, worker.pre.data(), gradients.decoder.row(first));
  });
}

template <typename T>
void NestedStep<T>::decoder_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients) {
  if (dense_decoder_gradient_) wide_gradients(parameters, gradients);
  const DecoderBackward<T> work{.chunks = columns_,
                                .decoder = &dictionary_,
                                .gradient = &gradient_,
                                .slots = slots(),
                                .decoder_gradient = gradients.decoder,
                                .adds = dense_decoder_gradient_};
  const Slope<T> slope{.chunks = columns_,
                       .row_l1 = options_.l1 > 0 ? row_l1_.data() : nullptr,
                       .soft_cap = static_cast<T>(options_.soft_cap),
                       .latent_bias_gradient = gradients.latent_bias};
  auto wide_slope = slope;
  wide_slope.chunks = wide_columns_;
  wide_slope.adds = true;
  for_latents([&](std::int64_t first, std::int64_t last, Worker& worker) {
    worker.sums.reserve((last - first) * slice_width<T>);
    backward(work, first, last, worker.sums.data());
    backward(slope, first, last);
    if (dense_decoder_gradient_) backward(wide_slope, first, last);
  });
}

template <typename T>
void NestedStep<T>::dense_encoder_gradients(const Parameters<T>& gradients) {
  const auto by_input = product_.by(false, dim_, rows(), input_.data());
  for_strips([&](std::int64_t first, std::int64_t last, Worker& worker) {
    std::fill_n(worker.pre.data(), (last - first) * rows(), T{0});
    for (const auto* columns : {&columns_, &wide_columns_}) {
      if (columns == &wide_columns_ && !dense_decoder_gradient_) continue;
      add_to_dense_columns(std::span<const ChunkColumns<T>>(*columns), true, first, last, rows(),
                           worker.pre.data());
    }
    by_input(last - first, worker.pre.data(), gradients.encoder.row(first));
  });
}

template <typename T>
void NestedStep<T>::encoder_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients) {
  if (dense_encoder_gradient_) {
    dense_encoder_gradients(gradients);
  } else {
    const EncoderBackward<T> work{
        .chunks = columns_, .input = &centred_, .encoder_gradient = gradients.encoder};
    const EncoderBackward<T> wide{
        .chunks = wide_columns_, .input = &centred_, .encoder_gradient = gradients.encoder, .adds = true};
    for_latents([&](std::int64_t first, std::int64_t last, Worker& worker) {
      worker.sums.reserve((last - first) * slice_width<T>);
      backward(work, first, last, worker.sums.data());
      if (dense_decoder_gradient_) backward(wide, first, last, worker.sums.data());
    });
  }
  // pre_bias stands on both sides: it is taken from the input and added to the reconstructions.
  executor_.run(centred_.slices(), [&](std::int64_t slice, int) {
    const auto first = slice * slice_width<T>, width = centred_.width(slice);
    auto* sums = gradients.pre_bias + first;
    sum_rows(gradient_, slots(), 0, slice, sums);
    for (std::int64_t j = 0; j < latents_; ++j) {
      const auto* row = parameters.encoder.row(j) + first;
      const auto gradient = gradients.latent_bias[j];
      for (std::int64_t d = 0; d < width; ++d) sums[d] -= gradient * row[d];
    }
  });
}

template <typename T>
StepReport NestedStep<T>::report() const {
  StepReport report;
  report.levels = used_;
  double auxiliary = 0;
  for (std::int64_t b = 0; b < rows(); ++b) {
    const auto* error = error_.data() + b * used_;
    double level_errors = 0;
    for (std::int64_t l = 0; l < used_; ++l) level_errors += static_cast<double>(level_weight_[l]) * error[l];
    report.loss += level_errors * static_cast<double>(row_weight_[b]) / 2;
    report.residual += error[0];
    report.deviation += square_[static_cast<std::size_t>(b)];
    if (auxiliary_) {
      auxiliary +=
          auxiliary_error_[static_cast<std::size_t>(b)] * static_cast<double>(auxiliary_weight_[b]) / 2;
    }
  }
  report.loss += auxiliary;
  const auto levels = static_cast<std::int64_t>(options_.levels.size());
  for (std::size_t c = 0; c < entries_.size(); ++c) {
    const auto& chunk = entries_[c];
    report.entries += chunk.count();
    for (std::int64_t run = 0; run < chunk.rows * chunk.runs_per_row; run += levels) {
      report.active += chunk.run[run + 1] - chunk.run[run];
    }
    for (std::int64_t row = 0; options_.l1 > 0 && row < chunk.rows; ++row) {
      double sum = 0;
      for (auto i = chunk.row_begin(row); i < chunk.row_begin(row + 1); ++i) sum += chunk.value[i];
      report.loss += sum * static_cast<double>(row_l1_[static_cast<std::int64_t>(c) * chunk_rows + row]);
    }
  }
  if (options_.over_batch) {
    double smallest = std::numeric_limits<double>::infinity();
    for (std::size_t l = 0; l < options_.levels.size(); ++l) {
      for (const auto& worker : workers_)
        smallest = std::min(smallest, static_cast<double>(worker.smallest[l]));
      report.smallest.push_back(smallest);
    }
  }
  return report;
}

template <typename T>
std::vector<std::pair<std::string_view, std::int64_t>> NestedStep<T>::memory() const {
  std::int64_t pre = 0, working = 0;
  for (const auto& worker : workers_) {
    pre += worker.pre.bytes();
    working += worker.sums.bytes() + worker.selector.bytes() + worker.whole_rows.bytes();
  }
  return {{"pre-activations of the blocks at work", pre},
          {"entries by row", bytes_of(entries_) + bytes_of(spare_) + bytes_of(auxiliary_entries_)},
          {"entries by latent", bytes_of(columns_) + bytes_of(wide_columns_)},
          {"widest level, dense", wide_.bytes()},
          {"gradients of reconstructions", gradient_.bytes()},
          {"input", input_.bytes() + centred_.bytes()},
          {"decoder in slices", dictionary_.bytes()},
          {"room to work", working}};
}

template class NestedStep<float>;
template class NestedStep<double>;

}  // namespace msae::kernels
