// Metrics as the published implementation has them.
#pragma once

#include <string>

#include "support/golden.h"

namespace msae::test {

/// A data set of the fixture, as float64.
inline torch::Tensor metric(const std::string& path) {
  static const Golden file(MSAE_TEST_DATA "/metrics.h5");
  return file.tensor(path);
}

/// One of its cases of rows and reconstructions.
inline torch::Tensor reconstruction(const std::string& kind, const std::string& what) {
  return metric("reconstruction/" + kind + "/" + what);
}

}  // namespace msae::test
