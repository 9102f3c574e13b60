#include "msae/data/synthetic.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "data/concept_forest.h"
#include "data/random.h"

namespace msae::data {
namespace {

// What the seed decides, one stream of random numbers each; 0 is the forest's.
constexpr std::uint64_t calibration_stream = 1;
constexpr std::uint64_t row_stream = 2;

/// Of mean 1 and standard deviation 1/2, and never near zero: an active concept is there to be found.
double draw_amplitude(Random& random) {
  return 0.5 + 0.5 * random.exponential();
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// The squared norms and the inner product of one row's signal about its mean, and of its noise, both
/// unscaled.
struct Energies {
  double signal, noise, cross;
};

/// Finds t^2 and the square of the noise's scale. In y = m + t s + u n with s and n orthogonal to m, the
/// rows' mean is m itself when 1 / ||y|| is 1 on average, and the noise has the share u^2 n^2 / ||y||^2 of
/// their energy, on average.
class Calibration {
 public:
  Calibration(std::vector<Energies> sample, double mean_norm, double share)
      : sample_(std::move(sample)), mean_(mean_norm * mean_norm), share_(share * (1 - mean_)) {}

  /// {t^2, u^2}. Each barely depends on the other, so that a few turns settle both.
  std::pair<double, double> solve() const {
    double signal = 0;
    double noise = 0;
    for (int turn = 0; turn < 12; ++turn) {
      signal = fit_signal(noise);
      noise = share_ / average([&](const Energies& row) { return row.noise / length(row, signal, noise); });
    }
    return {fit_signal(noise), noise};
  }

 private:
  /// ||y||^2
  double length(const Energies& row, double signal, double noise) const {
    const double length =
        mean_ + signal * row.signal + noise * row.noise + 2 * std::sqrt(signal * noise) * row.cross;
    return std::max(length, std::numeric_limits<double>::min());
  }

  template <class Function>
  double average(Function value) const {
    double sum = 0;
    for (const auto& row : sample_) sum += value(row);
    return sum / static_cast<double>(sample_.size());
  }

  double fit_signal(double noise) const {
    double low = 0;
    double high = 1 / average([](const Energies& row) { return row.signal; });
    const auto mean_scale = [&](double signal) {
      return average([&](const Energies& row) { return 1 / std::sqrt(length(row, signal, noise)); });
    };
    while (mean_scale(high) > 1) high *= 2;
    for (int i = 0; i < 40; ++i) {
      const double middle = std::midpoint(low, high);
      (mean_scale(middle) > 1 ? low : high) = middle;
    }
    return high;
  }

  std::vector<Energies> sample_;
  double mean_;
  double share_;
};

template <class Value>
[[noreturn]] void reject(const char* field, Value value, const std::string& wanted) {
  std::ostringstream message;
  message << field << ": must be " << wanted << ", not " << value;
  throw std::invalid_argument(message.str());
}

void check_count(const char* field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least) reject(field, value, "at least " + std::to_string(least));
  if (value > most) reject(field, value, "at most " + std::to_string(most));
}

void check_share(const char* field, double value) {
  if (!(value >= 0 && value < 1)) reject(field, value, "at least 0 and below 1");
}

}  // namespace

void SyntheticOptions::validate() const {
  constexpr std::int64_t many = 10'000'000;
  check_count("rows", rows, 1, std::numeric_limits<std::int64_t>::max() / many);
  check_count("dim", dim, 3, many);  // the mean, a parent and its child point three ways
  check_count("concepts", concepts, 1, many);
  check_count("depth", depth, 1, many);
  check_count("branching", branching, 1, many);
  if (depth > concepts) reject("depth", depth, "at most the number of concepts, " + std::to_string(concepts));
  if (!(active > 0 && std::isfinite(active))) reject("active", active, active > 0 ? "finite" : "above 0");
  if (!(zipf >= 0 && zipf <= 10)) reject("zipf", zipf, "between 0 and 10");
  check_share("parent_cosine", parent_cosine);
  check_share("mean_norm", mean_norm);
  check_share("noise", noise);
}

/// One row on its way.
struct SyntheticHierarchy::Row {
  std::vector<std::int32_t> concepts;
  std::vector<double> amplitudes;  ///< a_j
  std::vector<double> signal;      ///< [dim], sum_j a_j d_j minus its mean
  std::vector<double> noise;       ///< [dim], unscaled
  std::vector<double> y;           ///< [dim]
  double norm = 0;                 ///< of y
};

SyntheticHierarchy::SyntheticHierarchy(SyntheticOptions options) : options_(options) {
  options_.validate();
  auto forest = grow_forest(options_);
  truth_ = std::move(forest.truth);
  conditional_ = std::move(forest.conditional);
  after_ = std::move(forest.after);
  mean_direction_ = std::move(forest.mean_direction);
  const auto dim = static_cast<std::size_t>(options_.dim);
  mean_signal_.assign(dim, 0.0);
  for (std::size_t node = 0; node < conditional_.size(); ++node) {
    const float* direction = truth_.dictionary.data() + node * dim;
    for (std::size_t i = 0; i < dim; ++i) mean_signal_[i] += truth_.frequency[node] * direction[i];
  }
  calibrate();
}

void SyntheticHierarchy::calibrate() {
  constexpr int sample_rows = 4096;
  Random random(mix(options_.seed, calibration_stream));
  std::vector<Energies> sample;
  Row row;
  for (int i = 0; i < sample_rows; ++i) {
    draw_parts(random, row);
    sample.push_back({dot(row.signal, row.signal), dot(row.noise, row.noise), dot(row.signal, row.noise)});
  }
  const auto [signal, noise] = Calibration(std::move(sample), options_.mean_norm, options_.noise).solve();
  signal_scale_ = std::sqrt(signal);
  noise_scale_ = std::sqrt(noise);
}

void SyntheticHierarchy::draw_parts(Random& random, Row& row) const {
  const auto dim = static_cast<std::size_t>(options_.dim);
  row.concepts.clear();
  row.amplitudes.clear();
  row.signal.assign(dim, 0.0);
  for (std::size_t i = 0; i < dim; ++i) row.signal[i] = -mean_signal_[i];
  for (std::size_t node = 0; node < conditional_.size();) {
    if (random.uniform() >= conditional_[node]) {  // nor is anything below it active
      node = static_cast<std::size_t>(after_[node]);
      continue;
    }
    const double amplitude = draw_amplitude(random);
    const float* direction = truth_.dictionary.data() + node * dim;
    for (std::size_t i = 0; i < dim; ++i) row.signal[i] += amplitude * direction[i];
    row.concepts.push_back(static_cast<std::int32_t>(node));
    row.amplitudes.push_back(amplitude);
    ++node;
  }
  row.noise.resize(dim);
  for (auto& value : row.noise) value = random.normal();
  const double along = dot(row.noise, mean_direction_);
  for (std::size_t i = 0; i < dim; ++i) row.noise[i] -= along * mean_direction_[i];
}

void SyntheticHierarchy::draw(std::int64_t index, Row& row) const {
  Random random(mix(mix(options_.seed, row_stream), static_cast<std::uint64_t>(index)));
  draw_parts(random, row);
  row.y.resize(row.signal.size());
  for (std::size_t i = 0; i < row.y.size(); ++i) {
    row.y[i] =
        options_.mean_norm * mean_direction_[i] + signal_scale_ * row.signal[i] + noise_scale_ * row.noise[i];
  }
  row.norm = std::sqrt(dot(row.y, row.y));
}

void SyntheticHierarchy::read_rows(std::int64_t first, std::int64_t count, std::span<float> out) {
  Row row;
  auto place = out.begin();
  for (std::int64_t index = first; index < first + count; ++index) {
    draw(index, row);
    for (const double value : row.y) *place++ = static_cast<float>(value / row.norm);
  }
}

SyntheticCode SyntheticHierarchy::code(std::int64_t index) const {
  if (index < 0 || index >= options_.rows) {
    throw std::invalid_argument("no row " + std::to_string(index) + " of " + std::to_string(options_.rows));
  }
  Row row;
  draw(index, row);
  SyntheticCode code{.concepts = std::move(row.concepts), .amplitudes = {}};
  for (const double amplitude : row.amplitudes) {
    code.amplitudes.push_back(static_cast<float>(signal_scale_ * amplitude / row.norm));
  }
  return code;
}

}  // namespace msae::data
