// Codes by least squares: how long a row takes beside the encoder, and what it gains.
//
//     codes_benchmark DIM LATENTS K
//     codes_benchmark RUN DATA [EVERY [K,...]]
//
// The first is of a made-up dictionary, whose rows are sums of K latents and noise; the second of a trained
// model on every EVERYth row (10 unless said), at each K (8,16,32,64 unless said).
//
// Times are of all threads together, over the number of rows. "at least" is what the operations would take at
// the speed of the encoder's product, which nothing here can reach: they are of vectors, not of matrices.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/pursuit.h"
#include "msae/data/source.h"
#include "msae/io/model_folder.h"
#include "ops/products.h"
#include "ops/sparse_levels.h"
#include "ops/torch_executor.h"

namespace {

using namespace msae;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds of the faster of two runs: the first one also takes memory.
template <typename Work>
double seconds_of(const Work& work) {
  double fastest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 2; ++i) {
    const auto start = Clock::now();
    work();
    fastest = std::min(fastest, seconds_since(start));
  }
  return fastest;
}

std::int64_t number_of(const std::string& text, const std::string& what) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, number).ptr != end || number < 1) {
    throw std::invalid_argument(what + ": must be a number from 1 on, not " + text);
  }
  return number;
}

std::vector<std::int64_t> numbers_of(const std::string& text, const std::string& what) {
  std::vector<std::int64_t> numbers;
  for (std::size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
    to = text.find(',', from);
    numbers.push_back(number_of(text.substr(from, to - from), what));
  }
  return numbers;
}

/// Rows to make codes of, in float32.
struct Rows {
  torch::Tensor targets;                    ///< [rows, dim], without the bias
  torch::Tensor encoder, decoder, latents;  ///< [latents, dim], [latents, dim], [latents]: its bias
};

class Comparison {
 public:
  explicit Comparison(Rows rows)
      : rows_(std::move(rows)),
        count_(rows_.targets.size(0)),
        dim_(rows_.targets.size(1)),
        latents_(rows_.decoder.size(0)),
        pursuit_({rows_.decoder.const_data_ptr<float>(), latents_, dim_, false},
                 ops::product<float>(ops::usual_library()), ops::torch_executor()) {
    const auto wide = rows_.targets.to(torch::kFloat64);
    deviation_ = (wide - wide.mean(0)).square().sum().item<double>();
    product_ = seconds_of([&] { pre_ = torch::addmm(rows_.latents, rows_.targets, rows_.encoder.t()); });
    const auto start = Clock::now();
    pursuit_.prepare(std::uint64_t{1} << 32);
    std::printf(
        "%lld rows, %lld to %lld, %d threads: product of the encoder %.0f us a row (%.0f GFlop/s), "
        "products of decoder rows %.2f s\n%5s %-18s %8s %8s %10s %10s\n",
        static_cast<long long>(count_), static_cast<long long>(dim_), static_cast<long long>(latents_),
        at::get_num_threads(), 1e6 * product_ / static_cast<double>(count_), 1e-9 * speed(),
        seconds_since(start), "k", "codes", "FVU", "active", "us a row", "at least");
  }

  void compare(std::int64_t k) {
    const double all = 2 * number(dim_) * number(latents_), d = number(dim_), n = number(k);
    ops::SparseRows kept;
    const auto encode = seconds_of([&] {
      const auto pre = torch::addmm(rows_.latents, rows_.targets, rows_.encoder.t());
      kept = ops::sparse_topk(pre, k);
    });
    show(k, "encoder", kept.values.to(torch::kFloat64), kept, encode, all);
    solve(k, "refit", k, 2 * d * n + n * n * n / 3);
    for (const std::int64_t times : {4, 8}) {
      const auto most = std::min(times * k, latents_);
      solve(k, "pursuit among " + std::to_string(most), most, number(most) * (2 * d + n * n) + n * n * n);
    }
    solve(k, "pursuit", latents_, all + std::min(n * n * number(latents_), n * all) + n * n * n);
  }

 private:
  static double number(std::int64_t value) { return static_cast<double>(value); }
  double speed() const { return 2 * number(count_) * number(dim_) * number(latents_) / product_; }

  // Among the encoder's best latents, or all.
  void solve(std::int64_t k, const std::string& name, std::int64_t most, double operations) {
    const auto from = ops::sparse_topk(pre_, most);
    const auto starts = torch::cat({torch::zeros({1}, torch::kInt64), from.counts.cumsum(0)});
    models::PursuitTask<float> task{.targets = rows_.targets.const_data_ptr<float>(),
                                    .rows = count_,
                                    .ks = {k},
                                    .limits = {},
                                    .starts = {},
                                    .candidates = {}};
    if (most < latents_) {
      task.starts = {starts.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(count_ + 1)};
      task.candidates = {from.indices.const_data_ptr<std::int32_t>(),
                         static_cast<std::size_t>(from.indices.numel())};
    }
    std::vector<std::vector<std::int32_t>> latents(static_cast<std::size_t>(count_));
    std::vector<std::vector<double>> values(latents.size());
    const auto seconds = seconds_of([&] {
      pursuit_.run(task, [&](std::int64_t row, std::size_t, auto members, auto solved) {
        latents[static_cast<std::size_t>(row)].assign(members.begin(), members.end());
        values[static_cast<std::size_t>(row)].assign(solved.begin(), solved.end());
      });
    });
    std::vector<torch::Tensor> counts, indices, entries;
    for (std::size_t row = 0; row < latents.size(); ++row) {
      const auto size = static_cast<std::int64_t>(latents[row].size());
      counts.push_back(torch::full({1}, size, torch::kInt64));
      indices.push_back(torch::from_blob(latents[row].data(), {size}, torch::kInt32));
      entries.push_back(torch::from_blob(values[row].data(), {size}, torch::kFloat64));
    }
    show(k, name, torch::cat(entries), {torch::cat(counts), torch::cat(indices), {}}, seconds, operations);
  }

