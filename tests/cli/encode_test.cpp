// msae encode: the latents of every row.
#include <csignal>
#include <fstream>
#include <thread>

#include "cli/program.h"
#include "data/hdf5_file.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using data::hdf5::File;
using testing::AllOf;
using testing::HasSubstr;

Arguments encode(const std::string& out, const Arguments& more = {}) {
  return Arguments{"encode", "run", "--data", "data.h5:/embeddings", "--out", out} + more;
}

TEST(Encode, WritesTheLatentsOfEveryRow) {
  const Workplace here;
  const auto outcome = here.run(encode("l.h5", {"--json", "l.json"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("active per row"), HasSubstr("l.h5"), HasSubstr("600")));
  const auto json = parse(contents(here / "l.json"));
  const auto file = File::open(here / "l.h5");
  const auto starts = file.read<std::int64_t>("/indptr", data::hdf5::Shape{601});
  EXPECT_EQ(file.read<std::int64_t>("/shape"), (std::vector<std::int64_t>{600, 64}));
  EXPECT_EQ(json.at("file"), "l.h5");
  EXPECT_EQ(json.at("rows"), 600);
  EXPECT_EQ(json.at("latents"), 64);
  EXPECT_EQ(json.at("entries"), starts.back());
  EXPECT_NEAR(json.at("active"), static_cast<double>(starts.back()) / 600, 1e-9);
  EXPECT_FALSE(json.contains("rows_skipped"));
  const auto info = parse(here.run({"info", "l.h5", "--json", "-"}).out);
  EXPECT_EQ(info.at("run"), "run");
  EXPECT_EQ(info.at("data"), "data.h5:/embeddings");
  EXPECT_EQ(info.at("point"), "trained");
  EXPECT_EQ(info.at("codes"), "encoder");
  EXPECT_EQ(json.at("codes"), "encoder");
  EXPECT_FALSE(info.contains("view"));
}

TEST(Encode, InfoTakesNoOtherAttributesForThose) {
  const Workplace here;
  test::Hdf5File(here / "other.h5").floats("/rows", {2, 2}, {1, 2, 3, 4});
  const auto file = H5Fopen((here / "other.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const auto space = H5Screate(H5S_SCALAR);
  const auto number = H5Acreate2(file, "run", H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT);
  const int value = 7;
  EXPECT_GE(H5Awrite(number, H5T_NATIVE_INT, &value), 0);
  H5Aclose(number);
  H5Sclose(space);
  H5Fclose(file);
  const auto outcome = here.run({"info", "other.h5", "--json", "-"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_FALSE(parse(outcome.out).contains("run"));
}

TEST(Encode, PointsAreThoseOfEval) {
  const Workplace here;
  const auto points =
      parse(here.run({"eval", "run", "--data", "data.h5:/embeddings", "--k", "5", "--json", "-"}).out)
          .at(0)
          .at("points");
  const std::vector<std::pair<std::string, Arguments>> asked{
      {"trained", {}}, {"level 2", {"--level", "2"}}, {"all", {"--all"}}, {"k=5", {"--k", "5"}}};
  for (const auto& [label, words] : asked) {
    const auto outcome =
        here.run(encode("l.h5", words + Arguments{"--force", "--json", "-", "--batch-size", "77"}));
    ASSERT_THAT(outcome, Succeeds());
    const auto found = parse(outcome.out);
    EXPECT_EQ(found.at("point"), label);
    for (const auto& point : points) {
      if (point.at("label") != label) continue;
      EXPECT_NEAR(found.at("active"), point.at("active"), 1e-3) << label;
    }
  }
}

TEST(Encode, WritesTheCodesThatAreAskedFor) {
  const Workplace here;
  const Arguments codes{"--codes", "pursuit", "--candidates", "20"};
  const auto outcome = here.run(encode("l.h5", codes + Arguments{"--k", "5", "--json", "l.json"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, HasSubstr("k=5, pursuit among 20"));
  const auto json = parse(contents(here / "l.json"));
  EXPECT_EQ(json.at("codes"), "pursuit among 20");
  EXPECT_EQ(json.at("point"), "k=5");
  EXPECT_EQ(parse(here.run({"info", "l.h5", "--json", "-"}).out).at("codes"), "pursuit among 20");
  const auto point =
      parse(here.run(Arguments{"eval", "run", "--data", "data.h5:/embeddings", "--k", "5", "--json", "-"} +
                     codes)
                .out)
          .at(0)
          .at("points")
          .back();
  EXPECT_NEAR(json.at("active"), point.at("active"), 1e-3);
  const auto values = [&](const std::string& out, const Arguments& more) {
    EXPECT_THAT(here.run(encode(out, Arguments{"--k", "5"} + more)), Succeeds());
    return File::open(here / out).read<float>("/values");
  };
  EXPECT_NE(values("encoder.h5", {}), values("pursuit.h5", codes));
  EXPECT_THAT(here.run(encode("m.h5", {"--candidates", "5"})),
              FailsSaying({"--candidates: is for --codes pursuit"}));
  EXPECT_THAT(here.run(encode("m.h5", {"--codes", "pursuit", "--candidates", "5", "--all"})),
              FailsSaying({"--candidates: must be at least k, 16, or 0 for all, not 5"}));
  EXPECT_FALSE(here.has("m.h5"));
}

TEST(Encode, LabelsFollowTheRowsThatAreLeft) {
  const Workplace here;
  std::ofstream labels(here / "labels.txt");
  for (int row = 0; row < 600; ++row) labels << "name " << row << "\n";
  labels.close();
  ASSERT_THAT(here.run(encode("l.h5", {"--labels", "labels.txt", "--holdout", "0.05"})), Succeeds());
  const auto file = File::open(here / "l.h5");
  const auto rows = file.read<std::int64_t>("/rows", data::hdf5::Shape{30});
  const auto names = file.read_strings("/labels");
  ASSERT_EQ(names.size(), 30u);
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(names[i], "name " + std::to_string(rows[i]));
  std::ofstream(here / "labels.txt", std::ios::app) << "one more\n";
  EXPECT_THAT(here.run(encode("m.h5", {"--labels", "labels.txt"})),
              FailsSaying({"--labels: labels.txt holds 601 labels", "data.h5:/embeddings has 600 rows"}));
  EXPECT_FALSE(here.has("m.h5"));
}

TEST(Encode, RefusesBeforeItWorks) {
  const Workplace here;
  ASSERT_THAT(here.run(train("plain", {"--model", "relu"})), Succeeds());
  std::ofstream(here / "there.h5") << "mine";
  const auto before = here.names();
  EXPECT_THAT(here.run(encode("there.h5")), FailsSaying({"there.h5: exists", "--force"}));
  EXPECT_THAT(here.run(encode("data.h5", {"--force"})),
              FailsSaying({"--out: data.h5 is a file that is read"}));
  EXPECT_THAT(here.run(encode("none/l.h5")), FailsSaying({"none/l.h5: cannot be written"}));
  EXPECT_THAT(here.run(encode("l.h5", {"--level", "9"})), FailsSaying({"--level: must be from 1 to "}));
  EXPECT_THAT(here.run({"encode", "plain", "--data", "data.h5:/embeddings", "--out", "l.h5", "--level", "1"}),
              FailsSaying({"--level: is for models of several levels, and plain is a relu model"}));
  EXPECT_THAT(here.run(encode("l.h5", {"--k", "65"})),
              FailsSaying({"--k: must be from 1 to the number of latents, 64"}));
  EXPECT_THAT(here.run(encode("l.h5", {"--k", "5", "--all"})), IsWrongUsage("--k"));
  EXPECT_THAT(here.run(encode("run/../run/sae_weights.safetensors", {"--force"})),
              FailsSaying({"sae_weights.safetensors is a file that is read"}));
  EXPECT_THAT(here.run(encode("l.h5", {"--json", "./l.h5"})),
              FailsSaying({"--json: ./l.h5 is the file of --out"}));
  EXPECT_EQ(contents(here / "there.h5"), "mine");
  EXPECT_EQ(here.names(), before);
}

TEST(Encode, AFullDiskLeavesNothing) {
  const Workplace here;
  const auto before = here.names();
  for (const std::size_t limit : {100u, 20'000u, 200'000u, 500'000u}) {
    EXPECT_THAT(here.run(encode("l.h5", {"--all", "--quiet", "--batch-size", "50"}), limit),
                FailsSaying({"l.h5: cannot be written: ", "File too large"}))
        << limit;
    EXPECT_EQ(here.names(), before);
  }
}

TEST(Encode, NeedsMemoryForABatch) {
  const Workplace here;
  Hdf5File(here / "long.h5").zeros("/rows", H5T_NATIVE_FLOAT, {5'000'000'000, 16});
  const Arguments words{"encode", "run",  "--data",       "long.h5:/rows",
                        "--out",  "l.h5", "--batch-size", "5000000000"};
  EXPECT_THAT(here.run(words), FailsSaying({"encoding 5000000000 rows at a time needs 2.9 TB of memory"}));
}

}  // namespace
}  // namespace msae::test
