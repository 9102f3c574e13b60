// msae steer and bias: rows with other concepts, and groups that differ in them.
#include <fstream>

#include "cli/concept_files.h"
#include "core/file.h"
#include "data/hdf5_file.h"
#include "msae/concepts/steering.h"
#include "msae/data/source.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using concepts::LatentEdit;
using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

torch::Tensor rows_in(const std::filesystem::path& file) {
  const auto source = data::open(file.string() + ":/embeddings");
  auto rows = torch::empty({source->rows(), source->dim()});
  source->read(0, source->rows(), {rows.mutable_data_ptr<float>(), static_cast<std::size_t>(rows.numel())});
  return rows;
}

double largest_difference(const torch::Tensor& one, const torch::Tensor& other) {
  return (one - other).abs().max().item<double>();
}

class SteerAndBias : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    here = new Workplace;
    planted = make_names(*here);
    codes = codes_of(*here);
  }
  static void TearDownTestSuite() { delete here; }

  static Outcome steer(const Arguments& more) {
    return here->run(Arguments{"steer", "run", "--data", embeddings} + more);
  }
  static Outcome bias(const Arguments& more) {
    return here->run(Arguments{"bias", "run", "--data", embeddings, "--resamples", "20"} + more);
  }
  static concepts::Steered by_the_library(const torch::Tensor& rows, const std::vector<LatentEdit>& edits,
                                          bool keep_residual = true) {
    return concepts::steer(*model_of(*here), rows, edits,
                           {.point = models::OperatingPoint::top(64), .keep_residual = keep_residual});
  }
  /// 1 where a row has the latent, in the columns /attributes of attributes.h5, after one that tells nothing.
  static void write_attributes(std::int64_t latent) {
    std::vector<std::int64_t> values;
    for (std::int64_t row = 0; row < 600; ++row) {
      values.push_back(row % 2);
      values.push_back(has(codes, row, latent) ? 1 : 0);
    }
    Hdf5File file(*here / "attributes.h5");
    file.data_set("/attributes", H5T_NATIVE_INT64, {600, 2}, values.data());
    write_strings(file.id(), "/attribute_names", {"Odd", "Wet <i>& \"so\""});
  }

  inline static Workplace* here = nullptr;
  inline static std::map<std::string, std::int64_t> planted;
  inline static concepts::Codes codes;
};

