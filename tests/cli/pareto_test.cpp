// `msae pareto`: what it tells of several runs, and the files it writes.
#include "msae/eval/pareto.h"

#include <sstream>

#include "cli/bad_input.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* test_rows = "data.h5:/embeddings";

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

// "run/label" of the points.
std::vector<std::string> names(const json& points) {
  std::vector<std::string> found;
  for (const auto& p : points)
    found.push_back(p.at("run").get<std::string>() + "/" + p.at("label").get<std::string>());
  return found;
}

// All points of all runs, each with its run.
std::vector<json> all_points(const json& report) {
  std::vector<json> points;
  for (const auto& run : report.at("runs")) {
    for (auto point : run.at("points")) {
      point["run"] = run.at("run");
      points.push_back(point);
    }
  }
  return points;
}

bool is_dominated(const json& point, const std::vector<json>& all) {
  const double active = point.at("active"), fvu = point.at("fvu");
  return std::any_of(all.begin(), all.end(), [&](const json& other) {
    const double a = other.at("active"), f = other.at("fvu");
    return a <= active && f <= fvu && (a < active || f < fvu);
  });
}

double hypervolume_of(const std::vector<json>& points) {
  std::vector<eval::ParetoPoint> all;
  for (const auto& p : points) all.push_back({"", "", p.at("active"), p.at("fvu")});
  return eval::hypervolume(all);
}

// A run of each kind of model on the same data, compared once for all tests.
class Pareto : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    here = new Workplace;
    ASSERT_THAT(here->run(train("topk", {"--model", "topk", "--k", "8"})), Succeeds());
    outcome = here->run({"pareto", "run", "topk", "--data", test_rows, "--json", "p.json", "--csv", "p.csv",
                         "--out", "p.html"});
    ASSERT_THAT(outcome, Succeeds());
    report = parse(contents(*here / "p.json"));
  }
  static void TearDownTestSuite() { delete here; }

  inline static Workplace* here = nullptr;
  inline static Outcome outcome;
  inline static json report;
};

TEST_F(Pareto, EvaluatesAsEvalDoes) {
  const auto evaluated =
      here->run({"eval", "run", "topk", "--data", test_rows, "--k", "8,16,32", "--json", "-"});
  auto runs = report.at("runs");
  for (auto& run : runs) EXPECT_EQ(run.erase("hypervolume"), 1);
  EXPECT_EQ(runs, parse(evaluated.out));
}

TEST_F(Pareto, FrontierHasThePointsThatNoOtherIsBetterThan) {
  const auto points = all_points(report);
  std::vector<json> best;
  for (const auto& point : points) {
    if (!is_dominated(point, points)) best.push_back(point);
  }
  EXPECT_THAT(names(report.at("frontier")), testing::UnorderedElementsAreArray(names(best)));
  EXPECT_LT(best.size(), points.size());
  EXPECT_TRUE(std::is_sorted(report.at("frontier").begin(), report.at("frontier").end(),
                             [](const json& a, const json& b) { return a.at("active") < b.at("active"); }));
  for (const auto* key : {"k", "sparsity", "fvu_per_sample", "cosine", "nmae", "dead_fraction"}) {
    EXPECT_TRUE(report.at("frontier").at(0).contains(key)) << key;
  }
}

TEST_F(Pareto, TellsTheHypervolumeOfEachRunAndOfAll) {
  EXPECT_DOUBLE_EQ(report.at("hypervolume"), hypervolume_of(all_points(report)));
  for (const auto& run : report.at("runs")) {
    EXPECT_DOUBLE_EQ(run.at("hypervolume"), hypervolume_of(run.at("points").get<std::vector<json>>()));
  }
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("run: matryoshka, 64 latents"), HasSubstr("topk: topk, 64 latents"),
                    HasSubstr("hypervolume\n"), HasSubstr("all together")));
}

TEST_F(Pareto, TableMarksDominatedPoints) {
  const auto points = all_points(report);
  const auto dominated = static_cast<std::size_t>(
      std::count_if(points.begin(), points.end(), [&](const json& p) { return is_dominated(p, points); }));
  EXPECT_EQ(count(outcome.out, "dominated"), dominated);
}

TEST_F(Pareto, CsvHasALinePerPoint) {
  const auto points = all_points(report);
  const auto csv = lines(contents(*here / "p.csv"));
  ASSERT_EQ(csv.size(), points.size() + 1);
  EXPECT_EQ(csv[0],
            "run,label,k,active,sparsity,fvu,explained_variance,fvu_per_sample,cosine,nmae,dead_fraction,"
            "never_active,mean_magnitude,codes,on_frontier");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto& p = points[i];
    const auto k = p.at("k").is_null() ? "" : p.at("k").dump();
    EXPECT_THAT(csv[i + 1],
                AllOf(StartsWith(p.at("run").get<std::string>() + "," + p.at("label").get<std::string>() +
                                 "," + k + "," + p.at("active").dump() + ","),
                      testing::EndsWith(is_dominated(p, points) ? ",false" : ",true")));
  }
}

