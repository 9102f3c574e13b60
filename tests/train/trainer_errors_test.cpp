// What Trainer says about data, options and saved states that it cannot train on.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_file.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"
#include "train/small_run.h"

namespace msae::train {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Trainer, TakesRowsOfOneColumn) {
  std::vector<float> values(120);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
  const auto data = data::in_memory(values, 1, "column");
  models::SparseAutoencoder model({.dim = 1, .latents = 8, .activation = models::Matryoshka{{2, 8}}});
  const auto result = Trainer(model, brief()).fit(*data);
  EXPECT_TRUE(result.finished);
  EXPECT_LT(result.last->fvu, 1);
}

TEST(Trainer, NamesRowsThatAreAllEqual) {
  const auto data = data::in_memory(std::vector<float>(1200, 0.5f), 12, "flat");
  auto model = make_model();
  EXPECT_THAT(error_of<Error>([&] { Trainer(model, brief()).fit(*data); }),
              StartsWith("flat: all rows are equal"));
}

TEST(Trainer, RefusesMoreEpochsThanCanBeCounted) {
  auto data = make_data();
  auto model = make_model();
  auto options = brief();
  options.epochs = std::numeric_limits<std::int64_t>::max();
  options.steps = 0;
  EXPECT_THAT(error_of<std::invalid_argument>([&] { Trainer(model, options).fit(data); }),
              StartsWith("epochs: 9223372036854775807 epochs of"));
}

TEST(Trainer, IsAloneInItsFolder) {
  auto data = make_data();
  const test::TempDir folder;
  auto model = make_model();
  auto second = make_model();
  Trainer trainer(model, brief());
  std::string refusal;
  trainer.on_progress([&](const Progress&) {
    refusal = error_of<IoError>(
        [&] { Trainer(second, brief()).fit(data, {.folder = folder / "run", .resume = true}); });
  });
  trainer.fit(data, {.folder = folder / "run"});
  EXPECT_THAT(refusal, HasSubstr("run: another run is writing to this folder"));
}

TEST(Trainer, SavesNoStateThatNobodyCanGoOnFrom) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  auto options = brief();
  options.learning_rate = 1e30;
  options.weight_decay = 0;
  options.clip = 0;
  const RunOptions run{.folder = folder / "run", .save_every_steps = 1, .log_every = 1000};
  EXPECT_THAT(error_of<Error>([&] { Trainer(model, options).fit(data, run); }),
              HasSubstr("training diverged"));
  const auto state = folder / "run" / "state" / "state.safetensors";
  if (!std::filesystem::exists(state)) return;
  for (const auto& [name, tensor] : io::load_tensors(state).tensors) {
    EXPECT_TRUE(name.rfind("model.", 0) != 0 || tensor.isfinite().all().item<bool>()) << name;
  }
}

// Rows that no memory has room for the order of: what a file of views into other files may declare.
class Endless final : public data::EmbeddingSource {
 public:
  std::int64_t rows() const override { return std::int64_t{1} << 50; }
  std::int64_t dim() const override { return 12; }
  std::string name() const override { return "endless"; }

 private:
  void read_rows(std::int64_t, std::int64_t, std::span<float> out) override {
    std::fill(out.begin(), out.end(), 1.0f);
  }
};

