// The page of msae report in a browser, used as a reader would. Skipped where there is no Chromium.
#include <fstream>

#include "cli/browser.h"
#include "cli/concept_files.h"
#include "msae/io/model_folder.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Not;
using testing::StartsWith;

class ReportPage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    here = new Workplace;
    browser =
        here->shell("command -v chromium || command -v chromium-browser || command -v google-chrome").out;
    browser = browser.substr(0, browser.find('\n'));
    if (browser.empty()) return;
    planted = make_names(*here);
    special = alike_to("Dogma");
    write_codes(*here / "codes.h5", 64, hand_made());
    std::filesystem::create_directory(*here / "photos");
    for (int row = 0; row < 600; ++row) {
      overwrite(*here / "photos" / (std::to_string(row) + ".ppm"), picture(8, 8, 200, 100, 0));
    }
    ASSERT_THAT(here->run({"report", "run", "--data", embeddings, "--encoded", "codes.h5", "--labels",
                           "labels.txt", "--images", "photos", "--out", "r.html"}),
                Succeeds());
  }
  static void TearDownTestSuite() { delete here; }
  void SetUp() override {
    if (browser.empty()) GTEST_SKIP() << "no chromium, chromium-browser or google-chrome on the PATH";
  }

  /// A word whose latent does not point away from that of another one, so that it can be its special case.
  static std::string alike_to(const std::string& word) {
    const auto decoder = io::load((*here / "run").string())->decoder.detach();
    for (const auto& [other, latent] : planted) {
      if (other == word || other == "dog" || other == "tree" || other == markup) continue;
      if (torch::dot(decoder[latent], decoder[planted.at(word)]).item<double>() >= 0) return other;
    }
    return {};
  }
  static std::string with_special(std::string text) {
    for (auto at = text.find("SPECIAL"); at != std::string::npos; at = text.find("SPECIAL")) {
      text.replace(at, 7, special);
    }
    return text;
  }

  /// Rows with a hierarchy: dog, on 150 rows, has the special cases Dogma and tree, and Dogma has `special`.
  /// The name that is markup is on most rows, and 40 latents without a name are on a row each.
  static std::vector<std::map<std::int64_t, float>> hand_made() {
    std::vector<std::map<std::int64_t, float>> rows(600);
    const auto put = [&](const std::string& word, int first, int last, float value) {
      for (int row = first; row < last; ++row) {
        rows[static_cast<std::size_t>(row)][planted.at(word)] = value + 0.001f * static_cast<float>(row);
      }
    };
    put("dog", 0, 90, 10);
    put("dog", 90, 150, 5);
    put("Dogma", 0, 30, 2);
    put("Dogma", 30, 50, 1);
    put("tree", 50, 90, 1);
    put(special, 0, 25, 0.5f);
    put(markup, 200, 600, 3);
    std::size_t row = 160;
    for (std::int64_t latent = 0; latent < 64 && row < 200; ++latent) {
      const bool named = std::any_of(planted.begin(), planted.end(),
                                     [&](const auto& word) { return word.second == latent; });
      if (!named) rows[row++][latent] = 1;
    }
    return rows;
  }

  static json seen_on(const std::string& page, const std::string& what_the_reader_does, int width = 1200) {
    return read_by(browser, *here, page, what_the_reader_does, width);
  }

  inline static Workplace* here = nullptr;
  inline static std::string browser, special;
  inline static std::map<std::string, std::int64_t> planted;
};

