#include "data/epoch_order.h"

#include <numeric>
#include <stdexcept>
#include <string>

#include "data/random.h"
#include "msae/core/memory.h"

namespace msae::data {

std::uint64_t seed_of_epoch(const LoaderOptions& options, std::int64_t epoch) {
  return options.epoch_seed ? options.epoch_seed(epoch)
                            : mix(options.seed, static_cast<std::uint64_t>(epoch));
}

std::vector<std::int64_t> epoch_order(std::int64_t rows, const LoaderOptions& options, std::int64_t epoch) {
  if (options.shuffle) return permutation(rows, seed_of_epoch(options, epoch));
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

void require_memory_of_order(std::int64_t rows) {
  require_memory(saturating_product(static_cast<std::uint64_t>(rows), sizeof(std::int64_t)),
                 "an order of " + std::to_string(rows) + " rows");
}

std::uint64_t bytes_of_rows(std::int64_t rows, std::int64_t dim) {
  const auto values = saturating_product(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(dim));
  return saturating_product(values, sizeof(float));
}

std::uint64_t room_for_rows(std::uint64_t memory) {
  return memory > 0 ? memory : available_memory() / 2;
}

std::int64_t rows_for_batches(const EmbeddingSource& source) {
  if (source.rows() >= 1 && source.dim() >= 1) return source.rows();
  throw std::invalid_argument(source.name() + " has no rows to make batches of");
}

BatchPlace BatchPlace::at(std::int64_t epoch, std::int64_t index, std::int64_t per_epoch) {
  if (epoch < 0 || index < 0) {
    throw std::invalid_argument("no batch " + std::to_string(index) + " of epoch " + std::to_string(epoch));
  }
  return {.epoch = epoch + index / per_epoch, .index = index % per_epoch};
}

}  // namespace msae::data