TEST(Trainer, AsksForMemoryBeforeItReadsTheData) {
  Endless data;
  auto model = make_model();
  const test::TempDir folder;
  const auto fit = [&](models::SparseAutoencoder& of, data::EmbeddingSource& rows, std::int64_t batch) {
    return error_of<Error>([&] { Trainer(of, {.batch_size = batch}).fit(rows, {.folder = folder / "run"}); });
  };
  EXPECT_THAT(fit(model, data, 40), StartsWith("an order of "));
  models::SparseAutoencoder wide({.dim = 1, .latents = 1'000'000, .activation = models::Relu{}});
  const auto many = data::in_memory(std::vector<float>(1'000'000), 1, "many");
  EXPECT_THAT(fit(wide, *many, 1'000'000),
              StartsWith("training 1000000 latents on batches of 1000000 needs"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Trainer, OnAFullDiskLeavesTheOldStateWhole) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  std::atomic<bool> stop{false};
  Trainer first(model, brief());
  first.stop_when(&stop);
  first.on_progress([&](const Progress& p) { stop = p.step == 7; });
  first.fit(data, {.folder = folder / "run"});
  const auto before = io::load_tensors(folder / "run" / "state" / "state.safetensors");
  const RunOptions resume{.folder = folder / "run", .resume = true};
  {
    const test::FileLimit limit(3000);
    EXPECT_THAT(error_of<IoError>([&] { Trainer(model, brief()).fit(data, resume); }),
                HasSubstr("state.safetensors: cannot be written: File too large"));
  }
  const auto after = io::load_tensors(folder / "run" / "state" / "state.safetensors");
  EXPECT_EQ(after.metadata, before.metadata);
  EXPECT_TRUE(torch::equal(after.tensors.at("model.decoder"), before.tensors.at("model.decoder")));
  EXPECT_TRUE(Trainer(model, brief()).fit(data, resume).finished);
}

// A state that was tampered with is refused by what is wrong with it, and stays as it is.
TEST(Trainer, RefusesADamagedState) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  Trainer(model, brief()).fit(data, {.folder = folder / "run"});
  const auto file = folder / "run" / "state" / "state.safetensors";
  const auto whole = io::load_tensors(file);
  const auto refusal = [&](const std::function<void(io::TensorFile&)>& change) {
    auto damaged = io::load_tensors(file);
    change(damaged);
    damaged.metadata.erase("crc32");  // a state without a sum is looked at all the same
    io::save_tensors(file, damaged);
    const auto said = error_of<IoError>(
        [&] { Trainer(model, brief()).fit(data, {.folder = folder / "run", .resume = true}); });
    EXPECT_THAT(said, StartsWith(file.string() + ": "));
    io::save_tensors(file, whole);
    return said;
  };
  const auto tensor = [](const char* name) {
    return [name](io::TensorFile& f) -> torch::Tensor& { return f.tensors.at(name); };
  };
  const auto decoder = tensor("model.decoder");
  EXPECT_THAT(refusal([&](auto& f) { decoder(f) = decoder(f).narrow(0, 0, 3).clone(); }),
              HasSubstr("model.decoder has another shape"));
  EXPECT_THAT(refusal([&](auto& f) { decoder(f) = decoder(f).to(torch::kFloat64); }),
              HasSubstr("model.decoder has another shape or type"));
  EXPECT_THAT(refusal([&](auto& f) { decoder(f)[0][0] = NAN; }), HasSubstr("model.decoder holds NaN"));
  EXPECT_THAT(refusal([&](auto& f) { tensor("adam.encoder.first")(f)[0][0] = INFINITY; }),
              HasSubstr("adam.encoder.first holds NaN or infinite"));
  EXPECT_THAT(refusal([&](auto& f) { f.tensors.erase("engine.sums"); }), HasSubstr("engine.sums is missing"));
  EXPECT_THAT(refusal([&](auto& f) { tensor("engine.counters")(f).fill_(-3); }),
              HasSubstr("engine.counters are negative"));
  EXPECT_THAT(refusal([](auto& f) { f.metadata["step"] = "-5"; }), HasSubstr("'-5'"));
  EXPECT_THAT(refusal([](auto& f) { f.metadata["step"] = "1000000"; }),
              HasSubstr("step 1000000 is beyond the run's"));
  EXPECT_THAT(refusal([](auto& f) { f.metadata.erase("step"); }), HasSubstr("'step' is missing"));
  EXPECT_THAT(refusal([](auto& f) { f.metadata["state_format"] = "2"; }), HasSubstr("newer version"));
}

}  // namespace
}  // namespace msae::train
