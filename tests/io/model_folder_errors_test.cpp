// What load() says about folders that hold no model, or a damaged one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "io/random_model.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "msae/io/model_folder.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

using nlohmann::json;
using test::overwrite;
using test::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

// Damage to one field of msae.activation.
std::function<void(json&)> with(const char* key, const json& value) {
  return [key, value](json& c) { c["msae"]["activation"][key] = value; };
}

// A saved model of dimension 12 with 40 latents, for a test to damage.
class DamagedFolder : public ::testing::Test {
 protected:
  DamagedFolder() { fill(models::Matryoshka{.levels = {2, 7, 40}}); }

  void fill(const models::Activation& activation) {
    save(test::random_model(activation), folder_.path());
    config_ = json::parse(files::read_text(config_path(), 1 << 20));
    tensors_ = load_tensors(weights_path());
  }
  std::filesystem::path config_path() const { return folder_ / "cfg.json"; }
  std::filesystem::path weights_path() const { return folder_ / "sae_weights.safetensors"; }

  void expect_refused(const std::string& sentence) const {
    EXPECT_THAT([&] { load(folder_.path()); },
                ThrowsMessage<IoError>(AllOf(HasSubstr(folder_.path().string()), HasSubstr(sentence),
                                             Not(HasSubstr("exception")), Not(HasSubstr("\n")))));
  }
  void expect_refused(const std::function<void(json&)>& damage, const std::string& sentence) const {
    auto config = config_;
    damage(config);
    overwrite(config_path(), config.dump());
    expect_refused(sentence);
  }
  void expect_refused(const std::string& tensor, const torch::Tensor& value,
                      const std::string& sentence) const {
    auto file = tensors_;
    file.tensors[tensor] = value;
    save_tensors(weights_path(), file);
    expect_refused(sentence);
  }

  TempDir folder_;
  json config_;
  TensorFile tensors_;
};

TEST_F(DamagedFolder, FilesAreMissing) {
  EXPECT_THAT([&] { load(folder_ / "none"); },
              ThrowsMessage<IoError>(HasSubstr("none: there is no such folder")));
  EXPECT_THAT([&] { load(config_path()); }, ThrowsMessage<IoError>(HasSubstr("cfg.json: is not a folder")));
  std::filesystem::remove(weights_path());
  expect_refused("sae_weights.safetensors: cannot be opened: No such file or directory");
  std::filesystem::remove(config_path());
  expect_refused("is not a model folder, as it holds no cfg.json");
}

TEST_F(DamagedFolder, FilesAreNamedPipes) {  // to open one would be to wait for a writer
  for (const auto& path : {weights_path(), config_path()}) {
    std::filesystem::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    expect_refused(path.filename().string() + ": is not a regular file");
  }
}

TEST_F(DamagedFolder, ConfigIsNoConfig) {
  const auto refused = [&](const std::string& text, const std::string& sentence) {
    overwrite(config_path(), text);
    expect_refused(sentence);
  };
  refused("", "cfg.json: is not valid JSON (byte 1)");
  refused("{\"d_in\": 12,}", "cfg.json: is not valid JSON (byte 13)");
  refused("[]", "cfg.json: the file must be a JSON object, not []");
  refused("{}", "cfg.json: architecture is missing");
  refused(std::string(1'000'000, '['), "cfg.json: is nested too deeply");
}

TEST_F(DamagedFolder, FieldsHaveTheWrongTypeOrSize) {
  expect_refused([](json& c) { c["d_in"] = -1; }, "cfg.json: d_in must be at least 1, not -1");
  expect_refused([](json& c) { c["d_in"] = 12.5; }, "cfg.json: d_in must be a whole number, not 12.5");
  expect_refused([](json& c) { c["d_sae"] = "40"; }, "cfg.json: d_sae must be a whole number, not \"40\"");
  expect_refused([](json& c) { c["d_sae"] = 18446744073709551615u; },
                 "cfg.json: d_sae must be a whole number");
  expect_refused([](json& c) { c.erase("d_sae"); }, "cfg.json: d_sae is missing");
  expect_refused([](json& c) { c["architecture"] = 1; }, "cfg.json: architecture must be a text, not 1");
  expect_refused([](json& c) { c["apply_b_dec_to_input"] = "yes"; }, "must be true or false, not \"yes\"");
  expect_refused([](json& c) { c["msae"] = 1; }, "cfg.json: msae must be a JSON object, not 1");
}

TEST_F(DamagedFolder, OurOwnPartIsWrong) {
  expect_refused([](json& c) { c["msae"].erase("format_version"); },
                 "cfg.json: msae.format_version is missing");
  expect_refused([](json& c) { c["msae"]["format_version"] = 0; },
                 "msae.format_version must be at least 1, not 0");
  expect_refused([](json& c) { c["msae"]["format_version"] = 2; }, "update msae to read the model");
  expect_refused([](json& c) { c["msae"]["mean"].erase(0); }, "msae.mean has 11 numbers, but d_in is 12");
  expect_refused([](json& c) { c["msae"]["mean"] = 0; }, "msae.mean must be a list of numbers, not 0");
  expect_refused([](json& c) { c["msae"]["mean"][3] = 1e300; },
                 "msae.mean does not fit the weights' precision");
  expect_refused([](json& c) { c["msae"]["scale"] = 0; }, "msae.scale must be positive");
  expect_refused([](json& c) { c["msae"]["scale"] = 1e-300; },
                 "msae.scale does not fit the weights' precision");
  expect_refused([](json& c) { c["msae"]["scale"] = nullptr; }, "msae.scale must be a number, not null");
}

