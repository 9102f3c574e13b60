// A Trainer filled with another engine, or with rows that stay on the device.
#include <c10/util/Exception.h>
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "support/error_of.h"
#include "support/temp_dir.h"
#include "train/feed.h"
#include "train/small_run.h"

namespace msae::train {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t plenty = 1 << 30;

TrainerParts with_memory(std::uint64_t bytes) {
  return {.free_memory = [bytes] { return bytes; }};
}

// Room for the rows as float16 alone: half of it is for them.
std::uint64_t for_half(const data::EmbeddingSource& rows) {
  return 2 * resident_bytes(rows, torch::kFloat16);
}

bool same(const models::SparseAutoencoder& a, const models::SparseAutoencoder& b) {
  return torch::equal(a.encoder, b.encoder) && torch::equal(a.decoder, b.decoder) &&
         torch::equal(a.latent_bias, b.latent_bias) && torch::equal(a.pre_bias, b.pre_bias);
}

std::string fingerprint_in(const std::filesystem::path& run) {
  return io::SafetensorsFile(run / "state" / "state.safetensors").metadata().at("fingerprint");
}

// Trains a new model for some steps, or to the end.
models::SparseAutoencoder trained(data::EmbeddingSource& rows, const TrainerParts& parts,
                                  const RunOptions& run = {}, std::int64_t steps = 1000) {
  auto model = make_model();
  Trainer trainer(model, brief(), parts);
  std::atomic<bool> stop{false};
  trainer.stop_when(&stop);
  trainer.on_progress([&](const Progress& p) { stop = p.step == steps; });
  trainer.fit(rows, run);
  return model;
}

TEST(TrainerParts, TakeTheEngineTheyAreGiven) {
  auto data = make_data();
  auto model = make_model();
  int made = 0;
  const TrainerParts parts{.engine = [&](models::SparseAutoencoder& of, const TrainOptions& options) {
    ++made;
    EXPECT_EQ(options.dead_after, 150);
    EXPECT_NE(of.scale.item<double>(), 1);  // of the data, by now
    return make_autograd_engine(of, options);
  }};
  EXPECT_TRUE(Trainer(model, brief(), parts).fit(data).finished);
  EXPECT_EQ(made, 1);
}

TEST(TrainerParts, KeepRowsOnTheDeviceToTheSameBits) {
  auto data = make_data();
  const test::TempDir folder;
  const auto streamed = trained(data, {}, {.folder = folder / "streamed"});
  const auto resident = trained(data, with_memory(plenty), {.folder = folder / "resident"});
  EXPECT_TRUE(same(streamed, resident));
  EXPECT_EQ(fingerprint_in(folder / "streamed"), fingerprint_in(folder / "resident"));
  // As are those of a run that changes from one to the other.
  trained(data, with_memory(plenty), {.folder = folder / "run"}, 7);
  EXPECT_TRUE(same(trained(data, {}, {.folder = folder / "run", .resume = true}), streamed));
}

TEST(TrainerParts, TellOfRowsThatAreRounded) {
  auto data = make_data();
  std::vector<std::string> lines;
  log::set_level(log::Level::info);
  log::set_sink([&](log::Level, std::string_view line) { lines.emplace_back(line); });
  const auto exact = trained(data, {}), rounded = trained(data, with_memory(for_half(data)));
  trained(data, with_memory(for_half(data) - 2));
  log::set_sink({});
  log::set_level(log::Level::warning);
  EXPECT_FALSE(same(exact, rounded));
  EXPECT_TRUE(torch::allclose(exact.decoder, rounded.decoder, 0.1, 0.05));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], HasSubstr("kept on cpu as float16, which rounds them"));
  EXPECT_THAT(lines[1], HasSubstr("read from the host batch by batch"));
}

TEST(TrainerParts, GoOnWithTheRowsTheRunBeganWith) {
  auto data = make_data();
  const test::TempDir folder;
  const auto straight = trained(data, with_memory(for_half(data)));
  const RunOptions run{.folder = folder / "run"}, resume{.folder = folder / "run", .resume = true};
  trained(data, with_memory(for_half(data)), run, 7);
  EXPECT_THAT(error_of<IoError>([&] { trained(data, {}, resume); }),
              HasSubstr("rows as was float16 and is unset now"));
  EXPECT_THAT(error_of<IoError>([&] { trained(data, with_memory(100), resume); }),
              HasSubstr("run: the run began with its rows rounded to float16"));
  EXPECT_TRUE(same(trained(data, with_memory(plenty), resume), straight));
  // Nothing is left to do, nor to be read.
  EXPECT_TRUE(same(trained(data, with_memory(100), resume), straight));

  const RunOptions other{.folder = folder / "exact"},
      resume_other{.folder = folder / "exact", .resume = true};
  trained(data, {}, other, 7);
  EXPECT_TRUE(same(trained(data, with_memory(for_half(data)), resume_other), trained(data, {})));
}

