// What the program says about data that it cannot use.
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/program.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

// A workplace with bad.h5, which holds good rows [100, 8] and what can be wrong with rows.
class BadData : public testing::Test {
 protected:
  BadData() {
    std::vector<float> rows(800);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * i % 97) / 97;
    Hdf5File file(here / "bad.h5");
    file.floats("/good", {100, 8}, rows);
    file.floats("/empty", {0, 8}, {});
    file.floats("/cube", {10, 10, 8}, rows);
    file.floats("/list", {800}, rows);
    file.floats("/constant", {100, 8}, std::vector<float>(800, 0.5f));
    file.data_set("/integers", H5T_NATIVE_INT, {100, 8}, std::vector<int>(800).data());
    auto damaged = rows;
    damaged[37 * 8 + 2] = damaged[60 * 8] = nan;
    file.floats("/nan", {100, 8}, damaged);
    damaged = rows;
    damaged[41 * 8 + 7] = -infinity;
    file.floats("/inf", {100, 8}, damaged);
  }

  static Arguments train_on(const std::string& data) {
    return {"train", data, "--out", "new", "--latents", "16", "--steps", "3", "--batch-size", "50"};
  }
  // Neither training nor evaluation nor a look takes it, and none leaves anything behind.
  void expect_refused(const std::string& data, const std::vector<std::string>& words) const {
    const auto before = here.names();
    EXPECT_THAT(here.run(train_on(data)), FailsSaying(words));
    EXPECT_THAT(here.run({"eval", "run", "--data", data}), FailsSaying(words));
    EXPECT_EQ(here.names(), before);
  }

  Workplace here;
};

TEST_F(BadData, FileIsMissing) {
  expect_refused("none.h5", {"none.h5: no such file"});
  expect_refused("none.h5:/rows", {"none.h5: no such file"});
  expect_refused("none/bad.h5", {"none/bad.h5: no such file"});
}

TEST_F(BadData, IsNoHdf5File) {
  expect_refused("run/cfg.json", {"run/cfg.json is not an HDF5 file"});
  expect_refused("run", {"run is a folder"});
}

TEST_F(BadData, DataSetIsMissing) {
  expect_refused("bad.h5:/rows", {"bad.h5", "no data set /rows", "/good [100, 8] float32", "/integers"});
}

TEST_F(BadData, SeveralDataSetsAndNoneNamed) {
  expect_refused("bad.h5", {"several data sets", "/good [100, 8] float32", "name one", "bad.h5:/"});
}

TEST_F(BadData, IsNotTwoDimensional) {
  expect_refused("bad.h5:/cube", {"bad.h5:/cube", "not two-dimensional", "[10, 10, 8]"});
  expect_refused("bad.h5:/list", {"bad.h5:/list", "not two-dimensional", "[800]"});
}

TEST_F(BadData, IsNotFloatingPoint) {
  expect_refused("bad.h5:/integers", {"bad.h5:/integers holds int32", "float32"});
}

TEST_F(BadData, HasNoRows) {
  expect_refused("bad.h5:/empty", {"bad.h5:/empty has no rows"});
}

TEST_F(BadData, DimensionsDiffer) {
  EXPECT_THAT(here.run({"eval", "run", "--data", "bad.h5:/good"}),
              FailsSaying({"bad.h5:/good has dimension 8", "the model's is 16"}));
  EXPECT_THAT(here.run(train("new", {"--eval", "bad.h5:/good"})),
              FailsSaying({"bad.h5:/good: has dimension 8", "the training data has 16"}));
  EXPECT_FALSE(here.has("new"));
}

TEST_F(BadData, EvaluationDataIsFoundMissingBeforeTheTraining) {
  EXPECT_THAT(here.run(train("new", {"--eval", "none.h5"})), FailsSaying({"none.h5: no such file"}));
  EXPECT_FALSE(here.has("new"));
}

TEST_F(BadData, InfoSaysWhatAFileHolds) {
  EXPECT_THAT(here.run({"info", "none.h5"}), FailsSaying({"none.h5: no such file"}));
  EXPECT_THAT(here.run({"info", "run/cfg.json"}), FailsSaying({"run/cfg.json is not an HDF5 file"}));
  EXPECT_THAT(here.run({"info", "bad.h5:/rows"}), FailsSaying({"no data set /rows", "/good"}));
  EXPECT_THAT(here.run({"info", "bad.h5:/nan"}), FailsSaying({"row 37"}));
}

TEST_F(BadData, TruthIsOfOtherData) {
  EXPECT_THAT(here.run({"eval", "run", "--data", "data.h5:/embeddings", "--truth", "bad.h5"}),
              FailsSaying({"bad.h5", "no data set /truth/dictionary"}));
}

TEST_F(BadData, FirstRowThatIsNotFiniteIsNamed) {
  EXPECT_THAT(here.run(train_on("bad.h5:/nan")), FailsSaying({"bad.h5:/nan", "row 37 holds NaN or Inf"}));
  EXPECT_THAT(here.run(train_on("bad.h5:/inf")), FailsSaying({"bad.h5:/inf", "row 41 holds NaN or Inf"}));
}

TEST_F(BadData, RowsAreAllEqual) {
  EXPECT_THAT(here.run(train_on("bad.h5:/constant")), FailsSaying({"all rows are equal"}));
}

TEST_F(BadData, RowsAreTooLargeOrTooAlikeForFloat32) {
  std::vector<double> rows(800);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<double>(i * i % 97);
  const auto scaled = [&](double factor) {
    auto values = rows;
    for (auto& value : values) value *= factor;
    Hdf5File(here / "scaled.h5").data_set("/x", H5T_NATIVE_DOUBLE, {100, 8}, values.data());
    return train_on("scaled.h5:/x");
  };
  EXPECT_THAT(here.run(scaled(1e38)), FailsSaying({"scaled.h5:/x: row 0 holds NaN or Inf in float32"}));
  EXPECT_THAT(here.run(scaled(1e-41)), FailsSaying({"the rows differ too little"}));
  EXPECT_FALSE(here.has("new"));
}

TEST_F(BadData, NamesAreNotText) {
  const std::string name = "odd\xff\033[31m.h5";
  Hdf5File(here / name).floats("/a\xe9\033[0m", {1, 2}, {1, 2});
  const auto table = here.run({"info", name});
  ASSERT_THAT(table, Succeeds());
  EXPECT_THAT(table.out, testing::Not(testing::HasSubstr("\033")));
  EXPECT_EQ(parse(here.run({"info", name, "--json", "-"}).out).at("data_sets").size(), 1);
  EXPECT_THAT(here.run({"info", name + ":/none"}).err, testing::Not(testing::HasSubstr("\033")));
}

TEST_F(BadData, AFailureFoundLateIsNotInTheWayOfASecondTry) {
  const auto before = here.names();
  for (const auto* data : {"bad.h5:/nan", "bad.h5:/constant"}) {
    EXPECT_THAT(here.run(train_on(data)), FailsSaying({}));
    EXPECT_EQ(here.names(), before) << data;
  }
  EXPECT_THAT(here.run(train_on("bad.h5:/good")), Succeeds());
}

}  // namespace
}  // namespace msae::test