  void show(std::int64_t k, const std::string& name, const torch::Tensor& values,
            const ops::SparseRows& codes, double seconds, double operations) const {
    double left = 0;
    std::int64_t entry = 0;
    for (std::int64_t row = 0; row < count_; ++row) {
      const auto end = entry + codes.counts[row].item<std::int64_t>();
      const auto own = rows_.decoder.index_select(0, codes.indices.slice(0, entry, end)).to(torch::kFloat64);
      const auto decoded = values.slice(0, entry, end).matmul(own);
      left += (rows_.targets[row].to(torch::kFloat64) - decoded).square().sum().item<double>();
      entry = end;
    }
    std::printf("%5lld %-18s %8.4f %8.1f %10.1f %10.1f\n", static_cast<long long>(k), name.c_str(),
                left / deviation_, number(entry) / number(count_), 1e6 * seconds / number(count_),
                1e6 * operations / speed());
    std::fflush(stdout);
  }

  Rows rows_;
  std::int64_t count_, dim_, latents_;
  models::Pursuit<float> pursuit_;
  torch::Tensor pre_;     // [rows, latents]
  double deviation_ = 0;  // of the rows from their mean
  double product_ = 0;    // seconds
};

// Decoder rows of unit length, more alike within each of 64 groups; the encoder is as the decoder.
Rows made_up(std::int64_t dim, std::int64_t latents, std::int64_t k) {
  constexpr std::int64_t rows = 512, groups = 64;
  torch::manual_seed(42);
  const auto common = torch::randn({groups, dim}).repeat({(latents + groups - 1) / groups, 1});
  auto decoder = torch::randn({latents, dim}) + 0.5 * common.slice(0, 0, latents);
  decoder = decoder / decoder.norm(2, 1, true);
  const auto chosen = torch::rand({rows, latents}).argsort(std::int64_t{1}).slice(1, 0, k);
  const auto values =
      torch::zeros({rows, latents}).scatter_(1, chosen, torch::empty({rows, k}).exponential_());
  const auto noise =
      torch::randn({rows, dim}) * (0.3 * std::sqrt(static_cast<double>(k) / static_cast<double>(dim)));
  return {values.matmul(decoder) + noise, decoder, decoder, torch::zeros({latents})};
}

Rows trained(const std::string& run, const std::string& data, std::int64_t every) {
  const auto model = io::load(run);
  const auto source = data::open(data);
  if (source->dim() != model->dim()) {
    throw std::invalid_argument(data + ": has rows of " + std::to_string(source->dim()) + " values, " + run +
                                " takes " + std::to_string(model->dim()));
  }
  auto all = torch::empty({source->rows(), source->dim()});
  source->read(0, source->rows(), {all.mutable_data_ptr<float>(), static_cast<std::size_t>(all.numel())});
  const auto rows = all.slice(0, 0, all.size(0), every).contiguous();
  const auto f32 = [](const torch::Tensor& t) { return t.detach().to(torch::kFloat32).contiguous(); };
  return {f32(model->standardise_rows(model->normalise(rows)) - model->pre_bias), f32(model->encoder),
          f32(model->decoder), f32(model->latent_bias)};
}

void measure(const std::vector<std::string>& arguments) {
  const auto starts_with_digit = [](const std::string& text) {
    return !text.empty() && std::isdigit(text[0]) != 0;
  };
  if (arguments.size() == 3 && starts_with_digit(arguments[0]) && starts_with_digit(arguments[1])) {
    const auto dim = number_of(arguments[0], "DIM"), latents = number_of(arguments[1], "LATENTS");
    const auto k = number_of(arguments[2], "K");
    if (k > std::min(dim, latents)) throw std::invalid_argument("K: must be at most DIM and LATENTS");
    Comparison(made_up(dim, latents, k)).compare(k);
    return;
  }
  const auto every = arguments.size() > 2 ? number_of(arguments[2], "EVERY") : 10;
  const auto ks = numbers_of(arguments.size() > 3 ? arguments[3] : "8,16,32,64", "K");
  Comparison comparison(trained(arguments[0], arguments[1], every));
  for (const auto k : ks) comparison.compare(k);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::cerr << "usage: codes_benchmark DIM LATENTS K, or codes_benchmark RUN DATA [EVERY [K,...]]\n";
    return 2;
  }
  try {
    const torch::NoGradGuard no_grad;
    measure({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "codes_benchmark: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
