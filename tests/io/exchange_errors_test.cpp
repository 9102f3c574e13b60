// What load() says about folders of sparsify and dictionary_learning that are damaged, or of a kind we have
// not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/atomic_file.h"
#include "io/random_model.h"
#include "io/tensor_file.h"
#include "io/torch_writer.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DamagedExchange : public ::testing::Test {
 protected:
  void expect_refused(const std::string& sentence) const {
    EXPECT_THAT(test::error_of<Error>([&] { load(folder_.path()); }),
                AllOf(HasSubstr(folder_.path().string()), HasSubstr(sentence), Not(HasSubstr("exception")),
                      Not(HasSubstr("\n"))));
  }
  // One field of the JSON file; nothing where `value` is discarded.
  void expect_refused(const std::string& file, const json::json_pointer& field, const json& value,
                      const std::string& sentence) const {
    const auto whole = files::read_text(folder_ / file, 1 << 20);
    auto config = json::parse(whole);
    config[field] = value;
    test::overwrite(folder_ / file, config.dump());
    expect_refused(sentence);
    test::overwrite(folder_ / file, whole);
  }
  // Cut anywhere, and with every byte changed: read or refused, and nothing else.
  void expect_only_refusals(const std::string& file) const {
    const auto whole = files::read_text(folder_ / file, 1 << 20);
    const auto step = std::max<std::size_t>(1, whole.size() / 150);
    for (std::size_t i = 0; i < whole.size(); i += i < 100 ? 1 : step) {
      auto damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
      for (const auto& bytes : {whole.substr(0, i), damaged}) {
        test::overwrite(folder_ / file, bytes);
        try {
          load(folder_.path());
        } catch (const Error&) {
        }
      }
    }
    test::overwrite(folder_ / file, "");
    expect_refused(file + ": is ");
  }

  test::TempDir folder_;
};

class DamagedSparsify : public DamagedExchange {
 protected:
  DamagedSparsify() { save_sparsify(test::random_model(models::TopK{3}), folder_.path()); }
  void refused(const char* field, const json& value, const std::string& sentence) const {
    expect_refused("cfg.json", json::json_pointer(std::string("/") + field), value, sentence);
  }
};

TEST_F(DamagedSparsify, FieldsAreWrong) {
  refused("activation", "groupmax",
          "cfg.json: activation is \"groupmax\": of sparsify's only topk can be read");
  refused("activation", 1, "cfg.json: activation must be a text, not 1");
  for (const auto* flag : {"skip_connection", "transcode", "signed"}) {
    refused(flag, true, std::string("cfg.json: ") + flag + " is true: only false can be read");
    refused(flag, "x", "must be true or false");
  }
  refused("d_in", 0, "cfg.json: d_in must be at least 1, not 0");
  refused("d_in", "12", "must be a whole number");
  refused("num_latents", -1, "cfg.json: num_latents must be at least 1, not -1");
  refused("k", 0, "cfg.json: k must be at least 1, not 0");
  refused("k", 41, "cfg.json: k must be from 1 to 40, the number of latents, not 41");
  refused("num_latents", 1ull << 40, "encoder.weight has the shape [40, 12], expected [1099511627776, 12]");
}

TEST_F(DamagedSparsify, LatentsAreCountedByTheFactorWhereTheirNumberIsZero) {
  auto config = json::parse(files::read_text(folder_ / "cfg.json", 1 << 20));
  config["num_latents"] = 0;
  config["expansion_factor"] = 1ll << 62;
  test::overwrite(folder_ / "cfg.json", config.dump());
  expect_refused("cfg.json: expansion_factor is too large");
  config["expansion_factor"] = 4;
  test::overwrite(folder_ / "cfg.json", config.dump());
  expect_refused("expected [48, 12]");
}

TEST_F(DamagedSparsify, TensorsAreMissingOrWrong) {
  const auto file = folder_ / "sae.safetensors";
  const auto whole = load_tensors(file);
  for (const auto& [name, tensor] : whole.tensors) {
    auto damaged = whole;
    damaged.tensors.erase(name);
    save_tensors(file, damaged);
    expect_refused("sae.safetensors: has no tensor " + name);
    damaged.tensors[name] = torch::zeros({2});
    save_tensors(file, damaged);
    expect_refused("tensor " + name + " has the shape [2], expected");
    damaged.tensors[name] = torch::full_like(tensor, INFINITY);
    save_tensors(file, damaged);
    expect_refused("tensor " + name + " holds NaN, infinite or too large values");
    damaged.tensors[name] = torch::ones_like(tensor, torch::kInt64);
    save_tensors(file, damaged);
    expect_refused("tensor " + name + " is I64, expected F32");
  }
  fs::remove(file);
  expect_refused("cfg.json: architecture is missing");  // which leaves a folder of SAELens, or none
}

