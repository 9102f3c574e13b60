// msae report: the page as a file. What it does in a browser: report_page_test.cpp.
#include <fstream>
#include <regex>

#include "cli/concept_files.h"
#include "msae/concepts/profile.h"
#include "support/files.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* data_begin = "<script type=\"application/json\" id=\"data\">";

json data_of(const std::string& page) {
  const auto begin = page.find(data_begin) + std::string(data_begin).size();
  return parse(page.substr(begin, page.find("</script>", begin) - begin));
}

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

class Report : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    here = new Workplace;
    planted = make_names(*here);
    codes = codes_of(*here);
    std::filesystem::create_directory(*here / "photos");
    for (int row = 0; row < 600; ++row) {  // wide ones, named so that 10 comes after 9
      overwrite(*here / "photos" / (std::to_string(row) + ".ppm"), picture(40, 20, 250, 10, 10));
    }
    overwrite(*here / "photos" / "notes.txt", "no picture");
  }
  static void TearDownTestSuite() { delete here; }

  static Outcome report(const std::string& out, const Arguments& more) {
    return here->run(Arguments{"report", "run", "--data", embeddings, "--out", out, "--json", "-"} + more);
  }
  static json page_data(const std::string& file) { return data_of(contents(*here / file)); }

  inline static Workplace* here = nullptr;
  inline static std::map<std::string, std::int64_t> planted;
  inline static concepts::Codes codes;
};