TEST_F(ReportPage, IsSearchedSortedAndRead) {
  const auto seen = seen_on("r.html", R"(
    seen.start = texts('#list .name');
    seen.hint = one('#concept').textContent;
    await type('dogm');
    seen.found = texts('#list .name');
    seen.fit = listed().every(i => wordsOf(i).join().includes('Dogma'));
    seen.count = one('#count').textContent;
    await type('');
    await pick('#sort', 'number');
    seen.by_number = listed();
    await pick('#sort', 'frequency');
    seen.by_frequency = listed().map(i => data.rows[i]);
    await pick('#sort', 'rare');
    seen.by_rarity = listed().map(i => data.rows[i]);
    await pick('#sort', 'letters');
    seen.by_letters = texts('#list .name').slice(0, 5);
    await click('#named');
    seen.named = texts('#list .name').filter(name => name.startsWith('latent'));
    await click('#named');
    await pick('#sort', 'name');
    seen.levels = [...one('#level').options].map(option => option.textContent);
    await type('dog');
    await click(all('#list .item').find(item => item.textContent.startsWith('dog')));
    seen.title = one('#concept h3').textContent;
    seen.facts = texts('#concept dd');
    seen.sections = texts('#concept h4');
    seen.rows = texts('#concept .rows li');
    seen.pictures = all('#concept .rows img').map(image => image.src.slice(0, 23));
    seen.selected = texts('#list .item[aria-selected=true] .name');
    seen.address = location.hash;
    await type('');
    await press('Home');
    const before = listed().indexOf(state.latent);
    await press('ArrowDown');
    await press('ArrowDown');
    seen.moved = listed().indexOf(state.latent) - before;
    await press('ArrowUp');
    seen.moved_back = listed().indexOf(state.latent) - before;
    seen.read = one('#concept h3').textContent === texts('#list .item[aria-selected=true] .name')[0];
    seen.overflow = document.documentElement.scrollWidth - innerWidth;
  )");
  EXPECT_THAT(seen.at("trouble"), IsEmpty());
  EXPECT_THAT(seen.at("start"), Contains("dog"));
  EXPECT_THAT(seen.at("hint").get<std::string>(), HasSubstr("Choose a concept"));
  EXPECT_EQ(seen.at("found")[0], "Dogma");  // before those to which the word is near
  EXPECT_EQ(seen.at("fit"), true);
  EXPECT_THAT(seen.at("count").get<std::string>(), HasSubstr(" of 64 latents"));
  const auto numbers = seen.at("by_number").get<std::vector<int>>();
  EXPECT_GT(numbers.size(), 10);
  EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  const auto often = seen.at("by_frequency").get<std::vector<int>>();
  EXPECT_EQ(often[0], 400);
  EXPECT_EQ(often[1], 150);
  EXPECT_TRUE(std::is_sorted(often.rbegin(), often.rend()));
  const auto rarely = seen.at("by_rarity").get<std::vector<int>>();
  EXPECT_EQ(rarely[0], 1);  // dead ones are not asked for
  EXPECT_TRUE(std::is_sorted(rarely.begin(), rarely.end()));
  EXPECT_THAT(seen.at("by_letters"), Contains(markup));
  EXPECT_THAT(seen.at("named"), IsEmpty());
  EXPECT_THAT(seen.at("levels"), Contains("level 1"));
  EXPECT_EQ(seen.at("title"), "dog");
  EXPECT_EQ(seen.at("facts")[0], std::to_string(planted.at("dog")));
  EXPECT_THAT(seen.at("facts")[1].get<std::string>(), StartsWith("dog, "));
  EXPECT_THAT(seen.at("facts")[3].get<std::string>(), StartsWith("150 rows"));
  EXPECT_THAT(seen.at("sections"),
              ElementsAre("Special cases", "Often together with", "Rows with most of it"));
  ASSERT_EQ(seen.at("rows").size(), 10);
  EXPECT_EQ(seen.at("rows")[0], std::string(label_begin) + "89row 8910.1");
  EXPECT_EQ(seen.at("pictures").size(), 10);
  EXPECT_THAT(seen.at("pictures"), testing::Each("data:image/jpeg;base64,"));
  EXPECT_THAT(seen.at("selected"), ElementsAre("dog"));
  EXPECT_THAT(seen.at("address").get<std::string>(),
              HasSubstr("latent=" + std::to_string(planted.at("dog"))));
  EXPECT_EQ(seen.at("moved"), 2);
  EXPECT_EQ(seen.at("moved_back"), 1);
  EXPECT_EQ(seen.at("read"), true);
  EXPECT_LE(seen.at("overflow"), 0);
}