TEST_F(DamagedSparsify, BytesAreDamaged) {
  expect_only_refusals("sae.safetensors");
}

class DamagedDictionary : public DamagedExchange {
 protected:
  DamagedDictionary() { fill(models::PrefixMatryoshka{.k = 3, .sizes = {2, 5, 40}}); }
  void fill(const models::Activation& activation) {
    save_dictionary_learning(test::random_model(activation), folder_.path());
  }
  void refused(const char* field, const json& value, const std::string& sentence) const {
    expect_refused("config.json", json::json_pointer(std::string("/trainer/") + field), value, sentence);
  }
  // ae.pt of a BatchTopKSAE, but for one tensor.
  void expect_tensor_refused(const std::string& name, const torch::Tensor& value,
                             const std::string& sentence) {
    std::map<std::string, torch::Tensor> state{
        {"encoder.weight", torch::ones({40, 12})}, {"encoder.bias", torch::ones({40})},
        {"decoder.weight", torch::ones({12, 40})}, {"b_dec", torch::ones({12})},
        {"k", torch::full({}, 3, torch::kInt32)},  {"threshold", torch::ones({})}};
    state.erase(name);
    if (value.defined()) state[name] = value;
    files::AtomicFile file(folder_ / "ae.pt");
    TorchWriter writer(file);
    writer.pickle().begin_ordered_dict();
    for (const auto& [key, tensor] : state) writer.tensor(key, tensor);
    writer.pickle().end_dict();
    writer.write();
    file.commit();
    expect_refused(sentence);
  }
};

TEST_F(DamagedDictionary, FieldsAreWrong) {
  refused("dict_class", "GatedAutoEncoder",
          "config.json: trainer.dict_class is \"GatedAutoEncoder\": only AutoEncoder, ");
  refused("dict_class", 3, "trainer.dict_class must be a text, not 3");
  refused("dict_class", "AutoEncoderTopK", "ae.pt: encoder.weight is missing; it holds W_enc, b_enc, W_dec");
  refused("k", 4, "ae.pt: tensor k does not hold the k of config.json, 4");
  refused("k", "x", "trainer.k must be a whole number");
  refused("activation_dim", 13, "trainer.activation_dim is 13, but ae.pt holds weights for 12");
  refused("dict_size", 41, "trainer.dict_size is 41, but ae.pt holds weights for 40");
  refused("group_weights", json({1, 2}), "trainer.weights");
  refused("group_weights", "x", "trainer.group_weights must be a list of numbers");
  test::overwrite(folder_ / "config.json", "{}");
  expect_refused("config.json: trainer is missing");
  test::overwrite(folder_ / "config.json", "");
  expect_refused("config.json: is not valid JSON");
  fs::remove(folder_ / "config.json");
  expect_refused("config.json: cannot be opened: No such file or directory");
  fs::remove(folder_ / "ae.pt");
  expect_refused("is not a model folder, as it holds no cfg.json, nor ae.pt of dictionary_learning");
}

TEST_F(DamagedDictionary, TensorsAreMissingOrWrong) {
  fill(models::BatchTopK{3});
  for (const auto* name : {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "threshold"}) {
    expect_tensor_refused(name, {}, std::string("ae.pt: ") + name + " is missing; it holds ");
    expect_tensor_refused(name, torch::ones({2, 2, 2}),
                          std::string("tensor ") + name + " has the shape [2, 2, 2]");
  }
  expect_tensor_refused("encoder.weight", torch::ones({0, 12}), "has the shape [0, 12], expected a matrix");
  expect_tensor_refused("decoder.weight", torch::ones({40, 12}), "has the shape [40, 12], expected [12, 40]");
  expect_tensor_refused("b_dec", torch::ones({12}, torch::kInt64), "is I64, expected F32, F64, F16 or BF16");
  expect_tensor_refused("k", torch::ones({}), "tensor k is F32, expected I64 or I32");
  expect_tensor_refused("k", torch::ones({2, 2}, torch::kInt64),
                        "tensor k has the shape [2, 2], expected a few");
  expect_tensor_refused("k", torch::full({}, 5, torch::kInt64),
                        "tensor k does not hold the k of config.json, 3");
}

TEST_F(DamagedDictionary, BytesAreDamaged) {
  expect_only_refusals("ae.pt");
}

}  // namespace
}  // namespace msae::io
