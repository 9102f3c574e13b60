// A table of everything that can be wrong with what the program is given, and what it answers: here data and
// options. `ctest -R cli_errors -V`, or --gtest_filter=BadInput.*, shows the answers.
#include "cli/bad_input.h"

namespace msae::test {
namespace {

Arguments train_on(const std::string& data, const Arguments& more = {}) {
  return Arguments{"train",   data, "--out",        "new", "--latents", "16",
                   "--steps", "2",  "--batch-size", "50",  "--quiet"} +
         more;
}
Arguments eval_on(const std::string& data, const Arguments& more = {}) {
  return Arguments{"eval", "run", "--data", data} + more;
}

TEST_F(BadInput, Data) {
  make_bad_data(here);
  struct Data {
    std::string name, data;
    std::vector<std::string> words;
  };
  // Neither training nor evaluation takes any of them.
  const std::vector<Data> all{
      {"missing file", "none.h5", {"none.h5: no such file"}},
      {"missing file, data set named", "none.h5:/rows", {"none.h5: no such file"}},
      {"missing folder", "none/bad.h5", {"none/bad.h5: no such file"}},
      {"no file named", ":/x", {":/x: names no file", "file.h5:/path"}},
      {"empty file", "empty.h5", {"empty.h5 is not an HDF5 file"}},
      {"no HDF5", "run/cfg.json", {"run/cfg.json is not an HDF5 file"}},
      {"folder", "run", {"run is the folder of a model, not of embeddings"}},
      {"named pipe", "fifo", {"fifo is no regular file"}},
      {"device", "/dev/zero", {"/dev/zero is no regular file"}},
      {"cut within the header", "cut_header.h5", {"cut_header.h5", "incomplete"}},
      {"cut in half", "cut_half.h5", {"cut_half.h5", "incomplete"}},
      {"cut by a byte", "cut_byte.h5", {"cut_byte.h5", "incomplete"}},
      {"missing data set",
       "bad.h5:/rows",
       {"bad.h5: no data set /rows", "/good [100, 8] float32", "/integers"}},
      {"several data sets, none named",
       "bad.h5",
       {"several data sets", "/good [100, 8] float32", "name one", "bad.h5:/"}},
      {"three dimensions", "bad.h5:/cube", {"bad.h5:/cube", "not two-dimensional", "[10, 10, 8]"}},
      {"one dimension", "bad.h5:/list", {"bad.h5:/list", "not two-dimensional", "[800]"}},
      {"integers", "bad.h5:/integers", {"bad.h5:/integers holds int32", "float32"}},
      {"no rows", "bad.h5:/empty", {"bad.h5:/empty has no rows"}},
      {"huge declared shape",
       "bad.h5:/declared",
       {"bad.h5:/declared", "[1099511627776, 512]", "next to none"}},
      {"soft link to nothing",
       "links.h5:/soft",
       {"links.h5: /soft is a link to /nowhere, which is not there"}},
      {"link into a missing file",
       "links.h5:/outside",
       {"/outside is a link to /x in gone.h5, which cannot be opened"}},
      {"links alone, none named",
       "links.h5",
       {"/outside link to /x in gone.h5", "/whole link to /embeddings in data.h5"}},
  };
  for (const auto& [name, data, words] : all) {
    check({"train: " + name, train_on(data), 1, words});
    check({"eval: " + name, eval_on(data), 1, words});
  }
  check(std::vector<Case>{
      {"train: data set of a missing filter",
       train_on("bad.h5:/packed"),
       1,
       {"bad.h5:/packed", "filter 32000 (lzf)", "HDF5_PLUGIN_PATH"}},
      {"train: NaN in a row", train_on("bad.h5:/nan"), 1, {"bad.h5:/nan: row 37 holds NaN or Inf"}},
      {"train: Inf in a row", train_on("bad.h5:/inf"), 1, {"bad.h5:/inf: row 41 holds NaN or Inf"}},
      {"train: rows all equal", train_on("bad.h5:/constant"), 1, {"bad.h5:/constant: all rows are equal"}},
      {"train: one column", train_on("bad.h5:/column"), 0, {}},
      {"train: a link into another file", train_on("links.h5:/whole"), 0, {}},
      {"eval: other dimension than the model's",
       eval_on("bad.h5:/good"),
       1,
       {"bad.h5:/good has dimension 8", "the model's is 16"}},
      {"train --eval: other dimension",
       train("new", {"--eval", "bad.h5:/good"}),
       1,
       {"bad.h5:/good: has dimension 8", "the training data has 16"}},
      {"train --eval: missing file", train("new", {"--eval", "none.h5"}), 1, {"none.h5: no such file"}},
      {"eval --truth: of other data",
       eval_on("data.h5:/embeddings", {"--truth", "bad.h5"}),
       1,
       {"bad.h5", "no data set /truth/dictionary"}},
      {"info: missing file", {"info", "none.h5"}, 1, {"none.h5: no such file"}},
      {"info: no HDF5",
       {"info", "run/cfg.json"},
       1,
       {"run/cfg.json is not an HDF5 file", "part of a run; see: msae info run"}},
      {"train: NaN before a folder that is taken",
       {"train", "bad.h5:/nan", "--out", "run"},
       1,
       {"run: is not empty"}},
      {"info: missing data set", {"info", "bad.h5:/rows"}, 1, {"no data set /rows", "/good"}},
      {"info: NaN in a row", {"info", "bad.h5:/nan"}, 1, {"row 37"}},
      {"info: 3000 data sets", {"info", "many.h5"}, 0, {}},
      {"train: 3000 data sets, none named",
       train_on("many.h5"),
       1,
       {"many.h5 holds several data sets", "and 2980 more"}},
  });
}

TEST_F(BadInput, ModelOptions) {
  const auto with = [](const Arguments& options) { return train("new", options); };
  const auto weights = [](const std::string& text) {
    return train("new", {"--levels", "8,16,64", "--weights", text});
  };
  check(std::vector<Case>{
      {"--k 0",
       with({"--model", "topk", "--k", "0"}),
       1,
       {"--k: ", "from 1 to the number of latents, 64, not 0"}},
      {"--k above the latents", with({"--model", "topk", "--k", "65"}), 1, {"--k: ", "64, not 65"}},
      {"--k negative", with({"--model", "batch-topk", "--k", "-1"}), 1, {"--k: ", "not -1"}},
      {"--levels not ascending", with({"--levels", "16,8"}), 1, {"--levels: must ascend", "8 follows 16"}},
      {"--levels twice the same", with({"--levels", "8,8"}), 1, {"--levels: must ascend", "8 follows 8"}},
      {"--levels 0", with({"--levels", "0,8"}), 1, {"--levels: must ascend", "0 is the first"}},
      {"--levels above the latents",
       with({"--levels", "8,65"}),
       1,
       {"--levels: 65 is more than the number of latents, 64"}},
      {"--levels no number", with({"--levels", "8,x"}), 1, {"--levels: '8,x' is not a list of numbers like"}},
      {"--levels with a loose end", with({"--levels", "8,"}), 1, {"--levels: '8,' is not a list"}},
      {"--levels no whole number", with({"--levels", "8.5"}), 1, {"--levels: '8.5' is not a list"}},
      {"--weights too few", weights("1,2"), 1, {"--weights: one is needed for each of the 3 levels, not 2"}},
      {"--weights negative", weights("1,2,-3"), 1, {"--weights: ", "not negative"}},
      {"--weights NaN", weights("1,nan,3"), 1, {"--weights: ", "finite"}},
      {"--weights all zero", weights("0,0,0"), 1, {"--weights: at least one must be positive"}},
      {"--weights no numbers", weights("reversed"), 1, {"--weights: 'reversed' is not a list"}},
      {"--weights beyond all sums",
       with({"--levels", "2,4", "--weights", "1e308,1e308"}),
       1,
       {"--weights: their sum is too large"}},
      {"--latents 0", with({"--latents", "0"}), 1, {"--latents: must be at least 1, not 0"}},
      {"--latents negative", with({"--latents", "-64"}), 1, {"--latents: must be at least 1, not -64"}},
      {"--latents beyond memory",
       with({"--latents", "1000000000000"}),
       1,
       {"1000000000000 latents", "128.0 TB of memory"}},
      {"--latents beyond memory, relu",
       with({"--latents", "1000000000000", "--model", "relu"}),
       1,
       {"1000000000000 latents", "128.0 TB of memory"}},
      {"--latents no number", with({"--latents", "many"}), 2, {"--latents"}},
      {"--expansion 0",
       {"train", "data.h5:/embeddings", "--out", "new", "--expansion", "0"},
       1,
       {"--expansion: must be from 1"}},
      {"--expansion huge",
       {"train", "data.h5:/embeddings", "--out", "new", "--expansion", "1000000000000"},
       1,
       {"--expansion: must be from 1 to 100000"}},
      {"eval --k 0", eval_on("data.h5:/embeddings", {"--k", "0"}), 1, {"--k: ", "at least 1, not 0"}},
      {"eval --k above the latents",
       eval_on("data.h5:/embeddings", {"--k", "8,65"}),
       1,
       {"--k: ", "65 is more than the model's 64 latents"}},
      {"eval --k no list",
       eval_on("data.h5:/embeddings", {"--k", "8;16"}),
       1,
       {"--k: '8;16' is not a list of numbers like"}},
  });
}

TEST_F(BadInput, TrainingOptions) {
  const auto with = [](const Arguments& options) { return train("new", options); };
  const Arguments few{"train", "data.h5:/embeddings", "--out", "new", "--latents", "64", "--steps", "2"};
  check(std::vector<Case>{
      {"--batch-size above the rows",
       with({"--batch-size", "601"}),
       1,
       {"--batch-size: 601 is more than the 600 rows of data.h5:/embeddings"}},
      {"the preset's batch above the rows",
       few + Arguments{"--preset", "reference"},
       0,
       {"the batch is lowered to the 600 rows there are"}},
      {"--batch-size 0", with({"--batch-size", "0"}), 1, {"--batch-size: must be at least 1, not 0"}},
      {"eval --batch-size 0",
       eval_on("data.h5:/embeddings", {"--batch-size", "0"}),
       1,
       {"--batch-size: must be at least 1, not 0"}},
      {"--lr 0", with({"--lr", "0"}), 1, {"--lr: must be positive and finite in float32, not 0"}},
      {"--lr negative",
       with({"--lr", "-0.1"}),
       1,
       {"--lr: must be positive and finite in float32, not -0.1"}},
      {"--lr NaN", with({"--lr", "nan"}), 1, {"--lr: must be positive and finite in float32, not nan"}},
      {"--lr infinite", with({"--lr", "inf"}), 1, {"--lr: must be positive and finite in float32, not inf"}},
      {"--lr beyond float32",
       with({"--lr", "1e99"}),
       1,
       {"--lr: must be positive and finite in float32, not 1e+99"}},
      {"--epochs 0", with({"--epochs", "0"}), 1, {"--epochs: must be at least 1, not 0"}},
      {"--epochs beyond counting",
       with({"--epochs", "9223372036854775807"}),
       1,
       {"--epochs: 9223372036854775807 epochs of 3 steps"}},
      {"--steps 0", with({"--steps", "0"}), 1, {"--steps: must be at least 1, not 0"}},
      {"--steps negative", with({"--steps", "-1"}), 1, {"--steps: must be at least 1", "not -1"}},
      {"--warmup above 1", with({"--warmup", "1.5"}), 1, {"--warmup: must be from 0 to 1, not 1.5"}},
      {"--weight-decay negative", with({"--weight-decay", "-1"}), 1, {"--weight-decay: "}},
      {"--weight-decay beyond 1 / lr",
       with({"--weight-decay", "1e30"}),
       1,
       {"--weight-decay: must be below 1 / the learning rate, 35.7143, not 1e+30"}},
      {"--beta1 of 1", with({"--beta1", "1"}), 1, {"--beta1: must be from 0 to below 1, not 1"}},
      {"--beta2 negative", with({"--beta2", "-0.5"}), 1, {"--beta2: must be from 0 to below 1, not -0.5"}},
      {"--log-every negative", with({"--log-every", "-1"}), 1, {"--log-every: must be at least 1", "not -1"}},
      {"--schedule of the other preset",
       with({"--schedule", "published"}),
       1,
       {"--schedule: ", "--preset reference"}},
      {"--seed negative", with({"--seed", "-1"}), 2, {"must be a whole number", "--help"}},
      {"--seed beyond 64 bits",
       with({"--seed", "18446744073709551616"}),
       2,
       {"must be a whole number", "--help"}},
      {"--seed with a fraction", with({"--seed", "1.5"}), 2, {"must be a whole number", "--help"}},
  });
}

}  // namespace
}  // namespace msae::test