TEST_F(ReportPage, TheTreeUnfoldsAndLinksLead) {
  const auto seen = seen_on("r.html", with_special(R"(
    await click('#tree');
    seen.roots = texts('#list .name');
    seen.role = one('#list').getAttribute('role');
    const item = name => all('#list .item').find(at => at.querySelector('.name').textContent === name);
    await click(item('dog').querySelector('.fold'));
    seen.below = texts('#list .name');
    seen.chosen = state.latent;
    await click(item('Dogma').querySelector('.fold'));
    seen.further = texts('#list .name');
    seen.depth = all('#list .item').map(at => at.getAttribute('aria-level'));
    await click(item('dog').querySelector('.fold'));
    seen.folded = texts('#list .name');
    await type('SPECIAL');
    const lines = texts('#list .name');
    seen.path = lines.slice(lines.indexOf('dog'), lines.indexOf('dog') + 3);
    await type('');
    await click(item('dog'));
    await press('ArrowRight');
    seen.by_key = texts('#list .name');
    await press('ArrowLeft');
    seen.by_key_again = texts('#list .name');
    const link = words => all('#concept button').find(at => at.textContent.startsWith(words));
    await click(link('Dogma'));
    seen.child = one('#concept h3').textContent;
    seen.in_sight = texts('#list .item[aria-selected=true] .name');
    seen.above = link('dog ').parentElement.previousSibling.textContent;
    await click(link('SPECIAL'));
    seen.grandchild = one('#concept h3').textContent;
    history.back();
    await rest();
    seen.back = one('#concept h3').textContent;
    await click('#tree');
    await type('onerror=');
    await click('#list .item');
    seen.markup = one('#concept h3').textContent;
    seen.images = all('img').filter(at => !at.src.startsWith('data:')).length;
    seen.label = texts('#concept .rows li div')[0];
    seen.bold = all('#concept b').length;
  )"));
  EXPECT_THAT(seen.at("trouble"), IsEmpty());
  EXPECT_THAT(seen.at("roots"), ElementsAre("dog"));
  EXPECT_EQ(seen.at("role"), "tree");
  EXPECT_THAT(seen.at("below"), ElementsAre("dog", "Dogma", "tree"));
  EXPECT_EQ(seen.at("chosen"), -1);
  EXPECT_THAT(seen.at("further"), ElementsAre("dog", "Dogma", special, "tree"));
  EXPECT_THAT(seen.at("depth"), ElementsAre("1", "2", "3", "2"));
  EXPECT_THAT(seen.at("folded"), ElementsAre("dog"));
  EXPECT_THAT(seen.at("path"), ElementsAre("dog", "Dogma", special));
  EXPECT_THAT(seen.at("by_key"), ElementsAre("dog", "Dogma", special, "tree"));
  EXPECT_THAT(seen.at("by_key_again"), ElementsAre("dog"));
  EXPECT_EQ(seen.at("child"), "Dogma");
  EXPECT_THAT(seen.at("in_sight"), ElementsAre("Dogma"));
  EXPECT_EQ(seen.at("above"), "Special case of");
  EXPECT_EQ(seen.at("grandchild"), special);
  EXPECT_EQ(seen.at("back"), "Dogma");
  EXPECT_EQ(seen.at("markup"), markup);
  EXPECT_EQ(seen.at("images"), 0);
  EXPECT_EQ(seen.at("label"), std::string(label_begin) + "599");
  EXPECT_EQ(seen.at("bold"), 0);
}

TEST_F(ReportPage, OnANarrowScreenTheListGivesWayToTheConcept) {
  const auto seen = seen_on("r.html", R"(
    // A window may be wider than it was asked to be; a frame is not.
    if (innerWidth > 400 && window === top) {
      const frame = document.createElement('iframe');
      frame.style.cssText = 'width:400px;height:800px;border:0';
      const heard = new Promise(done => addEventListener('message', event => done(event.data)));
      frame.src = location.href;
      document.body.append(frame);
      Object.assign(seen, await heard);
      trouble.push(...seen.inner);
      return;
    }
    const widths = () => document.documentElement.scrollWidth - innerWidth;
    seen.width = innerWidth;
    seen.overflow = [widths()];
    seen.both = [isThere('#list'), isThere('#detail')];
    await type('onerror');
    await click('#list .item');
    seen.opened = [isThere('#list'), isThere('#detail'), isThere('#back')];
    seen.overflow.push(widths());
    await click('#back');
    seen.closed = [isThere('#list'), isThere('#detail')];
    seen.overflow.push(widths());
    seen.inner = trouble;
    parent.postMessage(seen, '*');
  )",
                            400);
  EXPECT_THAT(seen.at("trouble"), IsEmpty());
  EXPECT_EQ(seen.at("width"), 400);
  EXPECT_THAT(seen.at("overflow"), testing::Each(Le(0)));
  EXPECT_THAT(seen.at("both"), ElementsAre(true, false));
  EXPECT_THAT(seen.at("opened"), ElementsAre(false, true, true));
  EXPECT_THAT(seen.at("closed"), ElementsAre(true, false));
}

TEST_F(ReportPage, OnlyLatentsInSightExistHoweverManyThereAre) {
  constexpr std::int64_t many = 24'576;
  torch::manual_seed(5);
  io::save(models::SparseAutoencoder({.dim = 4, .latents = many, .activation = models::TopK{16}}),
           *here / "wide");
  std::vector<float> rows(200 * 4);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>((i * 7919) % 101) - 50;
  Hdf5File(*here / "wide.h5").floats("/rows", {200, 4}, rows);
  ASSERT_THAT(here->run({"report", "wide", "--data", "wide.h5:/rows", "--out", "wide.html", "--without-tree",
                         "--top", "1"}),
              Succeeds());
  const auto seen = seen_on("wide.html", R"(
    await click('#dead');
    await pick('#sort', 'number');
    seen.count = one('#count').textContent;
    seen.first = listed();
    one('#list').scrollTop = 1e9;
    one('#list').dispatchEvent(new Event('scroll'));  // no frame is drawn that would
    seen.last = listed();
    await press('Home');
    seen.home = listed()[0];
    await press('End');
    seen.end = [state.latent, listed().includes(state.latent)];
    await type('24575');
    seen.found = listed();
    seen.tree = isThere('#tree');
  )");
  EXPECT_THAT(seen.at("trouble"), IsEmpty());
  EXPECT_THAT(seen.at("count").get<std::string>(), StartsWith("24,576 of 24,576 latents"));
  EXPECT_EQ(seen.at("first")[0], 0);
  EXPECT_EQ(seen.at("last").back(), many - 1);
  for (const auto* part : {"first", "last"}) EXPECT_THAT(seen.at(part).size(), AllOf(Ge(8), Le(60)));
  EXPECT_EQ(seen.at("home"), 0);
  EXPECT_THAT(seen.at("end"), ElementsAre(many - 1, true));
  EXPECT_THAT(seen.at("found"), ElementsAre(many - 1));
  EXPECT_EQ(seen.at("tree"), false);
}

}  // namespace
}  // namespace msae::test
