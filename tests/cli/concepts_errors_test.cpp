// What the subcommands that look at concepts say of wrong rows, groups and pages.
#include <fstream>

#include "cli/bad_input.h"
#include "cli/concept_files.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> repeated(std::size_t count, const std::string& line) {
  return std::vector<std::string>(count, line);
}

class WrongConcepts : public BadInput {
 protected:
  WrongConcepts() {
    planted = make_names(here);
    Hdf5File(here / "other.h5").floats("/rows", {3, 8}, std::vector<float>(24, 0.5f));
  }

  std::map<std::string, std::int64_t> planted;
};

TEST_F(WrongConcepts, OfRowsAndCodes) {
  ASSERT_THAT(here.run(with_data("encode", {"--out", "codes.h5", "--quiet", "--holdout", "0.5"})),
              Succeeds());
  fs::copy_file(here / "codes.h5", here / "cut.h5");
  fs::resize_file(here / "cut.h5", fs::file_size(here / "codes.h5") / 2);
  std::vector<std::map<std::int64_t, float>> odd(600);
  odd[599] = {{3, 1.0f}, {64, 1.0f}};  // the last is none
  write_codes(here / "odd.h5", 64, odd);
  write_codes(here / "none.h5", 64, std::vector<std::map<std::int64_t, float>>(600));
  write_lines(here / "short.txt", repeated(599, "label"));
  write_lines(here / "numbers.txt", repeated(600, "3"));
  write_lines(here / "classes.txt", repeated(3, "class"));
  const auto search = [](const Arguments& more) {
    return with_data("search", Arguments{"--row", "1"} + more);
  };
  check(std::vector<Case>{
      {"search: row beyond",
       with_data("search", {"--row", "600"}),
       1,
       {"--row: data.h5:/embeddings has no row 600; there are rows 0 to 599"}},
      {"search: row held back",
       with_data("search", {"--row", "1", "--holdout", "0.01"}),
       1,
       {"--row:", "no row 1;", "some left out"}},
      {"search: nothing asked", with_data("search"), 1, {"--row: says what to look for"}},
      {"search: words are no embedding",
       with_data("search", {"--with", "dog", "--plain"}),
       1,
       {"--plain: compares embeddings"}},
      {"search: query of another dimension",
       with_data("search", {"--query", "other.h5:/rows"}),
       1,
       {"8", "16"}},
      {"search: query row beyond",
       with_data("search", {"--query", embeddings, "--query-row", "600"}),
       1,
       {"--query-row: ", "600 rows"}},
      {"search: another dimension",
       {"search", "run", "--data", "other.h5:/rows", "--row", "1"},
       1,
       {"8", "16"}},
      {"search: --encoded of fewer rows",
       search({"--encoded", "codes.h5"}),
       1,
       {"--encoded: codes.h5 holds 300 rows of 64 latents", "600 rows"}},
      {"tree: --encoded cut", with_data("tree", {"--encoded", "cut.h5"}), 1, {"cut.h5"}},
      {"search: --encoded no latents", search({"--encoded", "odd.h5"}), 1, {"odd.h5"}},
      {"search: --candidates of no pursuit",
       search({"--codes", "refit", "--candidates", "70"}),
       1,
       {"--candidates: is for --codes pursuit"}},
      {"tree: --candidates too few",
       with_data("tree", {"--codes", "pursuit", "--candidates", "3", "--k", "4"}),
       1,
       {"--candidates: must be at least k, 4, or 0 for all, not 3"}},
      {"search: --codes a file", search({"--codes", "codes.h5"}), 2, {"--codes", "{encoder,refit,pursuit}"}},
      {"search: no row has it",
       with_data("search", {"--encoded", "none.h5", "--with", "dog"}),
       1,
       {"--with: no row of data.h5:/embeddings has 'dog'"}},
      {"steer: no row has it",
       with_data("steer", {"--encoded", "none.h5", "--set", "dog=2", "--out", "new"}),
       1,
       {"--set: no row of data.h5:/embeddings has 'dog'"}},
      {"search: no such level", search({"--level", "9"}), 1, {"--level: must be from 1 to 4"}},
      {"search: labels too few",
       search({"--labels", "short.txt"}),
       1,
       {"--labels: short.txt holds 599 labels", "600 rows"}},
      {"search: label of no name",
       search({"--labels", "numbers.txt", "--label-names", "classes.txt"}),
       1,
       {"--label-names: classes.txt holds 3 names", "'3' of numbers.txt"}},
      {"search: --json over names",
       search({"--json", "run/names.json"}),
       1,
       {"--json: run/names.json is a file that is read"}},
      {"tree: --lift 0", with_data("tree", {"--lift", "0"}), 1, {"--lift: must be", "not 0"}},
      {"tree: --truth of no synth", with_data("tree", {"--truth", "other.h5"}), 1, {"other.h5"}},
      {"steer: --out over the data",
       with_data("steer", {"--remove", "dog", "--force", "--out", "data.h5"}),
       1,
       {"--out: data.h5 is a file that is read"}},
      {"steer: --out over the words",
       with_data("steer",
                 {"--remove", "dog", "--force", "--out", "words.h5", "--vocab", "words.h5:/embeddings"}),
       1,
       {"--out: words.h5 is a file that is read"}},
      {"steer: --out over the codes",
       with_data("steer", {"--remove", "dog", "--force", "--out", "codes.h5", "--encoded", "./codes.h5"}),
       1,
       {"--out: codes.h5 is a file that is read"}},
      {"steer: --out over the names",
       with_data("steer", {"--remove", "dog", "--force", "--out", "run/names.json"}),
       1,
       {"--out: run/names.json is a file that is read"}},
      {"steer: --out over the weights",
       with_data("steer", {"--remove", "dog", "--force", "--out", "run/sae_weights.safetensors"}),
       1,
       {"is a file that is read"}},
  });
}

