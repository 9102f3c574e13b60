// Least squares on a few latents that come one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace msae::models {

/// The values v of a few latents, its members, that minimise |target - sum of v_i w_i|, with w_i their
/// decoder rows; not negative unless told otherwise: the inner loop of Lawson and Hanson's non-negative least
/// squares (Solving Least Squares Problems, 1974, chapter 23). Keeps the Cholesky factor of the members' Gram
/// matrix, a column longer for a latent that joins, rotated for one that leaves. All in double precision.
class ActiveSet {
 public:
  /// \param independent share of a decoder row's square that has to stick out of what the members span; more
  ///                    than the rounding of the products
  /// \param expected    members at most, so that no memory is taken for more; more may come
  explicit ActiveSet(bool any_sign, double independent = 1e-9, std::size_t expected = SIZE_MAX)
      : any_sign_(any_sign), independent_(independent), expected_(expected) {}

  /// Forgets all members, but keeps the memory.
  void clear();

  /// Takes a latent in and brings all values up to date; members whose values would not be positive leave,
  /// the new one among them at times.
  /// \param latent      none of the members
  /// \param correlation of the target and its decoder row
  /// \param square      of its decoder row's norm
  /// \param products    [members], of its decoder row and those of the members
  /// \return false, and nothing changes, where its decoder row is a sum of theirs to rounding, or its own
  ///         value would not be positive
  bool add(std::int32_t latent, double correlation, double square, std::span<const double> products);

  /// Takes a latent in whatever its value will be, as the first of many; settle() has to follow.
  /// \return false, and nothing changes, where its decoder row is a sum of theirs to rounding
  bool push(std::int32_t latent, double correlation, double square, std::span<const double> products);

  /// Values of all that were pushed. Those whose values would not be positive leave, all at once, until there
  /// are none: some of them may deserve to be added again.
  void settle();

  std::size_t size() const { return members_.size(); }
  std::span<const std::int32_t> members() const { return members_; }
  /// [members]
  std::span<const double> values() const { return values_; }
  /// Members that left in the last add() or settle(), in whose place others now stand.
  const std::vector<std::int32_t>& left() const { return left_; }
  /// The square of the target's part in what the members span. It grows with every add(), but for rounding.
  double explained() const;

 private:
  double* row(std::size_t i) { return factor_.data() + i * room_; }
  void make_room();
  void solve();
  void remove(std::size_t gone);
  void remove_zeros();

  bool any_sign_;
  double independent_;
  std::size_t expected_;
  std::vector<std::int32_t> members_;
  std::size_t room_ = 0;  ///< for members
  /// [room, room], upper triangle, its diagonal inverted: the transpose times it is the Gram matrix.
  std::vector<double> factor_;
  std::vector<double> forward_;  ///< [members], the transposed factor's inverse times the correlations
  std::vector<double> added_;    ///< [members], the factor's next column
  std::vector<double> solved_;   ///< [members], values that may be negative
  std::vector<double> values_;
  std::vector<std::int32_t> left_;
};

}  // namespace msae::models
