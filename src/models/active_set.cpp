#include "models/active_set.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/vector_math.h"

namespace msae::models {

void ActiveSet::clear() {
  members_.clear();
  forward_.clear();
  values_.clear();
  left_.clear();
}

double ActiveSet::explained() const {
  return dot(forward_.data(), forward_.data(), size());
}

void ActiveSet::make_room() {
  const auto room = std::max(room_ + 1, std::min(expected_, std::max<std::size_t>(16, 2 * room_)));
  std::vector<double> factor(room * room);
  for (std::size_t i = 0; i < size(); ++i)
    std::copy(row(i) + i, row(i) + size(), factor.data() + i * room + i);
  factor_ = std::move(factor);
  room_ = room;
}

bool ActiveSet::push(std::int32_t latent, double correlation, double square,
                     std::span<const double> products) {
  const auto count = size();
  if (count == room_) make_room();
  // The factor's next column is its transpose's inverse times the products.
  added_.assign(products.begin(), products.end());
  solve_transposed(factor_.data(), room_, added_.data(), count);
  const double rest = square - dot(added_.data(), added_.data(), count);
  if (!(rest > independent_ * square)) return false;
  for (std::size_t i = 0; i < count; ++i) row(i)[count] = added_[i];
  row(count)[count] = 1 / std::sqrt(rest);
  forward_.push_back((correlation - dot(added_.data(), forward_.data(), count)) * row(count)[count]);
  members_.push_back(latent);
  values_.push_back(0);
  return true;
}

bool ActiveSet::add(std::int32_t latent, double correlation, double square,
                    std::span<const double> products) {
  left_.clear();
  if (!push(latent, correlation, square, products)) return false;
  if (!any_sign_ && !(forward_.back() > 0)) {  // its value would be that, over a positive number
    members_.pop_back();
    forward_.pop_back();
    values_.pop_back();
    return false;
  }
  solve();
  const auto negative = [](double value) { return !(value > 0); };
  // From the values there were towards those solved for, until one is zero, which leaves.
  while (!any_sign_ && std::any_of(solved_.begin(), solved_.end(), negative)) {
    double share = std::numeric_limits<double>::infinity();
    std::size_t first = 0;
    for (std::size_t i = 0; i < size(); ++i) {
      if (solved_[i] > 0) continue;
      const double here = values_[i] / (values_[i] - solved_[i]);
      if (here < share) share = here, first = i;
    }
    for (std::size_t i = 0; i < size(); ++i) values_[i] += share * (solved_[i] - values_[i]);
    values_[first] = 0;
    remove_zeros();
    solve();
  }
  values_ = solved_;
  return true;
}

void ActiveSet::settle() {
  left_.clear();
  do {
    solve();
    values_ = solved_;
    if (!any_sign_) remove_zeros();
  } while (size() < solved_.size());
}

void ActiveSet::remove_zeros() {
  for (auto i = size(); i-- > 0;) {
    if (values_[i] > 0) continue;
    left_.push_back(members_[i]);
    remove(i);
  }
}

void ActiveSet::solve() {
  solved_ = forward_;
  solve_triangular(factor_.data(), room_, solved_.data(), size());
}

// Without its column, all rows below have an entry too many at their left: rotations of neighbouring rows
// make the factor triangular again, the last row being zero then.
void ActiveSet::remove(std::size_t gone) {
  const auto count = size();
  for (auto i = gone; i + 1 < count; ++i) {
    auto *upper = row(i), *lower = row(i + 1);
    const double a = upper[i + 1], b = 1 / lower[i + 1], norm = std::sqrt(a * a + b * b);
    const double cosine = a / norm, sine = b / norm;
    upper[i + 1] = 1 / norm;
    for (auto j = i + 2; j < count; ++j) {
      const double above = upper[j], below = lower[j];
      upper[j] = cosine * above + sine * below;
      lower[j] = cosine * below - sine * above;
    }
    const double above = forward_[i], below = forward_[i + 1];
    forward_[i] = cosine * above + sine * below;
    forward_[i + 1] = cosine * below - sine * above;
  }
  for (std::size_t i = 0; i + 1 < count; ++i) {
    const auto from = std::max(gone, i);
    std::copy(row(i) + from + 1, row(i) + count, row(i) + from);
  }
  forward_.pop_back();
  const auto at = static_cast<std::ptrdiff_t>(gone);
  members_.erase(members_.begin() + at);
  values_.erase(values_.begin() + at);
}

}  // namespace msae::models
