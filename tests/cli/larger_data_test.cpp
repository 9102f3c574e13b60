// Data in several files, and more of it than memory may hold.
#include "cli/program.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using testing::HasSubstr;

// shards/part_1.h5 to part_10.h5:/rows, 60 rows of dimension 16 each.
void write_shards(const Workplace& here) {
  std::filesystem::create_directory(here / "shards");
  for (int part = 1; part <= 10; ++part) {
    std::vector<float> values(60 * 16);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>((i * i + 7 * static_cast<std::size_t>(part)) % 97) / 97;
    }
    Hdf5File(here / "shards" / ("part_" + std::to_string(part) + ".h5")).floats("/rows", {60, 16}, values);
  }
}

Arguments small_training(const std::string& data, const std::string& out, const Arguments& more = {}) {
  return Arguments{"train", data, "--out", out, "--latents", "64", "--steps", "20", "--batch-size", "150"} +
         more;
}

TEST(LargerData, InSeveralFilesIsTrainedOnAndTold) {
  const Workplace here;
  write_shards(here);
  ASSERT_THAT(here.run(small_training("shards", "whole")), Succeeds());
  ASSERT_THAT(here.run(small_training("shards/part_*.h5:/rows", "pattern")), Succeeds());
  EXPECT_TRUE(here.weights("whole") == here.weights("pattern"));
  EXPECT_THAT(here.run({"eval", "whole", "--data", "shards:/rows"}), Succeeds());
  const auto told = here.run({"info", "shards", "--json", "-"});
  ASSERT_THAT(told, Succeeds());
  const auto files = parse(told.out).at("data_sets");
  ASSERT_EQ(files.size(), 10u);
  EXPECT_EQ(files[9].at("path"), "shards/part_10.h5:/rows");
  EXPECT_EQ(files[9].at("shape").at(0), 60);
}

TEST(LargerData, IsShuffledAPartAtATimeTheSameWayAgain) {
  const Workplace here;
  const std::string data = "data.h5:/embeddings";
  ASSERT_THAT(here.run(small_training(data, "all", {"--shuffle-rows", "all"})), Succeeds());
  ASSERT_THAT(here.run(small_training(data, "auto")), Succeeds());
  const auto pooled = here.run(small_training(data, "parts", {"--shuffle-rows", "200"}));
  ASSERT_THAT(pooled, Succeeds());
  EXPECT_TRUE(here.weights("all") == here.weights("auto"));
  EXPECT_FALSE(here.weights("all") == here.weights("parts"));
  EXPECT_THAT(contents(here / "auto" / "options.toml"), HasSubstr("shuffle-rows = \"all\"\n"));
  EXPECT_THAT(contents(here / "parts" / "options.toml"), HasSubstr("shuffle-rows = 200\n"));
  ASSERT_THAT(here.run({"train", "--config", "parts/options.toml", "--out", "again"}), Succeeds());
  EXPECT_TRUE(here.weights("again") == here.weights("parts"));
}

TEST(LargerData, FilesOfTorchSaveAreTold) {
  const Workplace here;
  const std::string golden = MSAE_TEST_DATA "/torch_files/";
  for (const auto& [name, sets] : {std::pair("tensor.pt", 1u), std::pair("dict.pt", 3u)}) {
    const auto told = here.run({"info", golden + name, "--json", "-"});
    ASSERT_THAT(told, Succeeds());
    EXPECT_EQ(parse(told.out).at("kind"), "data");
    EXPECT_EQ(parse(told.out).at("data_sets").size(), sets);
  }
}

TEST(LargerData, IsRefusedWhereMemoryIsTooSmallForAPool) {
  const Workplace here;
  const std::string data = "data.h5:/embeddings";
  const auto refused = here.run(small_training(data, "out", {"--memory", "20kB"}));
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err,
              HasSubstr("--memory: 20.0 kB hold two pools of 138 rows of data.h5:/embeddings, too few"));
  EXPECT_FALSE(std::filesystem::exists(here / "out"));
  for (const auto* size : {"8", "GB", "-1GB", "1e400GB", "8 lots", "0GB", "nan GB"}) {
    const auto wrong = here.run(small_training(data, "out", {"--memory", size}));
    EXPECT_EQ(wrong.exit_code, 1) << size;
    EXPECT_THAT(wrong.err, HasSubstr("--memory: must be auto or a size like 8GB or 500MB, not '")) << size;
  }
  for (const auto* rows : {"0", "-3", "some", "1.5", "99999999999999999999"}) {
    const auto wrong = here.run(small_training(data, "out", {"--shuffle-rows", rows}));
    EXPECT_EQ(wrong.exit_code, 1) << rows;
    EXPECT_THAT(wrong.err, HasSubstr("--shuffle-rows: must be auto, all or at least 1, not '")) << rows;
  }
  EXPECT_THAT(here.run(small_training(data, "fits", {"--memory", "1.5 MiB"})), Succeeds());
}

}  // namespace
}  // namespace msae::test
