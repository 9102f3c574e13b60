// The published numbers of real embeddings, where the environment variables MSAE_REAL_DATA and MSAE_GOLDEN
// name their folders.
#include <gtest/gtest.h>

#include <cstdlib>

#include "msae/data/source.h"
#include "msae/eval/metrics.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace msae::eval {
namespace {

TEST(RealMetrics, ArePublishedOnes) {
  const char *data = std::getenv("MSAE_REAL_DATA"), *golden = std::getenv("MSAE_GOLDEN");
  if (data == nullptr || golden == nullptr) GTEST_SKIP() << "MSAE_REAL_DATA or MSAE_GOLDEN names no folder";
  const auto source = data::open(std::string(data) + "/clip_vitb32_images.h5:/test/embeddings");
  auto x = torch::empty({200, 512});
  source->read(3000, 200, {x.mutable_data_ptr<float>(), static_cast<std::size_t>(x.numel())});
  const auto file = test::Golden(std::string(golden) + "/metrics.h5");
  const auto published = [&](const std::string& what) {
    return file.tensor("reconstruction/clip_rows/" + what);
  };
  const auto y = x + published("noise").to(torch::kFloat32);
  EXPECT_CLOSE(fvu_per_row(x, y), published("fvu_rows"), 1e-6);
  EXPECT_CLOSE(fvu_per_row(x, y).mean(), published("fvu"), 1e-6);
  EXPECT_CLOSE(cosine_per_row(x, y), published("cosine_rows_torch"), 1e-6);
  EXPECT_CLOSE(cosine_per_row(x, y).mean(), published("cosine_mean"), 1e-6);
  EXPECT_CLOSE(nmae_per_row(x, y), published("nmae_rows"), 1e-6);
}

}  // namespace
}  // namespace msae::eval
