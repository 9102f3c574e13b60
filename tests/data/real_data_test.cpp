// Real CLIP embeddings, where the environment variable MSAE_REAL_DATA names their folder.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>

#include "msae/data/batch_loader.h"
#include "msae/data/source.h"
#include "msae/data/statistics.h"

namespace msae::data {
namespace {

class RealData : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("MSAE_REAL_DATA");
    if (folder == nullptr) GTEST_SKIP() << "MSAE_REAL_DATA names no folder";
    source_ = open(std::string(folder) + "/clip_vitb32_images.h5:/train/embeddings");
  }
  std::unique_ptr<EmbeddingSource> source_;
};

TEST_F(RealData, HasItsRowsAtUnitNorm) {
  ASSERT_EQ(source_->rows(), 41599);
  ASSERT_EQ(source_->dim(), 512);
  std::vector<float> rows(41599 * 512);
  source_->read(0, 41599, rows);
  for (auto row = rows.begin(); row != rows.end(); row += 512) {
    ASSERT_NEAR(std::sqrt(std::inner_product(row, row + 512, row, 0.0)), 1, 2e-3);
  }
}

TEST_F(RealData, HasAMeanOfNorm069) {
  const auto found = statistics(*source_);
  const double squared = std::inner_product(found.mean.begin(), found.mean.end(), found.mean.begin(), 0.0);
  EXPECT_NEAR(std::sqrt(squared), 0.69, 0.01);
  EXPECT_NEAR(found.mean_squared_deviation, 1 - squared, 1e-3);
}

TEST_F(RealData, GivesTheSameBatchesInMemoryAndStreamed) {
  BatchLoader in_memory(*source_, {.batch_size = 4096});
  std::vector<std::vector<float>> batches;
  for (int i = 0; i < 3; ++i) batches.push_back(in_memory.next().values);
  in_memory.seek(0, 0);  // ends its thread: the source has one reader at a time
  BatchLoader streamed(*source_, {.batch_size = 4096, .memory = 1, .shuffle_rows = all_rows});
  for (const auto& batch : batches) EXPECT_EQ(streamed.next().values, batch);
}

}  // namespace
}  // namespace msae::data
