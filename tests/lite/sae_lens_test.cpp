// Folders that SAELens wrote or read, beside what SAELens computed from them.
#include <gtest/gtest.h>

#include "io/model_files.h"
#include "lite/read_floats.h"
#include "msae/lite/encoder.h"

namespace msae::lite {
namespace {

std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(MSAE_TEST_DATA) / "saelens" / name;
}

std::vector<float> expected(const std::string& folder, const std::string& name) {
  const io::SafetensorsFile file(fixture(folder) / "expected.safetensors");
  return StoredFloats(file, name, file.entry(name).shape).all();
}

void expect_close(const std::vector<float>& ours, const std::vector<float>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  float largest = 0;
  for (const auto value : theirs) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    ASSERT_NEAR(ours[i], theirs[i], 1e-5 * largest);
    ASSERT_EQ(ours[i] > 0, theirs[i] > 0);
  }
}

class LiteSaeLensFolder : public ::testing::TestWithParam<const char*> {};

TEST_P(LiteSaeLensFolder, ComputesWhatSaeLensComputes) {
  const Encoder model(fixture(GetParam()));
  expect_close(model.encode_dense(expected(GetParam(), "x")), expected(GetParam(), "encode"));
  expect_close(model.decode_dense(expected(GetParam(), "encode")), expected(GetParam(), "decode"));
}

INSTANTIATE_TEST_SUITE_P(, LiteSaeLensFolder,
                         ::testing::Values("topk", "jumprelu", "standard", "standard_no_b_dec_to_input",
                                           "mapped_topk", "mapped_relu", "mapped_msae_rw", "ours_matryoshka",
                                           "ours_batch_topk"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace msae::lite
