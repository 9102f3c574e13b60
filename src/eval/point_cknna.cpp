#include "eval/point_cknna.h"

#include <algorithm>

#include "msae/eval/cknna.h"

namespace msae::eval {
namespace {

torch::Tensor latents_of(const models::SparseAutoencoder& model, const PointCodes& codes,
                         const torch::Tensor& rows, std::size_t code, std::int64_t batch_size) {
  auto latents = torch::empty({rows.size(0), model.latents()}, rows.options());
  for (std::int64_t first = 0; first < rows.size(0); first += batch_size) {
    const auto last = std::min(first + batch_size, rows.size(0));
    latents.slice(0, first, last).copy_(codes.encode(rows.slice(0, first, last), code));
  }
  return latents;
}

}  // namespace

RowSample::RowSample(std::int64_t wanted, std::int64_t of) : count_(std::min(wanted, of)), of_(of) {}

void RowSample::add(std::int64_t first, const torch::Tensor& rows) {
  std::vector<std::int64_t> here;
  for (; next_ < count_ && row_of(next_) < first + rows.size(0); ++next_)
    here.push_back(row_of(next_) - first);
  if (!here.empty())
    parts_.push_back(rows.index_select(0, torch::tensor(here, torch::kInt64).to(rows.device())));
}

std::vector<double> cknna_of_codes(const models::SparseAutoencoder& model, const PointCodes& codes,
                                   const torch::Tensor& rows, bool centred, std::int64_t batch_size,
                                   const std::function<void(double)>& done) {
  const auto neighbours = nearest_neighbours(centred ? model.normalise(rows) : rows);
  std::vector<double> values;
  for (std::size_t code = 0; code < codes.count(); ++code) {
    values.push_back(cknna(neighbours, nearest_neighbours(latents_of(model, codes, rows, code, batch_size))));
    done(static_cast<double>(values.size()) / static_cast<double>(codes.count()));
  }
  return values;
}

}  // namespace msae::eval
