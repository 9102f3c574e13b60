#include "train/kept_rows.h"

namespace msae::train {

KeptRows::KeptRows() : impl_(std::make_unique<Impl>()) {}
KeptRows::~KeptRows() = default;

std::shared_ptr<const ResidentRows> KeptRows::Impl::take(data::EmbeddingSource& source,
                                                         const std::string& data, c10::Device device,
                                                         std::uint64_t free, HalfRows half,
                                                         const std::function<void(double)>& progress) {
  if (rows_ && rows_->values.device() == device) free += rows_->values.nbytes();
  const auto memory = free / 2;
  const bool same = rows_ && source_ == &source && data_ == data && rows_->values.device() == device;
  if (same && serve(half, resident_bytes(source, torch::kFloat32) <= memory)) return rows_;
  rows_.reset();
  source_ = &source;
  data_ = data;
  rows_ = rows_that_fit(source, device, memory, half, progress);
  return rows_;
}

// What rows_that_fit() would bring here anew: a run gets the rows that it would have alone.
bool KeptRows::Impl::serve(HalfRows half, bool single_fits) const {
  const bool single = half != HalfRows::always && single_fits;
  if (single != (rows_->values.scalar_type() == torch::kFloat32)) return false;
  return single || half != HalfRows::if_exact || !rows_->rounded;
}

}  // namespace msae::train
