// What else than the table of bad input the program says about data that it cannot use.
#include <nlohmann/json.hpp>

#include "cli/bad_input.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

class BadData : public testing::Test {
 protected:
  BadData() { make_bad_data(here); }

  static Arguments train_on(const std::string& data) {
    return {"train", data, "--out", "new", "--latents", "16", "--steps", "3", "--batch-size", "50"};
  }

  Workplace here;
};

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
  EXPECT_THAT(here.run(scaled(1e-41)), FailsSaying({"scaled.h5:/x: the rows differ too little"}));
  auto published = scaled(1e30);
  published.insert(published.end(), {"--preset", "reference", "--model", "relu"});
  EXPECT_THAT(here.run(published), FailsSaying({"scaled.h5:/x: the rows differ too much"}));
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
