// What the program says about a folder that is no model, or no longer one.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "cli/program.h"
#include "io/tensor_file.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;

class DamagedRun : public testing::Test {
 protected:
  fs::path weights() const { return here.path() / "run" / "sae_weights.safetensors"; }
  fs::path config() const { return here.path() / "run" / "cfg.json"; }

  void expect_refused(const std::vector<std::string>& words) const {
    EXPECT_THAT(here.run({"eval", "run", "--data", "data.h5:/embeddings"}), FailsSaying(words));
    EXPECT_THAT(here.run({"info", "run"}), FailsSaying(words));
  }
  void change_tensors(const std::function<void(io::TensorFile&)>& change) const {
    auto file = io::load_tensors(weights());
    change(file);
    io::save_tensors(weights(), file);
  }

  Workplace here;
};

TEST_F(DamagedRun, FolderIsMissingOrEmptyOrAFile) {
  const auto eval = [&](const std::string& run) {
    return here.run({"eval", run, "--data", "data.h5:/embeddings"});
  };
  fs::create_directory(here / "empty");
  EXPECT_THAT(eval("none"), FailsSaying({"none: there is no such folder"}));
  EXPECT_THAT(eval("empty"), FailsSaying({"empty: is not a model folder", "cfg.json"}));
  EXPECT_THAT(eval("data.h5"), FailsSaying({"data.h5: is not a folder"}));
  EXPECT_THAT(here.run({"info", "empty"}), FailsSaying({"empty: is a folder without a model"}));
}

TEST_F(DamagedRun, WeightsAreMissing) {
  fs::remove(weights());
  expect_refused({"run/sae_weights.safetensors: cannot be opened"});
}

TEST_F(DamagedRun, TensorIsMissing) {
  change_tensors([](io::TensorFile& file) { file.tensors.erase("b_enc"); });
  expect_refused({"run/sae_weights.safetensors: has no tensor b_enc; it holds "});
}

TEST_F(DamagedRun, TensorHasTheWrongShape) {
  change_tensors([](io::TensorFile& file) { file.tensors["W_dec"] = torch::zeros({64, 15}); });
  expect_refused({"run/sae_weights.safetensors: tensor W_dec", "[64, 15], expected [64, 16]"});
}

TEST_F(DamagedRun, WeightsAreTruncated) {
  fs::resize_file(weights(), fs::file_size(weights()) / 2);
  expect_refused({"run/sae_weights.safetensors: "});
  fs::resize_file(weights(), 4);
  expect_refused({"run/sae_weights.safetensors: "});
  fs::resize_file(weights(), 0);
  expect_refused({"run/sae_weights.safetensors: "});
}

TEST_F(DamagedRun, ConfigIsMalformed) {
  std::ofstream(config()) << "{\"d_in\": 16,";
  expect_refused({"run/cfg.json: is not valid JSON"});
  std::ofstream(config()) << "{}";
  expect_refused({"run/cfg.json: architecture is missing"});
  std::ofstream(config()) << "";
  expect_refused({"run/cfg.json: is not valid JSON"});
}

TEST_F(DamagedRun, ConfigIsOfALaterVersion) {
  auto json = parse(contents(config()));
  json["msae"]["format_version"] = 1000;
  std::ofstream(config()) << json;
  expect_refused({"run/cfg.json: ", "update msae"});
}

TEST_F(DamagedRun, SavedStateIsTruncated) {
  const auto state = here.path() / "run" / "state" / "state.safetensors";
  fs::resize_file(state, fs::file_size(state) / 2);
  const auto before = contents(weights());
  EXPECT_THAT(here.run({"train", "--out", "run", "--resume"}), FailsSaying({"run/state/state.safetensors"}));
  EXPECT_EQ(contents(weights()), before);
}

TEST_F(DamagedRun, OptionsAreDamaged) {
  const auto options = here.path() / "run" / "options.toml";
  for (const auto* text : {"", "garbage", "[train]\nunknown = 1\n"}) {
    std::ofstream(options, std::ios::trunc) << text;
    EXPECT_THAT(here.run({"train", "--out", "run", "--resume"}),
                FailsSaying({"run/options.toml: is damaged", "give DATA and all options again"}));
  }
}

TEST_F(DamagedRun, MetricsAreNoRegularFile) {
  const auto metrics = here.path() / "run" / "metrics.csv";
  const auto resume = [&] { return here.run({"train", "--out", "run", "--resume"}); };
  fs::remove(metrics);
  ASSERT_EQ(::mkfifo(metrics.c_str(), 0600), 0);  // to open it would be to wait for a writer
  EXPECT_THAT(resume(), FailsSaying({"run/metrics.csv: is not a regular file"}));
  fs::remove(metrics);
  fs::create_directory(metrics);
  EXPECT_THAT(resume(), FailsSaying({"run/metrics.csv: is not a regular file"}));
}

}  // namespace
}  // namespace msae::test