TEST_F(WrongConcepts, OfGroupsAndPages) {
  std::vector<std::int64_t> table(600 * 3);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = i % 3 == 0 ? i % 2 : i % 3 == 1 ? 1 : 2;
  {
    Hdf5File file(here / "a.h5");
    file.data_set("/table", H5T_NATIVE_INT64, {600, 3}, table.data());
    write_strings(file.id(), "/attribute_names", {"Male", "Always", "Number"});
  }
  {
    Hdf5File file(here / "short.h5");
    file.data_set("/short", H5T_NATIVE_INT64, {599}, std::vector<std::int64_t>(599).data());
  }
  {
    Hdf5File file(here / "plain.h5");
    file.data_set("/table", H5T_NATIVE_INT64, {600, 3}, table.data());
  }
  write_lines(here / "words.txt", repeated(600, "yes"));
  auto few = repeated(600, "0");
  few[10] = few[400] = "1";
  write_lines(here / "few.txt", few);
  fs::create_directory(here / "photos");
  for (int i = 0; i < 3; ++i)
    overwrite(here / "photos" / (std::to_string(i) + ".ppm"), picture(2, 2, 1, 2, 3));
  write_lines(here / "photos" / "list.txt", repeated(601, "0.ppm"));
  const auto bias = [](const std::string& attribute, const Arguments& more = {}) {
    return with_data("bias", Arguments{"--attribute", attribute, "--resamples", "3"} + more);
  };
  const Arguments male{"--name", "Male"};
  const auto report = [](const Arguments& more) {
    return with_data("report", Arguments{"--out", "new"} + more);
  };
  check(std::vector<Case>{
      {"bias: neither 0 nor 1",
       bias("a.h5:/table", {"--name", "Number"}),
       1,
       {"a.h5:/table: 'Number' of row 0 is 2", "0 or 1"}},
      {"bias: all have it", bias("a.h5:/table", {"--name", "Always"}), 1, {"attribute"}},
      {"bias: another number of rows",
       bias("short.h5:/short"),
       1,
       {"--attribute: short.h5:/short holds 599 rows, but data.h5:/embeddings has 600"}},
      {"bias: no such attribute",
       bias("a.h5:/table", {"--name", "mail"}),
       1,
       {"has no attribute 'mail'; there are Male, "}},
      {"bias: no such number",
       bias("plain.h5:/table", {"--name", "3"}),
       1,
       {"has no attribute '3'", "0 to 2"}},
      {"bias: none named",
       bias("a.h5:/table"),
       1,
       {"a.h5:/table: holds 3 attributes; name one of them, such as "}},
      {"bias: words", bias("words.txt"), 1, {"words.txt: line 1 is no number, but 'yes'"}},
      {"bias: fewer rows than folds", bias("few.txt"), 1, {"fold"}},
      {"bias: nobody left in a group", bias("few.txt", {"--holdout", "0.01"}), 1, {"attribute"}},
      {"bias: --folds 1",
       bias("a.h5:/table", male + Arguments{"--folds", "1"}),
       1,
       {"--folds: must be", "not 1"}},
      {"bias: --json over names",
       bias("a.h5:/table", male + Arguments{"--json", "run/names.json"}),
       1,
       {"--json: run/names.json is a file that is read"}},
      {"report: pictures too few",
       report({"--images", "photos"}),
       1,
       {"--images: photos holds 3 pictures, but there are 600 rows"}},
  });
}

TEST_F(WrongConcepts, CallsThatAreNone) {
  EXPECT_THAT(here.run({"name", "run"}), IsWrongUsage("--vocab"));
  for (const auto* subcommand : {"tree", "bias"}) {
    EXPECT_THAT(here.run({subcommand, "run"}), IsWrongUsage("--data")) << subcommand;
  }
  EXPECT_THAT(here.run(with_data("report")), IsWrongUsage("--out"));
  EXPECT_THAT(here.run(with_data("bias")), IsWrongUsage("--attribute"));
  EXPECT_THAT(here.run(with_data("search", {"--row", "1", "--query", "a.h5"})), IsWrongUsage("--query"));
  EXPECT_THAT(here.run(with_data("search", {"--k", "3", "--level", "1"})), IsWrongUsage("--k"));
  EXPECT_THAT(here.run(with_data("search", {"--label-names", "a.txt"})), IsWrongUsage("--label-names"));
  EXPECT_THAT(here.run(with_data("steer", {"--words", "a.txt"})), IsWrongUsage("--words"));
}

}  // namespace
}  // namespace msae::test
