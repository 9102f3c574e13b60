// What is said of words and names that are wrong.
#include <fstream>

#include "cli/bad_input.h"
#include "cli/concept_files.h"
#include "msae/concepts/names.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

using nlohmann::json;

std::vector<std::string> same_words(std::size_t count, const std::string& line) {
  return std::vector<std::string>(count, line);
}

class WrongNames : public BadInput {
 protected:
  WrongNames() {
    planted = make_names(here);
    Hdf5File(here / "other.h5").floats("/rows", {3, 8}, std::vector<float>(24, 0.5f));
  }

  std::map<std::string, std::int64_t> planted;
};

TEST_F(WrongNames, OfWords) {
  const auto words_file = [&](const std::string& name, std::vector<std::string> words) {
    Hdf5File file(here / name);
    std::vector<float> rows(words.size() * 16);
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * i % 17) - 8;
    file.floats("/embeddings", {words.size(), 16}, rows);
    write_strings(file.id(), "/words", words);
  };
  words_file("empty_word.h5", {"a", "", "c"});
  words_file("latin.h5", {"a", "caf\xe9"});
  words_file("alone.h5", {"a"});
  write_lines(here / "few.txt", same_words(15, "word"));
  write_lines(here / "many.txt", same_words(17, "word"));
  write_lines(here / "other.txt", {"a", "b", "c"});
  const auto name = [](const std::string& vocabulary, const Arguments& more = {}) {
    return Arguments{"name", "run", "--vocab", vocabulary} + more;
  };
  const std::string words = "words.h5:/embeddings";
  const Arguments other{"--vocab", "other.h5:/rows", "--words", "other.txt"};
  const std::vector<std::string> other_dimension{"--vocab: other.h5:/rows has dimension 8", "model's is 16"};
  check(std::vector<Case>{
      {"name: words of another dimension", Arguments{"name", "run"} + other, 1, other_dimension},
      {"steer: words of another dimension",
       with_data("steer", Arguments{"--row", "1", "--remove", "dog"} + other), 1, other_dimension},
      {"report: words of another dimension", with_data("report", Arguments{"--out", "r.html"} + other), 1,
       other_dimension},
      {"name: too few words", name(words, {"--words", "few.txt"}), 1, {"few.txt holds 15", "16 rows"}},
      {"name: too many words", name(words, {"--words", "many.txt"}), 1, {"many.txt holds 17", "16 rows"}},
      {"name: an empty word",
       name("empty_word.h5:/embeddings"),
       1,
       {"empty_word.h5:/words: word 1", "empty"}},
      {"name: Latin 1", name("latin.h5:/embeddings"), 1, {"latin.h5:/words: word 1", "not UTF-8"}},
      {"name: one word", name("alone.h5:/embeddings"), 1, {"alone.h5:/words", "two different words"}},
      {"name: --chance 0", name(words, {"--chance", "0"}), 1, {"--chance: must be", "not 0"}},
      {"name: --chance 1", name(words, {"--chance", "1"}), 1, {"--chance: must be", "not 1"}},
      {"name: codes of no data", name(words, {"--codes", "pursuit"}), 2, {"--codes requires --data"}},
      {"name: no such level", name(words, {"--data", embeddings, "--level", "9"}), 1, {"--level: must be"}},
      {"name: --out over the data",
       name(words, {"--out", "data.h5", "--data", embeddings}),
       1,
       {"--out: data.h5"}},
      {"name: --out over the model", name(words, {"--out", "run/cfg.json"}), 1, {"--out: run/cfg.json"}},
      {"name: --csv over the model", name(words, {"--csv", "run/cfg.json"}), 1, {"--csv: run/cfg.json"}},
      {"name: --out for a file",
       {"name", "run/sae_weights.safetensors", "--vocab", words},
       1,
       {"--out: RUN is a file"}},
  });
}