TEST_F(SteerAndBias, SteeredRowsAreThoseOfTheLibrary) {
  const auto dog = planted.at("dog"), snow = planted.at("snow"), sky = planted.at("sky");
  const auto outcome = steer({"--set", "dog=2", "--scale", "snow=0.5", "--remove",
                              "latent:" + std::to_string(sky), "--out", "steered.h5"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("600 steered rows are in steered.h5:/embeddings"));
  const std::vector<LatentEdit> edits{LatentEdit::set(dog, 2 * typical(codes, dog)),
                                      LatentEdit::scale(snow, 0.5), LatentEdit::remove(sky)};
  const auto rows = rows_in(*here / "data.h5"), steered = rows_in(*here / "steered.h5");
  EXPECT_LT(largest_difference(steered, by_the_library(rows, edits).embeddings), 1e-5);
  EXPECT_GT(largest_difference(steered, rows), 0.01);
}

TEST_F(SteerAndBias, OnlyRowsThatHaveWhatIsTakenAwayChange) {
  ASSERT_THAT(steer({"--remove", "dog", "--out", "removed.h5", "--quiet", "--holdout", "0.5"}), Succeeds());
  const auto held =
      parse(here->run(Arguments{"search", "run", "--data", embeddings, "--holdout", "0.5", "--with", "dog",
                                "--similarity", "manhattan", "--top", "600", "--json", "-"})
                .out)
          .at("hits");
  std::vector<std::int64_t> numbers;
  for (const auto& hit : held) numbers.push_back(hit.at("row"));
  std::sort(numbers.begin(), numbers.end());
  const auto steered = rows_in(*here / "removed.h5"), rows = rows_in(*here / "data.h5");
  ASSERT_EQ(steered.size(0), 300);
  ASSERT_THAT(numbers, SizeIs(300));
  for (std::int64_t i = 0; i < 300; ++i) {
    const auto number = numbers[static_cast<std::size_t>(i)];
    EXPECT_EQ(largest_difference(steered[i], rows[number]) > 1e-7, has(codes, number, planted.at("dog")))
        << number;
  }
}

TEST_F(SteerAndBias, ARowIsShownBeforeAndAfter) {
  const auto dog = planted.at("dog");
  const auto outcome = steer({"--row", "7", "--set", "dog=9", "--vocab", "words.h5:/embeddings", "--labels",
                              "labels.txt", "--top", "3", "--decoded-alone", "--json", "row.json"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("words before"), HasSubstr("rows after"),
                                 HasSubstr("cosine of the row before and after: ")));
  const auto result = parse(contents(*here / "row.json"));
  EXPECT_THAT(keys(result),
              ElementsAre("codes", "cosine", "data", "latents", "point", "row", "rows", "run", "words"));
  ASSERT_THAT(result.at("latents"), SizeIs(1));
  EXPECT_THAT(keys(result.at("latents")[0]), ElementsAre("after", "before", "latent", "name"));
  EXPECT_EQ(result.at("latents")[0].at("name"), "dog");
  EXPECT_NEAR(result.at("latents")[0].at("after"), 9 * typical(codes, dog), 1e-4);
  EXPECT_EQ(result.at("words").at("after")[0][0], "dog");
  EXPECT_THAT(result.at("rows").at("after"), SizeIs(3));
  EXPECT_EQ(result.at("rows").at("before")[0][0], std::string("row 7 ") + label_begin + "7");
  const auto row = rows_in(*here / "data.h5").slice(0, 7, 8);
  const auto steered = by_the_library(row, {LatentEdit::set(dog, 9 * typical(codes, dog))}, false).embeddings;
  EXPECT_NEAR(result.at("cosine"), torch::cosine_similarity(row, steered).item<double>(), 1e-5);
}

TEST_F(SteerAndBias, WorkOnTheCodesThatAreAskedFor) {
  const Arguments codes_of_few{"--codes", "refit", "--k", "30"};
  const auto encoded = steer({"--row", "7", "--set", "dog=9", "--k", "30", "--json", "-"});
  const auto refit = steer(codes_of_few + Arguments{"--row", "7", "--set", "dog=9", "--json", "refit.json"});
  ASSERT_THAT(refit, Succeeds());
  EXPECT_THAT(refit.out, testing::StartsWith("Codes: k=30, refit\n"));
  const auto result = parse(contents(*here / "refit.json"));
  EXPECT_EQ(result.at("codes"), "refit");
  EXPECT_NE(result.at("latents")[0].at("after"), parse(encoded.out).at("latents")[0].at("after"));
  write_attributes(planted.at("snow"));
  const auto groups = bias(codes_of_few + Arguments{"--attribute", "attributes.h5:/attributes", "--name",
                                                    "Wet <i>& \"so\"", "--out", "b.html", "--top", "2"});
  ASSERT_THAT(groups, Succeeds());
  EXPECT_THAT(groups.out, testing::StartsWith("Codes: k=30, refit\n"));
  EXPECT_THAT(contents(*here / "b.html"), HasSubstr(" at k=30, refit."));
}

TEST_F(SteerAndBias, AFileIsReplacedOnlyWhenForcedAndNeverOneThatIsRead) {
  overwrite(*here / "mine.h5", "mine");
  EXPECT_THAT(steer({"--remove", "dog", "--out", "mine.h5"}), FailsSaying({"mine.h5: exists", "--force"}));
  EXPECT_EQ(contents(*here / "mine.h5"), "mine");
  EXPECT_THAT(steer({"--remove", "dog", "--out", "mine.h5", "--force", "--json", "-"}), Succeeds());
  EXPECT_EQ(rows_in(*here / "mine.h5").size(0), 600);
}

TEST_F(SteerAndBias, TheConceptThatMakesTheGroupsIsFoundFirst) {
  const auto snow = planted.at("snow");
  write_attributes(snow);
  const auto outcome = bias({"--attribute", "attributes.h5:/attributes", "--name", "Wet <i>& \"so\"", "--out",
                             "bias.html", "--csv", "bias.csv", "--json", "bias.json", "--top", "4"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("classifier"), HasSubstr("Linear classifier, AUC: ")));
  EXPECT_THAT(outcome.err, HasSubstr("The plot is in bias.html"));
  const auto result = parse(contents(*here / "bias.json"));
  EXPECT_THAT(keys(result), ElementsAre("attribute", "classifier", "codes", "compared", "data", "latents",
                                        "point", "run", "significant", "with", "without"));
  EXPECT_THAT(keys(result.at("classifier")), ElementsAre("auc", "auc_retrained", "auc_steered", "removed"));
  EXPECT_EQ(result.at("attribute"), "Wet <i>& \"so\"");
  EXPECT_EQ(result.at("with").get<int>() + result.at("without").get<int>(), 600);
  ASSERT_THAT(result.at("latents"), SizeIs(4));
  const auto& first = result.at("latents")[0];
  EXPECT_THAT(keys(first),
              ElementsAre("active_with", "active_without", "auc", "auc_high", "auc_low", "auc_without",
                          "effect", "latent", "mean_with", "mean_without", "name", "p", "q", "rows"));
  EXPECT_EQ(first.at("latent"), snow);
  EXPECT_EQ(first.at("name"), "snow");
  EXPECT_EQ(first.at("auc"), 1);
  EXPECT_EQ(first.at("active_with"), 1);
  EXPECT_EQ(first.at("active_without"), 0);
  EXPECT_EQ(first.at("rows"), result.at("with"));
  EXPECT_LT(first.at("q"), 1e-6);
  EXPECT_EQ(result.at("classifier").at("removed")[0], snow);
  EXPECT_LT(first.at("auc_without"), result.at("classifier").at("auc"));

  const auto csv = lines(contents(*here / "bias.csv"));
  ASSERT_THAT(csv, SizeIs(65));
  EXPECT_EQ(csv[0],
            "latent,name,rows,active_with,active_without,mean_with,mean_without,effect,auc,auc_low,auc_high,"
            "p,q,auc_without");
  EXPECT_THAT(csv[1], StartsWith(std::to_string(snow) + ",snow," + first.at("rows").dump() + ",1,0,"));

  const auto page = contents(*here / "bias.html");
  EXPECT_THAT(page, AllOf(StartsWith("<!DOCTYPE html>"), testing::EndsWith("</html>\n"), HasSubstr("<svg"),
                          HasSubstr("Wet &lt;i&gt;&amp; &quot;so&quot;"), Not(HasSubstr("<i>")),
                          HasSubstr("<td>snow</td>")));
  for (const auto* outside : {"http", "src=", "href", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(page, Not(testing::ContainsRegex("[\"( ,>]-?(nan|inf)")));
}

TEST_F(SteerAndBias, AnAttributeMayBeAColumnsNumberOrLinesOfText) {
  write_attributes(planted.at("sky"));
  std::ofstream lines(*here / "sky.txt");
  for (std::int64_t row = 0; row < 600; ++row) lines << has(codes, row, planted.at("sky")) << "\n";
  lines.close();
  const Arguments json_out{"--json", "-"};
  const auto by_number =
      parse(bias(json_out + Arguments{"--attribute", "attributes.h5:/attributes", "--name", "1"}).out);
  auto by_lines = parse(bias(json_out + Arguments{"--attribute", "sky.txt"}).out);
  EXPECT_EQ(by_number.at("attribute"), "Wet <i>& \"so\"");
  EXPECT_EQ(by_lines.at("attribute"), "");
  by_lines["attribute"] = by_number.at("attribute");
  EXPECT_EQ(by_lines, by_number);
}

TEST_F(SteerAndBias, GroupsAreThoseOfTheRowsThatAreLeft) {
  write_attributes(planted.at("sky"));
  auto names = parse(contents(*here / "run" / "names.json"));
  std::string letters;
  for (int i = 0; i < 20; ++i) letters += "\xc3\xb6";
  names["latents"][static_cast<std::size_t>(planted.at("sky"))]["name"] = letters;
  overwrite(*here / "long.json", names.dump());
  const auto result =
      parse(bias({"--attribute", "attributes.h5:/attributes", "--name", "Wet <i>& \"so\"", "--holdout", "0.5",
                  "--names", "long.json", "--out", "long.html", "--json", "-", "--top", "1"})
                .out);
  EXPECT_EQ(result.at("with").get<int>() + result.at("without").get<int>(), 300);
  EXPECT_EQ(result.at("latents")[0].at("latent"), planted.at("sky"));
  EXPECT_EQ(result.at("latents")[0].at("auc"), 1);
  EXPECT_EQ(result.at("latents")[0].at("name"), letters);
  // Beside the plot a long name is cut, between letters.
  EXPECT_THAT(contents(*here / "long.html"), HasSubstr(">" + letters.substr(0, 26) + "...<"));
}

}  // namespace
}  // namespace msae::test
