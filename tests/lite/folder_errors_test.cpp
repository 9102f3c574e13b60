// What the encoder says about folders that hold no model, or a damaged one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "lite/hand_made.h"
#include "msae/core/error.h"
#include "msae/lite/encoder.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::lite {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

// A model of dimension 3 with 4 latents, for a test to damage.
class LiteDamagedFolder : public ::testing::Test {
 protected:
  LiteDamagedFolder() { write(); }

  void write(const std::string& dtype = "F32") const { test::write_model(made_, folder_.path(), dtype); }
  fs::path config() const { return folder_ / io::config_name; }
  fs::path weights() const { return folder_ / io::weights_name; }

  void expect_refused(const std::string& sentence) const {
    EXPECT_THAT([&] { const Encoder model(folder_.path()); },
                ThrowsMessage<IoError>(
                    AllOf(HasSubstr(folder_.path().string()), HasSubstr(sentence), Not(HasSubstr("\n")))));
  }
  void expect_refused_config(const json::json_pointer& place, const json& value,
                             const std::string& sentence) const {
    auto text = json::parse(files::read_text(config(), 1 << 20));
    text[place] = value;
    test::overwrite(config(), text.dump());
    expect_refused(sentence);
    write();
  }

  test::TempDir folder_;
  test::HandMade made_ = test::hand_made({.dim = 3, .latents = 4, .activation = models::BatchTopK{2}});
};

TEST_F(LiteDamagedFolder, FilesAreMissing) {
  EXPECT_THAT([&] { const Encoder model(folder_ / "none"); },
              ThrowsMessage<IoError>(HasSubstr("none: there is no such folder")));
  EXPECT_THAT([&] { const Encoder model(weights()); },
              ThrowsMessage<IoError>(HasSubstr("sae_weights.safetensors: is not a model folder")));
  fs::remove(weights());
  expect_refused("sae_weights.safetensors: cannot be opened: No such file or directory");
  fs::remove(config());
  expect_refused("is not a model folder, as it holds no cfg.json");
}

TEST_F(LiteDamagedFolder, FilesAreCutAnywhere) {
  for (const auto& path : {weights(), config()}) {
    const auto whole = files::read_text(path, 1 << 20);
    const auto last = whole.find_last_not_of('\n');  // a text may lack its last newline
    for (std::size_t length = 0; length < (path == config() ? last : whole.size()); ++length) {
      test::overwrite(path, whole.substr(0, length));
      EXPECT_THROW(Encoder(folder_.path()), IoError) << path << " of " << length << " bytes";
    }
    test::overwrite(path, whole);
  }
}

TEST_F(LiteDamagedFolder, WeightsAreNotFinite) {
  for (const auto bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e39}) {
    const auto whole = made_;
    const std::pair<std::vector<double>*, const char*> tensors[] = {{&made_.encoder, "W_enc"},
                                                                    {&made_.decoder, "W_dec"},
                                                                    {&made_.decoder_bias, "b_dec"},
                                                                    {&made_.latent_bias, "b_enc"},
                                                                    {&made_.threshold, "threshold"}};
    for (const auto& [values, name] : tensors) {
      values->back() = bad;
      write("F64");
      expect_refused("sae_weights.safetensors: tensor " + std::string(name) +
                     " holds NaN, infinite or too large values");
      made_ = whole;
    }
  }
}

TEST_F(LiteDamagedFolder, WeightsDoNotFitTheConfig) {
  expect_refused_config("/d_sae"_json_pointer, 5, "tensor W_enc has the shape [3, 4], expected [3, 5]");
  expect_refused_config("/d_in"_json_pointer, 0, "d_in must be at least 1, not 0");
  expect_refused_config("/msae/mean/1"_json_pointer, 1e39, "cfg.json: msae.mean does not fit float32");
  expect_refused_config("/msae/scale"_json_pointer, 1e39, "cfg.json: msae.scale does not fit float32");
  expect_refused_config("/msae/scale"_json_pointer, 1e-60, "cfg.json: msae.scale does not fit float32");
  expect_refused_config("/msae/format_version"_json_pointer, 99, "update msae to read the model");
  made_.config.soft_cap = -1;
  write();
  expect_refused("cfg.json: msae.soft_cap: must be positive");
}

TEST_F(LiteDamagedFolder, ThresholdsDifferWhereThereIsOne) {
  made_.threshold[2] = 7;
  write();
  expect_refused("tensor threshold is not the same for all latents, as that of a batch-topk model is");
}

TEST_F(LiteDamagedFolder, WeightsAreNoFloats) {
  auto text = files::read_text(weights(), 1 << 20);
  for (auto at = text.find("F32"); at != std::string::npos; at = text.find("F32")) text.replace(at, 3, "I32");
  test::overwrite(weights(), text);
  expect_refused("tensor W_enc is I32, expected F32, F64, F16 or BF16");
}

}  // namespace
}  // namespace msae::lite