TEST_F(WrongNames, OfNames) {
  const auto original = contents(here / "run" / "names.json");
  const auto damaged = [&](const std::string& file, const std::function<void(json&)>& change) {
    auto names = parse(original);
    change(names);
    overwrite(here / file, names.dump());
  };
  overwrite(here / "cut.json", original.substr(0, original.size() / 2));
  damaged("model.json",
          [](json& n) { n["dictionary_crc32"] = n["dictionary_crc32"].get<std::int64_t>() ^ 1; });
  const auto by = [](const std::string& names) {
    return with_data("search", {"--names", names, "--with", "dog"});
  };
  check(std::vector<Case>{
      {"names: cut", by("cut.json"), 1, {"cut.json"}},
      {"names: of another model", by("model.json"), 1, {"model.json", "another model", "msae name"}},
      {"search: no such name",
       with_data("search", {"--with", "dogg"}),
       1,
       {"--with: no latent is named 'dogg'", "there are dog, "}},
      {"steer: no such name",
       with_data("steer", {"--row", "1", "--remove", "ski"}),
       1,
       {"--remove: no latent is named 'ski'", "sky"}},
      {"steer: latent beyond",
       with_data("steer", {"--row", "1", "--set", "latent:99999"}),
       1,
       {"--set: latent:99999 is none of the latents, latent:0 to latent:63"}},
      {"search: weight no number",
       with_data("search", {"--with", "dog=much"}),
       1,
       {"--with: after '='", "not 'much'"}},
      {"steer: no factor",
       with_data("steer", {"--row", "1", "--scale", "dog"}),
       1,
       {"--scale: needs a factor"}},
      {"steer: nothing to do", with_data("steer", {"--row", "1"}), 1, {"--set: says what to change"}},
      {"steer: no row", with_data("steer", {"--remove", "dog"}), 1, {"--row: says which row"}},
  });
  std::filesystem::remove(here / "run" / "names.json");
  check({"search: no names yet",
         with_data("search", {"--with", "dog"}),
         1,
         {"--with: the latents of this run have no names yet", "msae name"}});
}

TEST_F(WrongNames, OfNamesInEveryField) {
  const auto original = parse(contents(here / "run" / "names.json"));
  const auto model = model_of(here);
  const auto file = (here / "names.json").string();
  const auto refused = [&](const std::string& words, const std::function<void(json&)>& change) {
    auto names = original;
    change(names);
    overwrite(file, names.dump());
    EXPECT_THAT(error_of<IoError>([&] { concepts::read_names(file, *model); }),
                testing::AllOf(testing::StartsWith(file), testing::HasSubstr(words)));
  };
  refused("must be a JSON object", [](json& n) { n = json::array(); });
  refused("msae_names is a version", [](json& n) { n["msae_names"] = 2; });
  refused("msae_names is missing", [](json& n) { n.erase("msae_names"); });
  refused("dictionary_crc32 must be", [](json& n) { n["dictionary_crc32"] = "1"; });
  refused("latents must be a list of the model's 64", [](json& n) { n["latents"].erase(3); });
  refused("latents must be a list of the model's 64", [](json& n) { n["latents"] = json::object(); });
  refused("latents must be a JSON object", [](json& n) { n["latents"][5] = "dog"; });
  refused("latents.name must be", [](json& n) { n["latents"][5]["name"] = 7; });
  refused("latents.name is missing", [](json& n) { n["latents"][5].erase("name"); });
  refused("latents.cosine must be", [](json& n) { n["latents"][5]["cosine"] = "1"; });
  refused("latents.margin must be", [](json& n) { n["latents"][5]["margin"] = nullptr; });
  refused("latents.words must be", [](json& n) { n["latents"][5]["words"] = "dog"; });
  refused("latents.words must be", [](json& n) { n["latents"][5]["words"][0] = 1; });
  for (const auto* text : {"", "names", "{"}) {
    overwrite(file, text);
    EXPECT_THAT(error_of<IoError>([&] { concepts::read_names(file, *model); }),
                testing::HasSubstr("is not valid JSON"));
  }
}

}  // namespace
}  // namespace msae::test