TEST_F(DamagedFolder, ActivationsAreImpossible) {
  const auto activation = [](const json& value) {
    return [value](json& c) { c["msae"]["activation"] = value; };
  };
  expect_refused(activation({{"kind", "softmax"}}), "msae.activation.kind is none of relu, topk, batch-topk");
  expect_refused(activation({{"kind", "topk"}}), "msae.activation.k is missing");
  expect_refused(activation({{"kind", "topk"}, {"k", "8"}}),
                 "msae.activation.k must be a whole number, not \"8\"");
  expect_refused(activation({{"kind", "topk"}, {"k", 41}}),
                 "cfg.json: k: must be from 1 to the number of latents");
  expect_refused(activation({{"kind", "relu"}}),
                 "architecture is \"topk\", which does not fit msae.activation.kind relu");
  expect_refused(
      [](json& c) {
        c["msae"]["activation"]["levels"] = {7, 2};
      },
      "cfg.json: levels: must ascend");
  expect_refused([](json& c) { c["msae"]["activation"]["levels"][0] = 2.5; },
                 "levels must be a list of whole numbers");
  expect_refused([](json& c) { c["msae"]["activation"]["weights"] = {1}; },
                 "cfg.json: weights: one is needed");
  expect_refused([](json& c) { c.erase("msae"), c["k"] = "8"; },
                 "cfg.json: k must be a whole number, not \"8\"");
}

TEST_F(DamagedFolder, OptionsAreImpossible) {
  const auto own = [](const char* key, const json& value) {
    return [key, value](json& c) { c["msae"][key] = value, c["architecture"] = "msae"; };
  };
  expect_refused(own("tied", "yes"), "cfg.json: msae.tied must be true or false, not \"yes\"");
  expect_refused(own("normalise_rows", 1), "cfg.json: msae.normalise_rows must be true or false, not 1");
  expect_refused(own("soft_cap", "1"), "cfg.json: msae.soft_cap must be a number, not \"1\"");
  expect_refused(own("soft_cap", -1),
                 "cfg.json: msae.soft_cap: must be positive and finite in float32, not -1");
  expect_refused(own("soft_cap", 1e-60), "cfg.json: msae.soft_cap: must be positive");
  expect_refused(own("ranking", 1), "cfg.json: msae.ranking must be a text, not 1");
  expect_refused(own("ranking", "a\nb"),
                 "cfg.json: msae.ranking is none of positive, value and magnitude: \"a\\nb\"");
  expect_refused([](json& c) { c["msae"]["soft_cap"] = 2; }, "cfg.json: architecture is \"topk\"");
  expect_refused([](json& c) { c["architecture"] = "msae"; }, "cfg.json: architecture is \"msae\"");
}

TEST_F(DamagedFolder, JumpReluIsImpossible) {
  fill(models::JumpRelu{});
  expect_refused([](json& c) { c["msae"]["activation"].erase("threshold"); },
                 "cfg.json: msae.activation.threshold is missing");
  expect_refused(with("threshold", 0), "cfg.json: threshold: must be positive");
  expect_refused(with("bandwidth", 1e60), "cfg.json: bandwidth: must be positive and finite in float32");
  expect_refused(with("bandwidth", "wide"), "msae.activation.bandwidth must be a number");
  expect_refused([](json& c) { c["msae"]["ranking"] = "value", c["architecture"] = "msae"; },
                 "cfg.json: msae.ranking: a jump-relu model has positive latents alone");
  overwrite(config_path(), config_.dump());
  expect_refused("threshold", torch::full({40}, 0.0f) / 0,
                 "tensor threshold holds NaN, infinite or too large");
  expect_refused("threshold", torch::ones({39}), "tensor threshold has the shape [39], expected [40]");
  tensors_.tensors.erase("threshold");
  save_tensors(weights_path(), tensors_);
  expect_refused("sae_weights.safetensors: has no tensor threshold");
}

TEST_F(DamagedFolder, PrefixesAreImpossible) {
  fill(models::PrefixMatryoshka{.k = 5, .sizes = {10, 40}});
  expect_refused(with("sizes", {10, 20}), "cfg.json: sizes: the last one must be the number of latents");
  expect_refused(with("sizes", json::array()), "cfg.json: sizes: at least one");
  expect_refused(with("sizes", 40), "msae.activation.sizes must be a list of whole numbers");
  expect_refused(with("weights", {1}), "cfg.json: weights: one is needed");
  expect_refused(with("k", 0), "cfg.json: k: must be from 1");
  expect_refused([](json& c) { c["msae"]["activation"].erase("k"); }, "msae.activation.k is missing");
}

