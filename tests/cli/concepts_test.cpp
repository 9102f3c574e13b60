// msae name, tree and search: what they tell of the latents of a run.
#include <fstream>
#include <set>

#include "cli/concept_files.h"
#include "msae/concepts/names.h"
#include "msae/concepts/profile.h"
#include "msae/concepts/search.h"
#include "msae/data/source.h"
#include "msae/data/views.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::vector<std::int64_t> rows_of(const json& hits) {
  std::vector<std::int64_t> rows;
  for (const auto& hit : hits) rows.push_back(hit.at("row"));
  return rows;
}

/// One run whose latents have names, for all tests; none changes a file of another.
class Concepts : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    here = new Workplace;
    planted = make_names(*here);
    codes = codes_of(*here);
  }
  static void TearDownTestSuite() { delete here; }

  static json asked(const Arguments& call) {
    const auto outcome = here->run(call + Arguments{"--json", "-"});
    EXPECT_THAT(outcome, Succeeds());
    return parse(outcome.out);
  }
  static json found(const Arguments& more) { return asked(with_data("search", more)).at("hits"); }

  inline static Workplace* here = nullptr;
  inline static std::map<std::string, std::int64_t> planted;
  inline static concepts::Codes codes;
};

TEST_F(Concepts, NamesAreTheWordsThatLieWhereLatentsPoint) {
  const auto outcome = here->run(with_data("name", {"--vocab", "words.h5:/embeddings", "--out", "n.json",
                                                    "--csv", "n.csv", "--json", "list.json"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(StartsWith("name"), HasSubstr("dog"), HasSubstr("named: "),
                                 HasSubstr("By the same rule: of as many random rows")));
  EXPECT_THAT(outcome.err, HasSubstr("The names are in n.json"));
  const auto list = parse(contents(*here / "list.json"));
  const auto names = concepts::read_names(*here / "n.json", *model_of(*here));
  const auto csv = lines(contents(*here / "n.csv"));
  const auto profiles = concepts::profiles(codes);
  ASSERT_THAT(list, SizeIs(64));
  ASSERT_THAT(csv, SizeIs(65));
  EXPECT_EQ(csv[0], "latent,name,cosine,margin,level,rank,active_fraction,words");
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_THAT(keys(list[i]), testing::IsSupersetOf({"active_fraction", "cosine", "latent", "margin", "name",
                                                      "rank", "words"}));
    EXPECT_EQ(list[i].at("latent"), i);
    EXPECT_THAT(list[i].at("words"), SizeIs(5));
    EXPECT_NEAR(list[i].at("active_fraction"), profiles[i].frequency, 1e-12);
    EXPECT_EQ(list[i].at("name").is_null() ? "" : list[i].at("name").get<std::string>(), names.of[i]);
    EXPECT_THAT(csv[i + 1], StartsWith(std::to_string(i) + ","));
  }
  for (const auto& [word, latent] : planted) {
    const auto& entry = list[static_cast<std::size_t>(latent)];
    EXPECT_EQ(entry.at("name"), word);
    EXPECT_EQ(entry.at("words")[0][0], word);
    EXPECT_NEAR(entry.at("cosine"), 1, 1e-5);
  }
  EXPECT_THAT(csv[1 + static_cast<std::size_t>(planted.at("a, \"b\" c"))], HasSubstr(",\"a, \"\"b\"\" c\","));
}

TEST_F(Concepts, NamesOfARunAreBesideItAndOfAFileWhereOneSays) {
  const Workplace other;
  plant_words(other);
  std::filesystem::copy_file(other / "run" / "sae_weights.safetensors", other / "plain.safetensors");
  ASSERT_THAT(other.run({"name", "run", "--vocab", "words.h5:/embeddings", "--words", "words.h5:/words",
                         "--quiet", "--unique", "--show", "0"}),
              Succeeds());
  const auto names = concepts::read_names(other / "run" / "names.json", *model_of(other));
  std::multiset<std::string> given(names.of.begin(), names.of.end());
  EXPECT_EQ(given.count("dog"), 1);
  EXPECT_EQ(names.of[static_cast<std::size_t>(planted.at("dog"))], "dog");
  // Others than asked for are never guessed at.
  const auto before = other.names();
  EXPECT_THAT(other.run({"name", "run", "--vocab", "words.h5:/embeddings", "--words", "none.txt"}),
              FailsSaying({"none.txt"}));
  EXPECT_EQ(other.names(), before);
}

TEST_F(Concepts, AWordThatIsThereTwiceIsOneAndToldOf) {
  std::vector<float> rows(4 * 16);
  for (std::size_t i = 0; i < 4; ++i) rows[i * 16 + i] = 1;
  {
    Hdf5File file(*here / "twice.h5");
    file.floats("/embeddings", {4, 16}, rows);
    write_strings(file.id(), "/words", {"one", "two", "one", "three"});
  }
  const auto outcome =
      here->run({"name", "run", "--vocab", "twice.h5:/embeddings", "--out", "twice.json", "--best", "9"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("msae: 1 row has the word of an earlier one"));
  const auto latents = parse(contents(*here / "twice.json")).at("latents");
  for (const auto& entry : latents) {
    EXPECT_THAT(entry.at("words"), testing::UnorderedElementsAre("one", "two", "three"));
  }
}

TEST_F(Concepts, ARowIsSearchedForByItsLatentsAndNeverFindsItself) {
  const auto outcome = here->run(with_data(
      "search", {"--row", "17", "--plain", "--labels", "labels.txt", "--json", "hits.json", "--top", "7"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("because of"), HasSubstr("By the embeddings themselves"),
                                 HasSubstr(label_begin)));
  const auto result = parse(contents(*here / "hits.json"));
  EXPECT_THAT(keys(result), ElementsAre("codes", "data", "hits", "plain", "point", "run"));
  EXPECT_EQ(result.at("point"), "k=64");
  const auto expected = concepts::LatentIndex(codes).search(concepts::query_of(codes, 17), 8);
  ASSERT_THAT(result.at("hits"), SizeIs(7));
  ASSERT_THAT(result.at("plain"), SizeIs(7));
  EXPECT_EQ(expected[0].row, 17);
  for (std::size_t i = 0; i < 7; ++i) {
    const auto& hit = result.at("hits")[i];
    EXPECT_THAT(keys(hit), ElementsAre("label", "latents", "row", "score"));
    EXPECT_EQ(hit.at("row"), expected[i + 1].row);
    EXPECT_NEAR(hit.at("score"), expected[i + 1].score, 1e-5);
    EXPECT_EQ(hit.at("label"), label_begin + std::to_string(hit.at("row").get<int>()));
    for (const auto& latent : hit.at("latents")) EXPECT_TRUE(has(codes, 17, latent));
  }
  EXPECT_THAT(rows_of(result.at("plain")), Not(Contains(17)));
}

TEST_F(Concepts, AreSearchedForWithWeightsOfWhatIsTypical) {
  const auto dog = planted.at("dog"), snow = planted.at("snow");
  const auto expected = concepts::LatentIndex(codes).search(
      {{static_cast<std::int32_t>(dog), static_cast<float>(2 * typical(codes, dog))},
       {static_cast<std::int32_t>(snow), static_cast<float>(-typical(codes, snow))}},
      10);
  std::vector<std::int64_t> rows;
  for (const auto& hit : expected) rows.push_back(hit.row);
  const auto numbers = found(
      {"--with", "latent:" + std::to_string(dog) + "=2", "--without", "latent:" + std::to_string(snow)});
  EXPECT_THAT(rows_of(numbers), ElementsAreArray(rows));
  EXPECT_EQ(found({"--with", "DOG=2", "--without", "snow"}), numbers);
  for (const auto row : rows) EXPECT_TRUE(has(codes, row, dog)) << row;
}

TEST_F(Concepts, OneNameMayBeThatOfSeveralLatents) {
  auto names = parse(contents(*here / "run" / "names.json"));
  const auto dog = planted.at("dog"), sky = planted.at("sky");
  names["latents"][static_cast<std::size_t>(sky)]["name"] = "dog";
  overwrite(*here / "both.json", names.dump());
  EXPECT_EQ(found({"--names", "both.json", "--with", "dog"}),
            found({"--with", "latent:" + std::to_string(dog), "--with", "sky"}));
}

TEST_F(Concepts, CodesOfAFileAnswerAsEncodingDoes) {
  ASSERT_THAT(here->run(with_data("encode", {"--out", "codes.h5", "--k", "64", "--quiet"})), Succeeds());
  const Arguments call{"--row", "3", "--with", "sky=0.5", "--rarity", "--similarity", "manhattan"};
  EXPECT_EQ(found(call + Arguments{"--encoded", "codes.h5"}), found(call));
  ASSERT_THAT(here->run(with_data("encode", {"--out", "few.h5", "--k", "3", "--quiet"})), Succeeds());
  const auto of_few = here->run(with_data("search", {"--row", "3", "--encoded", "few.h5", "--json", "-"}));
  EXPECT_EQ(parse(of_few.out).at("point"), "k=3") << "as the file says";
  EXPECT_THAT(here->run(with_data("search", call + Arguments{"--encoded", "few.h5", "--k", "3"})),
              IsWrongUsage("--encoded"));
}

TEST_F(Concepts, MayBeThoseOfOtherCodes) {
  const Arguments codes{"--k", "6", "--codes", "pursuit"};
  ASSERT_THAT(here->run(with_data("encode", codes + Arguments{"--out", "pursued.h5", "--quiet"})),
              Succeeds());
  const Arguments call{"--row", "3"};
  const auto fresh = here->run(with_data("search", call + codes + Arguments{"--json", "fresh.json"}));
  ASSERT_THAT(fresh, Succeeds());
  EXPECT_THAT(fresh.out, StartsWith("Codes: k=6, pursuit\n\nrank"));
  const auto stored = asked(with_data("search", call + Arguments{"--encoded", "pursued.h5"}));
  EXPECT_EQ(stored, parse(contents(*here / "fresh.json")));
  EXPECT_EQ(stored.at("codes"), "pursuit") << "as the file says";
  EXPECT_NE(stored.at("hits"), asked(with_data("search", call + Arguments{"--k", "6"})).at("hits"));
  // A query of another file is encoded as the rows are.
  EXPECT_NEAR(
      asked(with_data("search", {"--query", embeddings, "--query-row", "7", "--encoded", "pursued.h5"}))
          .at("hits")[0]
          .at("score"),
      1, 1e-5);
  EXPECT_THAT(here->run(with_data("search", call + Arguments{"--encoded", "pursued.h5", "--codes", "refit"})),
              IsWrongUsage("--codes"));
  EXPECT_THAT(here->run(with_data("tree", codes)).out, StartsWith("Codes: k=6, pursuit\n"));
  EXPECT_THAT(here->run(with_data("name", {"--vocab", "words.h5:/embeddings", "--out", "r.json", "--codes",
                                           "refit", "--k", "6"}))
                  .out,
              StartsWith("Codes: k=6, refit\n"));
}

TEST_F(Concepts, RowsKeepTheirNumbersOfTheFileWhereSomeAreLeftOut) {
  const auto all = data::open((*here / embeddings).string());
  std::vector<float> values(600 * 16);
  all->read(0, 600, values);
  const auto whole = found({"--row", "5", "--top", "599"});
  values[0] = values[2 * 16 + 3] = std::numeric_limits<float>::quiet_NaN();
  Hdf5File(*here / "nan.h5").floats("/rows", {600, 16}, values);
  const Arguments call{"search", "run", "--data", "nan.h5:/rows", "--skip-bad-rows", "--row", "5"};
  auto kept = rows_of(whole);
  kept.erase(std::remove_if(kept.begin(), kept.end(), [](auto row) { return row == 0 || row == 2; }),
             kept.end());
  EXPECT_THAT(rows_of(asked(call + Arguments{"--top", "1000"}).at("hits")), ElementsAreArray(kept));

  const auto held = data::prepare(data::open((*here / embeddings).string()), {.holdout = 0.1}).evaluated();
  std::set<std::int64_t> numbers;
  for (std::int64_t i = 0; i < held->rows(); ++i) numbers.insert(held->original_row(i));
  ASSERT_EQ(numbers.size(), 60);
  const auto asked_for = *numbers.rbegin();
  const auto rest = rows_of(found({"--holdout", "0.1", "--row", std::to_string(asked_for), "--top", "600"}));
  numbers.erase(asked_for);
  EXPECT_EQ(std::set<std::int64_t>(rest.begin(), rest.end()), numbers);
}

TEST_F(Concepts, LabelsMayBeNumbersOfNames) {
  std::ofstream(*here / "classes.txt") << "even\nodd\n";
  std::ofstream numbers(*here / "numbers.txt");
  for (int row = 0; row < 600; ++row) numbers << row % 2 << "\n";
  numbers.close();
  for (const auto& hit : found({"--row", "0", "--labels", "numbers.txt", "--label-names", "classes.txt"})) {
    EXPECT_EQ(hit.at("label"), hit.at("row").get<int>() % 2 == 0 ? "even" : "odd");
  }
}

TEST_F(Concepts, ARowOfOtherDataFindsTheSameRowHere) {
  const auto all = data::open((*here / embeddings).string());
  std::vector<float> row(16);
  all->read(321, 1, row);
  Hdf5File(*here / "query.h5").floats("/rows", {2, 16}, [&] {
    std::vector<float> both(16, 0.25f);
    both.insert(both.end(), row.begin(), row.end());
    return both;
  }());
  const auto result =
      asked(with_data("search", {"--query", "query.h5:/rows", "--query-row", "1", "--plain"}));
  EXPECT_EQ(result.at("hits")[0].at("row"), 321);
  EXPECT_NEAR(result.at("hits")[0].at("score"), 1, 1e-5);
  EXPECT_EQ(result.at("plain")[0].at("row"), 321);
}

TEST_F(Concepts, TheTreeIsHeldAgainstATruthThatIsKnown) {
  const auto outcome =
      here->run(with_data("tree", {"--truth", "data.h5", "--csv", "t.csv", "--json", "t.json", "--broader",
                                   "1.05", "--lift", "1", "--fewest-rows", "5", "--cosine", "0.1"}));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("latents have a parent, in "), HasSubstr("parent is there in, active in"),
                    HasSubstr("are true, "), HasSubstr("were found (all true edges: ")));
  const auto tree = parse(contents(*here / "t.json"));
  EXPECT_THAT(keys(tree), ElementsAre("codes", "data", "edges", "point", "run", "truth"));
  EXPECT_THAT(keys(tree.at("truth")),
              ElementsAre("ancestors", "edges", "possible", "precision", "recall", "true_edges"));
  const auto& edges = tree.at("edges");
  ASSERT_THAT(edges, Not(IsEmpty()));
  const auto csv = lines(contents(*here / "t.csv"));
  ASSERT_EQ(csv.size(), edges.size() + 1);
  EXPECT_EQ(csv[0], "latent,name,parent,parent_name,depth,present,active,lift,cosine");
  const auto profiles = concepts::profiles(codes, {.top = 0});
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const auto& edge = edges[i];
    EXPECT_THAT(keys(edge), ElementsAre("active", "cosine", "depth", "latent", "lift", "name", "parent",
                                        "parent_name", "present"));
    const auto child = edge.at("latent").get<std::size_t>(), parent = edge.at("parent").get<std::size_t>();
    EXPECT_GE(static_cast<double>(profiles[parent].rows), 1.05 * static_cast<double>(profiles[child].rows));
    EXPECT_THAT(edge.at("depth").get<int>(), Gt(0));
    EXPECT_THAT(csv[i + 1], StartsWith(std::to_string(child) + ","));
    for (const auto* side : {"name", "parent_name"}) {
      if (edge.at(side).is_null()) continue;
      const auto name = planted.find(edge.at(side).get<std::string>());
      if (name == planted.end()) continue;
      EXPECT_EQ(name->second, static_cast<std::int64_t>(side == std::string("name") ? child : parent));
    }
  }
}

}  // namespace
}  // namespace msae::test
