// Search by latents: how long a query takes, and what it finds.
//
//     search_benchmark [ROWS]              made-up codes of 4,096 latents, 64 a row, a few of them on most
//     rows: time and
//                                          size of the index
//     search_benchmark DATA RUN LABELS K   precision at 10 of search by K latents beside that of embeddings,
//     over all rows
//                                          whose label another row has; LABELS as `msae encode --labels`
//                                          takes them
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "data/random.h"
#include "msae/concepts/search.h"
#include "msae/data/labels.h"
#include "msae/io/model_folder.h"

namespace {

using namespace msae;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Latents by Zipf's law, as trained ones come close to: some on most rows, most on few.
concepts::Codes made_up(std::int64_t rows) {
  constexpr std::int64_t latents = 4096, active = 64;
  data::Random random(42);
  concepts::Codes codes{.rows = rows, .latents = latents, .begin = {0}, .latent = {}, .value = {}};
  std::vector<double> upto;
  double sum = 0;
  for (std::int64_t i = 0; i < latents; ++i)
    upto.push_back(sum += 1 / std::pow(static_cast<double>(i) + 30, 0.9));
  std::vector<std::int32_t> own;
  for (std::int64_t row = 0; row < rows; ++row) {
    own.clear();
    while (own.size() < active) {
      const auto at = std::lower_bound(upto.begin(), upto.end(), sum * random.uniform());
      const auto latent = static_cast<std::int32_t>(std::min<std::ptrdiff_t>(at - upto.begin(), latents - 1));
      if (std::find(own.begin(), own.end(), latent) == own.end()) own.push_back(latent);
    }
    std::sort(own.begin(), own.end());
    for (const auto latent : own) {
      codes.latent.push_back(latent);
      codes.value.push_back(static_cast<float>(random.exponential() + 0.01));
    }
    codes.begin.push_back(static_cast<std::int64_t>(codes.latent.size()));
  }
  return codes;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename Query>
void time_queries(const std::string& name, const concepts::LatentIndex& index,
                  concepts::Similarity similarity, Query query) {
  constexpr std::int64_t repeats = 101;
  std::vector<double> times;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const auto wanted = query(i);
    const auto start = Clock::now();
    index.search(wanted, 10, similarity);
    times.push_back(1e6 * seconds_since(start));
  }
  std::cout << "  " << name << ": " << std::llround(median(times)) << " us a query (median of " << repeats
            << ")\n";
}

void time_search(std::int64_t rows) {
  const auto codes = made_up(rows);
  const auto start = Clock::now();
  const concepts::LatentIndex index(codes);
  std::cout << rows << " rows, " << codes.latent.size() << " entries: index of "
            << static_cast<double>(index.bytes()) / 1e6 << " MB made in " << seconds_since(start) << " s\n";
  const auto row_like = [&](std::int64_t i) { return concepts::query_of(codes, i * 7919 % rows); };
  const auto three = [&](std::int64_t i) {
    auto query = row_like(i);
    query.resize(3);
    return query;
  };
  for (const int threads : {1, at::get_num_threads()}) {
    at::set_num_threads(threads);
    std::cout << threads << (threads == 1 ? " thread\n" : " threads\n");
    time_queries("cosine, a row's 64 latents", index, concepts::Similarity::cosine, row_like);
    time_queries("Manhattan, a row's 64 latents", index, concepts::Similarity::manhattan, row_like);
    time_queries("cosine, three concepts", index, concepts::Similarity::cosine, three);
  }
}

/// Share of a row's ten nearest others that have its label, over rows whose label is not theirs alone.
class Precision {
 public:
  explicit Precision(std::vector<std::string> labels) : labels_(std::move(labels)) {
    for (const auto& label : labels_) ++rows_of_[label];
  }
  bool counts(std::int64_t row) const { return rows_of_.at(label(row)) > 1; }
  double of(std::int64_t row, const std::vector<concepts::Hit>& hits) const {
    double right = 0;
    std::int64_t seen = 0;
    for (const auto& hit : hits) {
      if (hit.row == row || seen == 10) continue;
      ++seen;
      right += label(hit.row) == label(row) ? 1 : 0;
    }
    return seen == 0 ? 0 : right / static_cast<double>(seen);
  }

 private:
  const std::string& label(std::int64_t row) const { return labels_[static_cast<std::size_t>(row)]; }
  std::vector<std::string> labels_;
  std::map<std::string, std::int64_t> rows_of_;
};

void measure(const std::string& data, const std::string& run, const std::string& labels, std::int64_t k) {
  const auto rows = data::open(data);
  const auto model = io::load(run);
  const Precision precision(data::read_labels(labels));
  const auto codes = concepts::encode(*model, *rows, models::OperatingPoint::top(k));
  for (const bool rarity : {false, true}) {
    const concepts::LatentIndex index(codes, rarity ? concepts::rarity_weights(codes) : std::vector<float>{});
    for (const auto similarity : {concepts::Similarity::cosine, concepts::Similarity::manhattan}) {
      double sum = 0;
      std::int64_t count = 0;
      const auto start = Clock::now();
      for (std::int64_t row = 0; row < codes.rows; ++row) {
        if (!precision.counts(row)) continue;
        sum += precision.of(row, index.search(concepts::query_of(codes, row), 11, similarity));
        ++count;
      }
      std::cout << k << " latents, " << (similarity == concepts::Similarity::cosine ? "cosine" : "Manhattan")
                << (rarity ? ", weighted by rarity" : "") << ": precision at 10 "
                << sum / static_cast<double>(count) << " over " << count << " rows, "
                << std::llround(1e6 * seconds_since(start) / static_cast<double>(count)) << " us a query\n";
    }
  }
  auto all = torch::empty({rows->rows(), rows->dim()});
  rows->read(0, rows->rows(), {all.mutable_data_ptr<float>(), static_cast<std::size_t>(all.numel())});
  for (const bool centred : {false, true}) {
    const auto hits = concepts::nearest_rows(*rows, all, 11, centred ? model->mean : torch::Tensor());
    double sum = 0;
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < codes.rows; ++row) {
      if (!precision.counts(row)) continue;
      sum += precision.of(row, hits[static_cast<std::size_t>(row)]);
      ++count;
    }
    std::cout << "embeddings, cosine" << (centred ? ", centred" : "") << ": precision at 10 "
              << sum / static_cast<double>(count) << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 5) {
      measure(argv[1], argv[2], argv[3], std::strtoll(argv[4], nullptr, 10));
    } else if (argc <= 2) {
      time_search(argc == 2 ? std::max(1LL, std::strtoll(argv[1], nullptr, 10)) : 1'000'000);
    } else {
      std::cerr << "usage: search_benchmark [ROWS], or search_benchmark DATA RUN LABELS K\n";
      return 2;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
