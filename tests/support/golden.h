// Tensors of the published implementation.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "data/hdf5_file.h"

namespace msae::test {

/// A data set of numbers as float64, in its shape.
inline torch::Tensor golden(const data::hdf5::File& file, const std::string& path) {
  const auto shape = file.data_set(path).info().shape;
  return torch::tensor(file.read<double>(path), torch::kFloat64)
      .reshape(std::vector<std::int64_t>(shape.begin(), shape.end()));
}

/// The fixture of what compares spaces.
inline torch::Tensor comparison(const std::string& path) {
  static const auto file = data::hdf5::File::open(MSAE_TEST_DATA "/comparisons.h5");
  return golden(file, path);
}

}  // namespace msae::test