TEST_F(Pareto, PageShowsEveryPointOnBothKindsOfAxes) {
  const auto page = contents(*here / "p.html");
  const auto points = all_points(report);
  const auto drawn = static_cast<std::size_t>(
      std::count_if(points.begin(), points.end(), [](const json& p) { return p.at("fvu") <= 1; }));
  EXPECT_GT(drawn, 10);
  EXPECT_EQ(count(page, "<figure"), 2);
  EXPECT_EQ(count(page, "</title></g>"), 2 * drawn);
  EXPECT_EQ(page.find("not drawn") == std::string::npos, drawn == points.size());
  EXPECT_EQ(count(page, "<tr"), points.size() + 1);
  EXPECT_EQ(count(page, "class=\"frontier\""), 2);
  EXPECT_THAT(
      page, AllOf(StartsWith("<!DOCTYPE html>"), testing::EndsWith("</html>\n"),
                  HasSubstr("active latents (mean number per row)"), HasSubstr("prefers-color-scheme: dark"),
                  Not(testing::ContainsRegex("[\"( ,]-?(nan|inf)"))));
  for (const auto* outside : {"http", "src=", "href", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
}

TEST_F(Pareto, ResultsAreReplacedByResultsAlone) {
  const Arguments call{"pareto", "run", "--data", test_rows, "--k", "4", "--quiet"};
  EXPECT_THAT(here->run(call + Arguments{"--json", "p.json", "--csv", "p.csv", "--out", "p.html"}),
              Succeeds());
  EXPECT_THAT(contents(*here / "p.csv"), AllOf(HasSubstr("run,k=4,4,"), Not(HasSubstr("k=8"))));
  EXPECT_THAT(here->run(call + Arguments{"--csv", "new", "--out", "./new"}),
              FailsSaying({"--csv: new is the file of --out; name another"}));
  EXPECT_THAT(here->run(call + Arguments{"--csv", "p.html"}),
              FailsSaying({"--csv: p.html holds something else than results"}));
  EXPECT_THAT(here->run(call + Arguments{"--out", "data.h5"}),
              FailsSaying({"--out: data.h5 holds something else than results"}));
}

TEST_F(Pareto, ComparesCodesOfEachRun) {
  const Arguments call{
      "pareto", "run",    "topk",  "--data", test_rows, "--k",   "4,8", "--codes", "encoder,refit,pursuit",
      "--json", "c.json", "--csv", "c.csv",  "--out",   "c.html"};
  const auto compared = here->run(call);
  ASSERT_THAT(compared, Succeeds());
  EXPECT_THAT(compared.out, AllOf(HasSubstr("run: matryoshka, 64 latents, on "),
                                  HasSubstr("run: matryoshka, 64 latents, codes by refit, on "),
                                  HasSubstr("topk: topk, 64 latents, codes by pursuit, on "),
                                  HasSubstr("\nrun, refit "), HasSubstr("\ntopk, pursuit ")));
  const auto all = parse(contents(*here / "c.json"));
  ASSERT_EQ(all.at("runs").size(), 6u);
  std::vector<std::string> entries;
  for (const auto& run : all.at("runs")) {
    const auto name = run.at("run").get<std::string>(), codes = run.at("codes").get<std::string>();
    entries.push_back(name + " " + codes);
    const auto alone =
        here->run({"eval", name, "--data", test_rows, "--k", "4,8", "--codes", codes, "--json", "-"});
    auto expected = run;
    expected.erase("hypervolume");
    EXPECT_EQ(expected, parse(alone.out).at(0));
    for (const auto& point : run.at("points")) {
      const bool is_wide = point.at("label") == "all" || point.at("k") > 16;
      EXPECT_EQ(point.at("codes"), is_wide ? "encoder" : codes) << point;
    }
  }
  EXPECT_THAT(entries, testing::ElementsAre("run encoder", "run refit", "run pursuit", "topk encoder",
                                            "topk refit", "topk pursuit"));
  const auto page = contents(*here / "c.html");
  EXPECT_THAT(page, AllOf(HasSubstr("of 2 runs</title>"), HasSubstr(">run, pursuit <"),
                          HasSubstr("<th>codes</th>"), HasSubstr("all, by the encoder")));
  EXPECT_EQ(count(page, "<li title="), 6u);
  EXPECT_THAT(contents(*here / "p.html"), Not(HasSubstr("<th>codes</th>")));
  EXPECT_THAT(lines(contents(*here / "c.csv")), testing::Contains(HasSubstr(",refit,")));
}

TEST_F(Pareto, TakesUsualPointsThatTheCandidatesSuffice) {
  const auto outcome_of_few = here->run(
      {"pareto", "topk", "--data", test_rows, "--codes", "pursuit", "--candidates", "10", "--json", "-"});
  ASSERT_THAT(outcome_of_few, Succeeds());
  const auto points = parse(outcome_of_few.out).at("runs").at(0).at("points");
  EXPECT_EQ(points.back().at("label"), "k=8");
  EXPECT_EQ(points.back().at("codes"), "pursuit among 10");
}

TEST(ParetoNames, OfOneNameInDifferentFoldersAreToldApart) {
  const Workplace here;
  for (const auto* folder : {"one", "two"}) {
    std::filesystem::create_directory(here / folder);
    std::filesystem::copy(here / "run", here / folder / "run");
  }
  const auto outcome = here.run({"pareto", "one/run", "two/run/", "--data", test_rows, "--k", "8", "--out",
                                 "p.html", "--csv", "p.csv"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("\none/run "), HasSubstr("\ntwo/run ")));
  EXPECT_THAT(contents(here / "p.html"), AllOf(HasSubstr(">one/run "), HasSubstr(">two/run ")));
  EXPECT_THAT(contents(here / "p.csv"),
              AllOf(HasSubstr("\none/run,"), HasSubstr("\ntwo/run/,"), Not(HasSubstr("false,"))));
  EXPECT_THAT(here.run({"pareto", "one/run", "run", "./one/../one/run/", "--data", test_rows}),
              FailsSaying({"RUN: ./one/../one/run/ is given twice"}));
}

TEST(ParetoNames, CannotBecomeMarkup) {
  const Workplace here;
  const std::string name = "<script>alert('1')</script>&amp;\"\x01\xff,";
  std::filesystem::create_directory(here / "<script>alert('1')<");
  std::filesystem::rename(here / "run", here / name);
  const auto outcome = here.run({"pareto", name, "--data", test_rows, "--k", "8", "--out", "p.html", "--csv",
                                 "p.csv", "--json", "p.json"});
  ASSERT_THAT(outcome, Succeeds());
  const auto page = contents(here / "p.html");
  EXPECT_EQ(count(page, "<script>"), 1);
  EXPECT_THAT(page, AllOf(HasSubstr("script&gt;&amp;amp;&quot;?"), Not(HasSubstr("alert('1')"))));
  EXPECT_THAT(contents(here / "p.csv"), HasSubstr("&amp;\"\"\x01\xff,\",trained,"));
  EXPECT_EQ(parse(contents(here / "p.json")).at("runs").size(), 1);
}

TEST(ParetoViews, AreThoseOfEval) {
  const Workplace here;
  const Arguments views{"--data",    test_rows, "--unit-rows", "--holdout", "0.1",
                        "--centred", "--k",     "8",           "--json",    "-"};
  const auto outcome = here.run(Arguments{"pareto", "run"} + views);
  ASSERT_THAT(outcome, Succeeds());
  auto runs = parse(outcome.out).at("runs");
  runs.at(0).erase("hypervolume");
  const auto evaluated = here.run(Arguments{"eval", "run"} + views);
  EXPECT_EQ(runs, parse(evaluated.out));
  EXPECT_EQ(outcome.err, evaluated.err);
  EXPECT_THAT(outcome.err, HasSubstr("run was trained without --unit-rows"));
}

TEST_F(BadInput, OfPareto) {
  make_bad_data(here);
  const auto pareto = [](const Arguments& more) {
    return Arguments{"pareto", "run", "--data", test_rows} + more;
  };
  const Arguments elsewhere{"pareto", "run", "--data"};
  check(std::vector<Case>{
      {"pareto: no such run", pareto({"none"}), 1, {"none: there is no such folder"}},
      {"pareto: k beyond the latents",
       pareto({"--k", "8,65"}),
       1,
       {"--k: 65 is more than the model's 64 latents"}},
      {"pareto: k 0", pareto({"--k", "0"}), 1, {"--k: must be", "not 0"}},
      {"pareto: no such codes",
       pareto({"--codes", "encoder,omp"}),
       1,
       {"--codes: must be encoder, refit or pursuit, not 'omp'"}},
      {"pareto: codes twice", pareto({"--codes", "refit,refit"}), 1, {"--codes: refit is given twice"}},
      {"pareto: candidates of none",
       pareto({"--codes", "encoder,refit", "--candidates", "9"}),
       1,
       {"--candidates: is for --codes pursuit, which alone chooses among latents"}},
      {"pareto: too few candidates",
       pareto({"--codes", "pursuit", "--candidates", "9", "--k", "10"}),
       1,
       {"--candidates: must be at least k, 10, or 0 for all, not 9"}},
      {"pareto: another dimension", elsewhere + Arguments{"bad.h5:/good"}, 1, {"dim"}},
      {"pareto: NaN", elsewhere + Arguments{"bad.h5:/nan"}, 1, {"bad.h5:/nan"}},
      {"pareto: --out in no folder",
       pareto({"--out", "none/p.html"}),
       1,
       {"--out: none/p.html cannot be written"}},
      {"pareto: --out a folder", pareto({"--out", "run"}), 1, {"--out: run cannot be written: a folder"}},
      {"pareto: --csv over options", pareto({"--csv", "run/options.toml"}), 1, {"--csv: ", "something else"}},
      {"pareto: --out empty", pareto({"--out", ""}), 1, {"--out: must name a file"}},
  });
}

}  // namespace
}  // namespace msae::test