TEST_F(DamagedFolder, ThresholdsOfLevelsAreImpossible) {
  fill(models::Matryoshka{.levels = {2, 7, 40}, .batch = true});
  expect_refused(with("thresholds", {1, 2}),
                 "msae.activation.thresholds must have a number for each of the 3 levels, not 2");
  expect_refused(with("thresholds", json::array()), "for each of the 3 levels, not 0");
  expect_refused(with("thresholds", 0.5), "msae.activation.thresholds must be a list of numbers");
  expect_refused(with("thresholds", {1, 1e300, 1}),
                 "cfg.json: msae.activation.thresholds do not fit the weights' precision");
  expect_refused([](json& c) { c["msae"]["activation"].erase("thresholds"); },
                 "architecture is \"jumprelu\", which does not fit msae.activation.kind matryoshka");
}

TEST_F(DamagedFolder, TensorsAreMissingOrOfTheWrongShape) {
  const auto all = tensors_.tensors;
  for (const auto* name : {"W_enc", "W_dec", "b_enc", "b_dec"}) {
    tensors_.tensors = all;
    expect_refused(name, torch::zeros({3, 7}),
                   std::string("tensor ") + name + " has the shape [3, 7], expected [");
    tensors_.tensors.erase(name);
    save_tensors(weights_path(), tensors_);
    expect_refused(std::string("sae_weights.safetensors: has no tensor ") + name + "; it holds ");
  }
  tensors_.tensors = all;
  expect_refused("b_enc", torch::zeros({40}, torch::kInt64),
                 "tensor b_enc is I64, expected F32, F64, F16 or BF16");
}

TEST_F(DamagedFolder, SizesOfTheConfigAreHeldAgainstTheTensorsBeforeMemoryIsTaken) {
  expect_refused([](json& c) { c["d_sae"] = 1'000'000'000'000; },
                 "tensor W_enc has the shape [12, 40], expected [12, 1000000000000]");
}

TEST_F(DamagedFolder, WeightsAreNotFinite) {
  for (const auto* name : {"W_enc", "W_dec", "b_enc", "b_dec"}) {
    const auto value = tensors_.tensors.at(name).clone();
    value.view(-1)[5] = std::numeric_limits<float>::quiet_NaN();
    expect_refused(name, value, std::string("tensor ") + name + " holds NaN, infinite or too large values");
  }
}

TEST_F(DamagedFolder, ThresholdsDiffer) {
  fill(models::BatchTopK{.k = 5});
  expect_refused("threshold", torch::rand({40}), "tensor threshold is not the same for all latents");
}

TEST_F(DamagedFolder, HalfPrecisionWeightsAreReadAsFloat32) {
  // Written by hand, as no writer of ours stores float16.
  files::AtomicFile file(weights_path());
  std::vector<SafetensorsWriter::Declaration> declarations;
  for (const auto& [name, tensor] : tensors_.tensors)
    declarations.push_back({name, "F16", tensor.sizes().vec()});
  SafetensorsWriter writer(file, declarations);
  for (const auto& [name, tensor] : tensors_.tensors) {
    const auto half = tensor.to(torch::kFloat16).contiguous();
    writer.write({static_cast<const std::byte*>(half.data_ptr()), half.nbytes()});
  }
  file.commit();
  const auto model = load(folder_.path());
  EXPECT_EQ(model->decoder.scalar_type(), torch::kFloat32);
  const auto expected = tensors_.tensors.at("W_dec").to(torch::kFloat16).to(torch::kFloat32) * model->scale;
  EXPECT_TRUE(model->decoder.allclose(expected));
}

TEST_F(DamagedFolder, WeightsCutAnywhereAreRefused) {
  const auto whole = files::read_text(weights_path(), 1 << 20);
  for (std::size_t size = 0; size < whole.size(); size += size < 500 ? 1 : 97) {
    overwrite(weights_path(), whole.substr(0, size));
    EXPECT_THROW(load(folder_.path()), IoError) << "cut at byte " << size;
  }
}

TEST_F(DamagedFolder, RandomDamageIsReadOrRefusedButNeverCrashes) {
  std::mt19937_64 random(2);
  int refused = 0;
  for (const auto& path : {config_path(), weights_path()}) {
    const auto whole = files::read_text(path, 1 << 20);
    for (int round = 0; round < 1000; ++round) {
      auto damaged = whole;
      const auto range = std::min<std::size_t>(whole.size(), 700);  // headers rather than weights
      for (auto flips = 1 + random() % 3; flips > 0; --flips) {
        damaged[random() % range] ^= static_cast<char>(1u << (random() % 8));
      }
      overwrite(path, damaged);
      try {
        load(folder_.path());
      } catch (const IoError&) {
        ++refused;
      }
    }
    overwrite(path, whole);
  }
  EXPECT_GT(refused, 1000);
  EXPECT_NO_THROW(load(folder_.path()));
}

}  // namespace
}  // namespace msae::io
