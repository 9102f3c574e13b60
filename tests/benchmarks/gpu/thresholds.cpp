#include "benchmarks/gpu/thresholds.h"

#include <algorithm>
#include <cmath>

namespace msae::gpu_benchmark {

std::vector<double> thresholds_between(std::vector<double> shares, double encoder) {
  constexpr double never = 2;
  std::erase_if(shares, [](double share) { return share <= 0; });  // adds nothing, however it is worked on
  std::sort(shares.begin(), shares.end());
  shares.erase(std::unique(shares.begin(), shares.end()), shares.end());
  // Below the largest share there is a matrix, and with it the dense product.
  if (shares.empty() || encoder > shares.back()) shares.push_back(encoder);
  std::vector<double> between = {shares.front() / 2};
  for (std::size_t i = 1; i < shares.size(); ++i) between.push_back(std::sqrt(shares[i - 1] * shares[i]));
  between.push_back(never);
  return between;
}

}  // namespace msae::gpu_benchmark
