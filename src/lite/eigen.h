// Eigen under a name of our own: a program that uses Eigen too may compile it for another processor, and
// functions of the same name that align memory differently would be taken one for the other.
#pragma once

#define EIGEN_DONT_PARALLELIZE  // no OpenMP: a caller's threads are the caller's business
#define Eigen msae_lite_eigen
#include <Eigen/Core>
#undef Eigen

#include <cstdint>
#include <type_traits>
#include <utility>

namespace msae::lite {

namespace eigen = msae_lite_eigen;

using RowMajor = eigen::Matrix<float, eigen::Dynamic, eigen::Dynamic, eigen::RowMajor>;

/// What Eigen sees floats in their place as: a vector or span of them, which may be const.
template <typename Plain, typename Floats>
using MapOf = eigen::Map<std::conditional_t<
    std::is_const_v<std::remove_pointer_t<decltype(std::declval<Floats>().data())>>, const Plain, Plain>>;

template <typename Floats>
MapOf<eigen::VectorXf, Floats> vector_of(Floats&& values) {
  return {values.data(), static_cast<eigen::Index>(values.size())};
}

/// [as many as there are, columns]
template <typename Floats>
MapOf<RowMajor, Floats> matrix_of(Floats&& values, std::int64_t columns) {
  return {values.data(), static_cast<eigen::Index>(values.size()) / columns, columns};
}

}  // namespace msae::lite
