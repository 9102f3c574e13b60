#include "kernels/cuda/step.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "kernels/cuda/backward.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/prepare.h"

namespace msae::kernels::cuda {
namespace {

// Of what products of gradients with the dictionary take. Of less, a device's second cache would hold all;
// but products of fewer rows cost more than that saves.
constexpr std::int64_t product_bytes = std::int64_t{96} << 20;
constexpr std::int64_t least_product_rows = 256;

void validate(int latents, int dim, const StepOptions& options) {
  check_levels(options, max_levels);
  if (dim < 1 || dim > most_dimensions) {
    throw std::invalid_argument("dim: must be from 1 to " + std::to_string(most_dimensions) + ", not " +
                                std::to_string(dim));
  }
  if (latents < 1) throw std::invalid_argument("latents: must be at least 1");
}

// Latents that a level adds to those before, of so many.
std::int64_t own(const std::vector<std::int64_t>& levels, std::size_t level, std::int64_t of) {
  return std::min(levels[level], of) - (level > 0 ? std::min(levels[level - 1], of) : 0);
}

}  // namespace

template <typename F>
NestedStep<F>::NestedStep(int latents, int dim, StepOptions options, UpdateOptions update,
                          const Products<F>& products, Allocate allocate)
    : latents_(latents),
      dim_(dim),
      options_(std::move(options)),
      update_(update),
      products_(products),
      allocate_(std::move(allocate)) {
  validate(latents, dim, options_);
  options_.auxk_latents = std::min<std::int64_t>(options_.auxk_latents, latents);
}

template <typename F>
DenseLevels NestedStep<F>::choose_dense(const std::vector<double>& kept) const {
  DenseLevels dense;
  for (std::size_t l = 0; l < options_.levels.size(); ++l) {
    const auto expected =
        kept.empty() ? static_cast<double>(own(options_.levels, l, (latents_ + 1) / 2)) : kept[l];
    dense.push_back(expected >= options_.dense.level * latents_);
  }
  return dense;
}

// A gradient for all latents and rows costs as much as sums over so many of them.
template <typename F>
bool NestedStep<F>::encoder_is_dense(const DenseLevels& dense) const {
  if (std::find(dense.begin(), dense.end(), true) != dense.end()) return true;
  const auto most = std::min<std::int64_t>(options_.levels.back(), (latents_ + 1) / 2);
  return static_cast<double>(most) >= options_.dense.level * latents_;
}

template <typename F>
std::int64_t NestedStep<F>::list_capacity(const DenseLevels& dense) const {
  std::int64_t most = 0;
  for (std::size_t l = 0; l < dense.size(); ++l) {
    if (!dense[l]) most += options_.over_batch ? latents_ : own(options_.levels, l, latents_);
  }
  return std::min<std::int64_t>(most, latents_);
}

template <typename F>
int NestedStep<F>::product_rows(int rows, int dense) const {
  if (dense == 0) return 0;
  const auto row = std::int64_t{dense} * padded(latents_) * static_cast<std::int64_t>(sizeof(F));
  return static_cast<int>(std::min<std::int64_t>(rows, std::max(least_product_rows, product_bytes / row)));
}

template <typename F>
template <typename Step, typename Visit>
void NestedStep<F>::for_buffers(Step& s, int rows, const DenseLevels& dense, Visit visit) {
  const std::int64_t b = rows, d = padded(s.dim_), h = padded(s.latents_), levels = s.level_count();
  const auto matrices = static_cast<std::int64_t>(std::count(dense.begin(), dense.end(), true));
  const bool aux = s.auxiliary(), lists = matrices < levels || aux;
  const auto capacity = s.list_capacity(dense), more = aux ? s.options_.auxk_latents : 0;
  visit("batch", s.raw_, b * s.dim_);
  visit("batch", s.target_, b * d);
  visit("batch", s.input_, b * d);
  visit("batch", s.square_, b);
  visit("pre-activations", s.pre_, b * h);
  visit("lists by row", s.begin_, b * (levels + 1));
  visit("lists by row", s.kept_, b * levels);
  visit("lists by row", s.latent_, b * capacity);
  visit("lists by row", s.value_, b * capacity);
  visit("lists by row", s.sum_, s.options_.l1 > 0 ? b : 0);
  visit("latents as matrices", s.values_, matrices * b * h);
  visit("latents as matrices", s.slot_, matrices > 0 ? b * h : 0);
  visit("reconstructions", s.added_, matrices * b * d);
  visit("reconstructions", s.decode_room_, b * decode_room(static_cast<int>(levels), s.dim_));
  visit("reconstructions", s.gradient_, (levels + (aux ? 1 : 0)) * b * d);
  visit("reconstructions", s.loss_, b);
  visit("reconstructions", s.residual_, b);
  visit("reconstructions", s.widest_, b);
  visit("dead latents", s.left_, aux ? b * d : 0);
  visit("dead latents", s.auxiliary_begin_, aux ? b * 2 : 0);
  visit("dead latents", s.auxiliary_kept_, aux ? b : 0);
  visit("dead latents", s.auxiliary_latent_, b * more);
  visit("dead latents", s.auxiliary_value_, b * more);
  visit("dead latents", s.dead_, aux ? s.latents_ : 0);
  visit("lists by latent", s.column_room_, lists ? column_room(rows, s.latents_) : 0);
  visit("lists by latent", s.column_begin_, lists ? s.latents_ + std::int64_t{1} : 0);
  visit("lists by latent", s.column_place_, b * (capacity + more));
  visit("lists by latent", s.column_value_, b * (capacity + more));
  visit("gradients of latents", s.product_, matrices * s.product_rows(rows, static_cast<int>(matrices)) * h);
  visit("gradients of latents", s.pre_gradient_, s.encoder_is_dense(dense) ? b * h : 0);
  visit("gradients of latents", s.sum_room_,
        std::max({sum_room(b, s.latents_), sum_room(b, s.dim_), sum_room(s.latents_, s.dim_)}));
  visit("gradients", s.encoder_gradient_, s.latents_ * d);
  visit("gradients", s.decoder_gradient_, s.latents_ * d);
  visit("gradients", s.latent_bias_gradient_, s.latents_);
  visit("gradients", s.pre_bias_gradient_, s.dim_);
  visit("parameters as factors", s.encoder_factors_, s.factors_are_parameters() ? 0 : s.latents_ * d);
  visit("parameters as factors", s.decoder_factors_, s.factors_are_parameters() ? 0 : s.latents_ * d);
  visit("counters", s.squares_, s.latents_);
  visit("counters", s.fired_, s.latents_);
  visit("counters", s.totals_, 1);
  visit("counters", s.scalars_, 1);
  visit("counters", s.counts_, levels);
  const bool batch = s.options_.over_batch;
  visit("counters", s.cuts_, batch ? levels : 0);
  visit("counters", s.smallest_, batch ? levels : 0);
  visit("counters", s.cut_room_, batch ? batch_cut_room(static_cast<int>(levels), rows) : 0);
}

template <typename F>
std::int64_t NestedStep<F>::bytes(int rows, const std::vector<DenseLevels>& choices) const {
  std::vector<std::int64_t> most;  // of each buffer
  for (const auto& dense : choices) {
    std::size_t i = 0;
    for_buffers(*this, rows, dense, [&](std::string_view, const auto& buffer, std::int64_t count) {
      most.resize(std::max(most.size(), i + 1));
      most[i] = std::max(most[i], count * static_cast<std::int64_t>(sizeof(*buffer.data())));
      ++i;
    });
  }
  return std::accumulate(most.begin(), most.end(), std::int64_t{0});
}

template <typename F>
std::vector<std::pair<std::string_view, std::int64_t>> NestedStep<F>::memory() const {
  std::vector<std::pair<std::string_view, std::int64_t>> all;
  for_buffers(*this, 0, DenseLevels(options_.levels.size()),
              [&](std::string_view name, const auto& buffer, auto) {
                if (all.empty() || all.back().first != name) all.emplace_back(name, 0);
                all.back().second += buffer.bytes();
              });
  return all;
}

template <typename F>
bool NestedStep<F>::prepare(int rows, const DenseLevels& dense) {
  levels_ = {};
  levels_.count = level_count();
  levels_.dense = static_cast<int>(std::count(dense.begin(), dense.end(), true));
  int matrices = 0, lists = levels_.dense;
  for (int l = 0; l < levels_.count; ++l) {
    const auto i = static_cast<std::size_t>(l);
    levels_.keep[l] = static_cast<std::uint32_t>(std::min<std::int64_t>(options_.levels[i], latents_));
    levels_.weight[l] = static_cast<float>(options_.weights[i]);
    levels_.slot[l] = static_cast<std::uint8_t>(dense[i] ? matrices++ : lists++);
  }
  rows_ = rows;
  dense_encoder_ = encoder_is_dense(dense);
  product_rows_ = product_rows(rows, levels_.dense);
  capacity_ = list_capacity(dense);
  for_buffers(*this, rows, dense, [&](std::string_view, auto& buffer, std::int64_t count) {
    moved_ |= buffer.reserve(count, allocate_);
  });
  return std::exchange(moved_, false);
}

template <typename F>
void NestedStep<F>::refresh(Stream stream, const RunMemory& run) {
  require(cudaMemsetAsync(fired_.data(), 0, static_cast<std::size_t>(fired_.bytes()), stream), "memset");
  if (factors_are_parameters()) return;
  to_factors(stream, latents_, dim_, run.encoder.value, encoder_factors_.data());
  to_factors(stream, latents_, dim_, run.decoder.value, decoder_factors_.data());
}

template <typename F>
void NestedStep<F>::set(Stream stream, const Scalars& scalars) {
  cuda::set(stream, scalars, scalars_.data());
}

template <typename F>
RowWeights NestedStep<F>::weights() const {
  return {.rows = rows_,
          .dim = dim_,
          .squared = options_.squared,
          .l1 = static_cast<float>(options_.l1),
          .l1_by_norm = options_.l1_by_norm,
          .square = square_.data(),
          .totals = totals_.data(),
          .scalars = scalars_.data()};
}

template <typename F>
void NestedStep<F>::enqueue(Stream stream, const RunMemory& run, const Mark& mark) {
  const auto done = [&](std::string_view stage) {
    if (mark) mark(stage);
  };
  if constexpr (sizeof(F) == sizeof(float)) {
    encoder_ = factors_are_parameters() ? run.encoder.value : encoder_factors_.data();
    decoder_ = factors_are_parameters() ? run.decoder.value : decoder_factors_.data();
  } else {
    encoder_ = encoder_factors_.data();
    decoder_ = decoder_factors_.data();
  }
  cuda::prepare<F>(stream, {.rows = rows_,
                            .dim = dim_,
                            .raw = raw_.data(),
                            .mean = run.mean,
                            .scale = run.scale,
                            .pre_bias = run.pre_bias.value,
                            .target = target_.data(),
                            .input = input_.data(),
                            .square = square_.data()});
  count_rows(stream, rows_, square_.data(), totals_.data());
  if (auxiliary()) {
    mark_dead(stream, {.rows = rows_,
                       .latents = latents_,
                       .dead_after = update_.dead_after,
                       .last_active = run.last_active,
                       .scalars = scalars_.data(),
                       .dead = dead_.data(),
                       .totals = totals_.data()});
  }
  done("prepare");
  select_latents(stream, run, done);
  decode_levels(stream, run, done);
  if (levels_.dense > 0) {
    backward_dense(stream, done);
  } else if (dense_encoder_) {
    const auto bytes = static_cast<std::size_t>(rows_ * padded(latents_)) * sizeof(F);
    require(cudaMemsetAsync(pre_gradient_.data(), 0, bytes, stream), "memset");
  }
  if (listed()) backward_lists(stream, done);
  backward_sums(stream, done);
  const auto with_gradient = [](Trained trained, const DeviceBuffer<float>& gradient) {
    trained.gradient = gradient.data();
    return trained;
  };
  optimise<F>(stream, {.latents = latents_,
                       .dim = dim_,
                       .before = update_.before,
                       .unit_after = update_.unit_after,
                       .row_epsilon = update_.row_epsilon,
                       .clip = update_.clip,
                       .beta1 = update_.beta1,
                       .beta2 = update_.beta2,
                       .epsilon = update_.epsilon,
                       .encoder = with_gradient(run.encoder, encoder_gradient_),
                       .decoder = with_gradient(run.decoder, decoder_gradient_),
                       .latent_bias = with_gradient(run.latent_bias, latent_bias_gradient_),
                       .pre_bias = with_gradient(run.pre_bias, pre_bias_gradient_),
                       .squares = squares_.data(),
                       .totals = totals_.data(),
                       .scalars = scalars_.data(),
                       .encoder_factors = factors_are_parameters() ? nullptr : encoder_factors_.data(),
                       .decoder_factors = factors_are_parameters() ? nullptr : decoder_factors_.data()});
  done("optimiser");
  count_step(stream, {.rows = rows_,
                      .latents = latents_,
                      .levels = levels_.count,
                      .loss = loss_.data(),
                      .residual = residual_.data(),
                      .kept = kept_.data(),
                      .totals = totals_.data(),
                      .scalars = scalars_.data(),
                      .fired = fired_.data(),
                      .sums = run.sums,
                      .last_active = run.last_active,
                      .counts = counts_.data()});
  done("counters");
}

template <typename F>
void NestedStep<F>::select_latents(Stream stream, const RunMemory& run, const Mark& mark) {
  const auto d = padded(dim_), h = padded(latents_);
  products_.multiply(stream,
                     {.transpose_b = true,
                      .m = rows_,
                      .n = latents_,
                      .k = d,
                      .a = input_.data(),
                      .a_stride = d,
                      .b = encoder_,
                      .b_stride = d,
                      .c_stride = h},
                     pre_.data());
  mark("encoder product");
  if (options_.over_batch) {
    cut_batch(stream, {.rows = rows_,
                       .latents = latents_,
                       .pre = pre_.data(),
                       .bias = run.latent_bias.value,
                       .levels = levels_,
                       .cuts = cuts_.data(),
                       .smallest = smallest_.data(),
                       .room = cut_room_.data()});
  }
  Select<F> work{.rows = rows_,
                 .latents = latents_,
                 .pre = pre_.data(),
                 .bias = run.latent_bias.value,
                 .soft_cap = static_cast<float>(options_.soft_cap),
                 .levels = levels_,
                 .cuts = options_.over_batch ? cuts_.data() : nullptr,
                 .entries = {capacity_, begin_.data(), latent_.data(), value_.data()},
                 .dense = values_.data(),
                 .slot = levels_.dense > 0 ? slot_.data() : nullptr,
                 .kept = kept_.data(),
                 .sum = options_.l1 > 0 ? sum_.data() : nullptr};
  select(stream, work);
  if (auxiliary()) {
    Select<F> dead = work;
    dead.wanted = dead_.data();
    dead.levels = {};
    dead.levels.count = 1;
    dead.levels.keep[0] = static_cast<std::uint32_t>(options_.auxk_latents);
    dead.cuts = nullptr;
    dead.entries = {options_.auxk_latents, auxiliary_begin_.data(), auxiliary_latent_.data(),
                    auxiliary_value_.data()};
    dead.dense = nullptr;
    dead.slot = nullptr;
    dead.kept = auxiliary_kept_.data();
    dead.sum = nullptr;
    select(stream, dead);
  }
  mark("select");
}

template <typename F>
void NestedStep<F>::decode_levels(Stream stream, const RunMemory& run, const Mark& mark) {
  const auto d = padded(dim_), h = padded(latents_);
  if (levels_.dense > 0) {
    products_.multiply(stream,
                       {.m = std::int64_t{levels_.dense} * rows_,
                        .n = d,
                        .k = latents_,
                        .a = values_.data(),
                        .a_stride = h,
                        .b = decoder_,
                        .b_stride = d,
                        .c_stride = d},
                       added_.data());
    mark("decoder product");
  }
  decode<F>(stream, {.rows = rows_,
                     .dim = dim_,
                     .levels = levels_,
                     .entries = {capacity_, begin_.data(), latent_.data(), value_.data()},
                     .kept = kept_.data(),
                     .decoder = decoder_,
                     .dense = added_.data(),
                     .pre_bias = run.pre_bias.value,
                     .target = target_.data(),
                     .sum = options_.l1 > 0 ? sum_.data() : nullptr,
                     .weights = weights(),
                     .gradient = gradient_.data(),
                     .room = decode_room_.data(),
                     .loss = loss_.data(),
                     .residual = residual_.data(),
                     .widest = widest_.data(),
                     .left = auxiliary() ? left_.data() : nullptr});
  if (auxiliary()) {
    const DecodeAuxiliary<F> work{.rows = rows_,
                                  .dim = dim_,
                                  .entries = {options_.auxk_latents, auxiliary_begin_.data(),
                                              auxiliary_latent_.data(), auxiliary_value_.data()},
                                  .decoder = decoder_,
                                  .left = left_.data(),
                                  .widest = widest_.data(),
                                  .weight = options_.auxk,
                                  .totals = totals_.data(),
                                  .scalars = scalars_.data(),
                                  .gradient = gradient_.data() + levels_.count * rows_ * d,
                                  .loss = loss_.data()};
    decode(stream, work);
  }
  mark("decode");
}

template <typename F>
void NestedStep<F>::backward_dense(Stream stream, const Mark& mark) {
  const auto d = padded(dim_), h = padded(latents_);
  for (int first = 0; first < rows_; first += product_rows_) {
    const auto count = std::min(product_rows_, rows_ - first);
    products_.multiply_to_factors(stream,
                                  {.transpose_b = true,
                                   .m = count,
                                   .n = latents_,
                                   .k = d,
                                   .a = gradient_.data() + first * d,
                                   .a_stride = d,
                                   .b = decoder_,
                                   .b_stride = d,
                                   .c_stride = h,
                                   .count = levels_.dense,
                                   .a_step = rows_ * d,
                                   .c_step = count * h},
                                  product_.data());
    dense_gradients<F>(stream, {.rows = rows_,
                                .latents = latents_,
                                .first = first,
                                .count = count,
                                .dense = levels_.dense,
                                .slot = slot_.data(),
                                .product = product_.data(),
                                .values = values_.data(),
                                .soft_cap = static_cast<float>(options_.soft_cap),
                                .weights = weights(),
                                .pre_gradient = pre_gradient_.data(),
                                .fired = fired_.data()});
  }
  mark("ds, dense");
  products_.multiply(stream,
                     {.transpose_a = true,
                      .m = latents_,
                      .n = d,
                      .k = std::int64_t{levels_.dense} * rows_,
                      .a = values_.data(),
                      .a_stride = h,
                      .b = gradient_.data(),
                      .b_stride = d,
                      .c_stride = d},
                     decoder_gradient_.data());
  mark("dW, dense");
}

template <typename F>
void NestedStep<F>::backward_lists(Stream stream, const Mark& mark) {
  SortColumns sort{.rows = rows_,
                   .latents = latents_,
                   .levels = levels_,
                   .entries = {capacity_, begin_.data(), latent_.data(), value_.data()},
                   .auxiliary = {},
                   .auxiliary_slot = levels_.count,
                   .room = column_room_.data(),
                   .columns = {column_begin_.data(), column_place_.data(), column_value_.data()}};
  if (auxiliary()) {
    sort.auxiliary = {options_.auxk_latents, auxiliary_begin_.data(), auxiliary_latent_.data(),
                      auxiliary_value_.data()};
  }
  sort_columns(stream, sort);
  mark("columns");
  const bool gathers_encoder = !dense_encoder_ || auxiliary();
  sparse_gradients<F>(stream,
                      {.dim = dim_,
                       .latents = latents_,
                       .columns = sort.columns,
                       .decoder = decoder_,
                       .gradient = gradient_.data(),
                       .input = input_.data(),
                       .auxiliary_slot = levels_.count,
                       .soft_cap = static_cast<float>(options_.soft_cap),
                       .weights = weights(),
                       .decoder_gradient = decoder_gradient_.data(),
                       .adds = levels_.dense > 0,
                       .encoder_gradient = gathers_encoder ? encoder_gradient_.data() : nullptr,
                       .latent_bias_gradient = gathers_encoder ? latent_bias_gradient_.data() : nullptr,
                       .pre_gradient = dense_encoder_ ? pre_gradient_.data() : nullptr,
                       .fired = fired_.data()});
  mark("ds + dW + dV, lists");
}

template <typename F>
void NestedStep<F>::backward_sums(Stream stream, const Mark& mark) {
  const auto d = padded(dim_), h = padded(latents_);
  if (dense_encoder_) {
    products_.multiply(stream,
                       {.transpose_a = true,
                        .m = latents_,
                        .n = d,
                        .k = rows_,
                        .a = pre_gradient_.data(),
                        .a_stride = h,
                        .b = input_.data(),
                        .b_stride = d,
                        .c_stride = d,
                        .adds = auxiliary()},
                       encoder_gradient_.data());
    mark("dV, dense");
    sum_rows<F>(stream, {.rows = rows_,
                         .columns = latents_,
                         .from = pre_gradient_.data(),
                         .adds = auxiliary(),
                         .room = sum_room_.data(),
                         .to = latent_bias_gradient_.data()});
  }
  // pre_bias stands on both sides: it is taken from the input and added to the reconstructions.
  sum_rows<F>(stream, {.rows = rows_,
                       .columns = dim_,
                       .from = gradient_.data() + levels_.slot[0] * rows_ * d,
                       .room = sum_room_.data(),
                       .to = pre_bias_gradient_.data()});
  sum_rows<F>(stream, {.rows = latents_,
                       .columns = dim_,
                       .from = encoder_,
                       .weight = latent_bias_gradient_.data(),
                       .sign = -1,
                       .adds = true,
                       .room = sum_room_.data(),
                       .to = pre_bias_gradient_.data()});
  mark("biases");
}

template class NestedStep<float>;
template class NestedStep<bfloat16>;

}  // namespace msae::kernels::cuda