TEST_F(Report, SaysWhoseCodesItShows) {
  const auto outcome = report("p.html", {"--codes", "pursuit", "--k", "6", "--without-tree"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_EQ(parse(outcome.out).at("codes"), "pursuit");
  const auto page = contents(*here / "p.html");
  EXPECT_THAT(page, AllOf(HasSubstr("shown at the point k=6, pursuit: "), HasSubstr("<th>codes</th>"),
                          HasSubstr("<td>pursuit</td>"), HasSubstr("<td>encoder</td>")));
  ASSERT_THAT(here->run({"encode", "run", "--data", embeddings, "--codes", "refit", "--k", "6", "--out",
                         "refit.h5", "--quiet"}),
              Succeeds());
  const auto of_file = report("q.html", {"--encoded", "refit.h5", "--without-tree"});
  ASSERT_THAT(of_file, Succeeds());
  EXPECT_EQ(parse(of_file.out).at("codes"), "refit");
  EXPECT_THAT(contents(*here / "q.html"), HasSubstr("shown at the point k=6, refit: "));
}

TEST_F(Report, IsOneFileThatHoldsAllOfIt) {
  const auto outcome = report("r.html", {"--labels", "labels.txt", "--top", "6"});
  ASSERT_THAT(outcome, Succeeds());
  const auto result = parse(outcome.out);
  EXPECT_THAT(keys(result), ElementsAre("active", "bytes", "codes", "data", "file", "named", "pictures",
                                        "point", "run", "with_parent"));
  const auto page = contents(*here / "r.html");
  EXPECT_EQ(result.at("bytes"), page.size());
  EXPECT_THAT(page, AllOf(StartsWith("<!DOCTYPE html>"), testing::EndsWith("</html>\n"),
                          HasSubstr("Loss in training"), HasSubstr("<td>level 4"), HasSubstr("hypervolume")));
  for (const auto* outside : {"src=\"", "src=http", "<link", "href", "@import", "url(", "http:", "https:"}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  EXPECT_EQ(count_of(page, "<script"), 2);
  EXPECT_EQ(count_of(page, "</script"), 2);
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<img")), Not(HasSubstr(label_begin))));

  const auto data = data_of(page);
  const auto profiles = concepts::profiles(codes, {.top = 6});
  const auto& strings = data.at("strings");
  EXPECT_EQ(data.at("count"), 600);
  ASSERT_THAT(data.at("rows"), SizeIs(64));
  for (const auto& [word, latent] : planted) {
    const auto at = static_cast<std::size_t>(latent);
    EXPECT_EQ(strings[data.at("name")[at].get<std::size_t>()], word);
    EXPECT_EQ(data.at("rows")[at], profiles[at].rows);
    ASSERT_EQ(data.at("top")[at].size(), profiles[at].top.size());
    for (std::size_t i = 0; i < profiles[at].top.size(); ++i) {
      const auto row = std::to_string(profiles[at].top[i].row);
      EXPECT_EQ(data.at("top")[at][i][0].dump(), row);
      EXPECT_EQ(strings[data.at("labels").at(row).get<std::size_t>()], label_begin + row);
    }
  }
  EXPECT_THAT(data.at("images"), IsEmpty());
  // As it is told to people, and by words given here and now.
  const auto anew = here->run({"report", "run", "--data", embeddings, "--out", "r.html", "--vocab",
                               "words.h5:/embeddings", "--without-tree"});
  ASSERT_THAT(anew, Succeeds());
  EXPECT_THAT(anew.out, AllOf(StartsWith("r.html: "), HasSubstr(" active latents of 64, "),
                              HasSubstr(", 0 with a parent, 0 pictures; ")));
  EXPECT_EQ(page_data("r.html").at("name").size(), 64);
}

TEST_F(Report, PicturesAreMadeSmallAndThoseThatAreBrokenToldOf) {
  const auto profiles = concepts::profiles(codes, {.top = 1});
  const auto broken = profiles[static_cast<std::size_t>(planted.at("dog"))].top.at(0).row;
  const auto file = std::to_string(broken) + ".ppm";
  overwrite(*here / "photos" / file, "no picture");
  const auto outcome =
      report("photos.html", {"--images", "photos", "--top", "1", "--picture-size", "16", "--without-tree"});
  overwrite(*here / "photos" / file, picture(40, 20, 250, 10, 10));
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("msae: 1 picture cannot be read, the first is photos/" + file));
  const auto images = page_data("photos.html").at("images");
  EXPECT_FALSE(images.contains(std::to_string(broken)));
  EXPECT_EQ(images.size(), parse(outcome.out).at("pictures"));
  EXPECT_GT(images.size(), 5);
  for (const auto& image : images) {
    EXPECT_THAT(image.get<std::string>(), StartsWith("data:image/jpeg;base64,/9j/"));
    EXPECT_LT(image.get<std::string>().size(), 1500);
  }
}

TEST_F(Report, OnlySoManyPicturesBecomePartOfIt) {
  const auto outcome = report("few.html", {"--images", "photos", "--pictures", "3", "--without-tree"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("more pictures than --pictures allows are left out"));
  EXPECT_THAT(page_data("few.html").at("images"), SizeIs(3));
}

TEST_F(Report, AListNamesFilesFromItsOwnFolderAndAddresses) {
  std::ofstream list(*here / "photos" / "list.txt");
  for (int row = 0; row < 600; ++row) {
    if (row % 2 == 0) {
      list << row << ".ppm\n";
    } else {
      list << "https://example.org/" << row << ".jpg?a=1&b=\"<x>\n";
    }
  }
  list.close();
  ASSERT_THAT(report("list.html", {"--images", "photos/list.txt", "--pictures", "5", "--without-tree"}),
              Succeeds());
  int addresses = 0, files = 0;
  const auto images = page_data("list.html").at("images");
  for (const auto& item : images.items()) {
    const auto row = std::stoi(item.key());
    if (row % 2 == 0) {
      ++files;
      EXPECT_THAT(item.value().get<std::string>(), StartsWith("data:image/jpeg"));
    } else {
      ++addresses;
      EXPECT_EQ(item.value(), "https://example.org/" + item.key() + ".jpg?a=1&b=\"<x>");
    }
  }
  EXPECT_EQ(files, 5);
  EXPECT_GT(addresses, 20);  // which are no part of the page, and not counted
  EXPECT_THAT(contents(*here / "list.html"), Not(HasSubstr("\"<x>")));
}

TEST_F(Report, AModelThatIsAFileHasNoCurvesAndNames) {
  ASSERT_THAT(here->run({"convert", "run", "alone.safetensors", "--to", "safetensors", "--quiet"}),
              Succeeds());
  const auto outcome = here->run({"report", "alone.safetensors", "--data", embeddings, "--out", "alone.html",
                                  "--without-tree", "--k", "3", "--holdout", "0.5"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.out, HasSubstr(", 0 named, "));
  const auto page = contents(*here / "alone.html");
  EXPECT_THAT(page, AllOf(Not(HasSubstr("Loss in training")), HasSubstr("on 300 rows of")));
  const auto data = data_of(page);
  double entries = 0;
  for (const auto& rows : data.at("rows")) entries += rows.get<double>();
  EXPECT_LE(entries, 900);
  EXPECT_EQ(data.at("count"), 300);
}

TEST_F(Report, IsReplacedByReportsAlone) {
  overwrite(*here / "mine.html", "<html>mine</html>");
  EXPECT_THAT(here->run({"report", "run", "--data", embeddings, "--out", "mine.html"}),
              FailsSaying({"--out: mine.html holds something else than results"}));
  EXPECT_EQ(contents(*here / "mine.html"), "<html>mine</html>");
}

}  // namespace
}  // namespace msae::test