// Counts what is read of rows that go by another name.
class Counted final : public data::EmbeddingSource {
 public:
  explicit Counted(data::EmbeddingSource& rows) : rows_(rows) {}
  std::int64_t rows() const override { return rows_.rows(); }
  std::int64_t dim() const override { return rows_.dim(); }
  std::string name() const override { return "counted"; }

  std::int64_t rows_read = 0;

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    rows_read += count;
    rows_.read(first, count, out);
  }

  data::EmbeddingSource& rows_;
};

TEST(KeptRows, AreReadOnceForRunsThatFollowEachOther) {
  auto plain = make_data();
  Counted data(plain);
  auto parts = with_memory(plenty);
  const auto rows_read = [&](const TrainerParts& by) {
    const auto before = data.rows_read;
    EXPECT_TRUE(same(trained(data, by), trained(plain, {})));
    return data.rows_read - before;
  };
  const auto alone = rows_read(parts);
  EXPECT_EQ(rows_read(parts), alone);
  parts.kept_rows = std::make_shared<KeptRows>();
  EXPECT_EQ(rows_read(parts), alone);
  EXPECT_EQ(rows_read(parts), alone - 150);  // the statistics are taken anew
  // What they take counts as free: so much less has to be.
  const auto least = 2 * resident_bytes(data, torch::kFloat32) - 150 * 12 * sizeof(float);
  parts.free_memory = [least] { return least; };
  EXPECT_EQ(rows_read(parts), alone - 150);
  Counted other(plain);
  trained(other, parts);
  EXPECT_GT(other.rows_read, 150);
}

TEST(KeptRows, OfHalfPrecisionGoToRunsThatWantThem) {
  auto data = make_data();
  const auto rounded = trained(data, with_memory(for_half(data))), exact = trained(data, {});
  const test::TempDir folder;
  const RunOptions run{.folder = folder / "run"}, resume{.folder = folder / "run", .resume = true};
  trained(data, {}, run, 7);  // on exact rows
  auto parts = with_memory(for_half(data));
  parts.kept_rows = std::make_shared<KeptRows>();
  EXPECT_TRUE(same(trained(data, parts), rounded));
  parts.free_memory = [least = for_half(data) - std::uint64_t{150 * 12 * 2}] { return least; };
  EXPECT_TRUE(same(trained(data, parts), rounded));
  EXPECT_TRUE(same(trained(data, parts, resume), exact));
  parts.free_memory = [] { return plenty; };
  EXPECT_TRUE(same(trained(data, parts), exact));
}

TEST(TrainerParts, StoppedWhileRowsAreBroughtToTheDeviceWritesNothing) {
  auto data = make_data();
  auto model = make_model();
  const test::TempDir folder;
  Trainer trainer(model, brief(), with_memory(plenty));
  std::atomic<bool> stop{false};
  int passes = 0;
  trainer.on_reading([&](double share) {
    passes += share == 1;
    stop = passes == 2;
  });
  trainer.stop_when(&stop);
  EXPECT_EQ(trainer.fit(data, {.folder = folder / "run"}).steps, 0);
  EXPECT_EQ(passes, 2);  // the statistics, and the rows
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(TrainerParts, SayWhatToLowerWhereTheDeviceHasNoMemory) {
  auto data = make_data();
  auto model = make_model();
  const TrainerParts parts{.engine = [](models::SparseAutoencoder&, const TrainOptions&) {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate 3.14 GiB.");
    return std::unique_ptr<Engine>();
  }};
  EXPECT_EQ(error_of<Error>([&] { Trainer(model, brief(), parts).fit(data); }),
            "cpu has not enough memory to train 32 latents on batches of 40; lower the batch size or the "
            "number of latents");
}

}  // namespace
}  // namespace msae::train
