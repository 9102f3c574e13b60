// The table of bad input goes on: places to write to, models and runs that are damaged.
#include <thread>

#include "cli/bad_input.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;

TEST_F(BadInput, Places) {
  fs::create_symlink("loop", here / "loop");
  const auto synth = [](const Arguments& options) { return Arguments{"synth", "new.h5"} + options; };
  // As big as a file gets on a full disk, which this stands for: enough for cfg.json, not for the model.
  constexpr std::size_t small_file = 6000;
  check(std::vector<Case>{
      {"--out below a file", train("data.h5/new"), 1, {"data.h5/new: cannot be written"}},
      {"--out is a file", train("data.h5"), 1, {"data.h5: is a file; name a folder"}},
      {"--out where nobody can write", train("/proc/new"), 1, {"/proc/new: cannot be written"}},
      {"--out empty", train(""), 1, {"--out: must name a folder"}},
      {"--out not empty", train("run"), 1, {"run: is not empty", "--resume"}},
      {"full disk: going on with a run",
       {"train", "--out", "run", "--resume", "--quiet"},
       1,
       {"run/sae_weights.safetensors: cannot be written: File too large"},
       small_file},
      {"full disk: synth over a file",
       {"synth", "data.h5", "--force"},
       1,
       {"data.h5: cannot be written", "are needed: File too large"},
       small_file},
      {"synth: rows 0", synth({"--rows", "0"}), 1, {"--rows: must be at least 1, not 0"}},
      {"synth: rows beyond all disks",
       synth({"--rows", "1000000000000"}),
       1,
       {"--rows: must be at most", "not 1000000000000"}},
      {"synth: rows 2^62",
       synth({"--rows", "4611686018427387904"}),
       1,
       {"--rows: must be at most", "not 4611686018427387904"}},
      {"synth: rows beyond this disk",
       synth({"--rows", "922337203685"}),
       1,
       {"new.h5: cannot be written: ", "TB are needed"}},
      {"synth: dim 1", synth({"--dim", "1"}), 1, {"--dim: must be at least 3, not 1"}},
      {"synth: concepts 1",
       synth({"--concepts", "1"}),
       1,
       {"--depth: must be at most the number of concepts, 1, not 3"}},
      {"synth: concepts beyond memory",
       synth({"--concepts", "10000000", "--dim", "10000000"}),
       1,
       {"of memory, but only"}},
      {"synth: depth 60",
       synth({"--depth", "60", "--concepts", "64"}),
       1,
       {"--active: must be at most", "64 concepts", "not 12"}},
      {"synth: noise above 1", synth({"--noise", "3"}), 1, {"--noise: must be ", "not 3"}},
      {"synth: noise NaN", synth({"--noise", "nan"}), 1, {"--noise: must be ", "not nan"}},
      {"synth: active infinite", synth({"--active", "inf"}), 1, {"--active: must be finite, not inf"}},
      {"synth: too many active",
       synth({"--concepts", "20"}),
       1,
       {"--active: must be at most", "20 concepts", "not 12"}},
      {"synth: no name", {"synth", ""}, 1, {"OUT: must name a file"}},
      {"synth: links in a circle", {"synth", "loop"}, 1, {"loop: Too many levels of symbolic links"}},
      {"synth: missing folder", {"synth", "none/new.h5"}, 1, {"none/new.h5: cannot be written"}},
  });
}

TEST_F(BadInput, Models) {
  make_bad_models(here);
  const auto eval = [](const std::string& folder) {
    return Arguments{"eval", "models/" + folder, "--data", "data.h5:/embeddings"};
  };
  const auto refused = [&](const std::string& folder, const std::string& words) {
    const bool config = words.find("cfg.json") != std::string::npos;
    const auto* file = config ? "/" : "/sae_weights.safetensors: ";
    const auto all = std::vector<std::string>{"models/" + folder + file, words};
    check({"eval: model " + folder, eval(folder), 1, all});
    check({"info: model " + folder, {"info", "models/" + folder}, 1, all});
  };
  refused("header_too_long", "its header is 16777215 bytes long, but the file only 10");
  refused("header_no_json", "is not valid JSON");
  refused("overlap", "overlap");
  refused("beyond_end", "b_dec.data_offsets end at byte 1048640, but the file holds");
  refused("unknown_dtype", "b_dec.dtype is unknown: \"F31\"");
  refused("shape_overflow", "b_dec.shape is too large");
  refused("nan_weights", "tensor W_enc holds NaN");
  refused("no_tensor", "has no tensor b_enc; it holds ");
  refused("wrong_shape", "tensor W_dec has the shape [64, 15], expected [64, 16]");
  refused("no_weights", "cannot be opened");
  refused("half_weights", "is it truncated?");
  refused("short_weights", "is too short to be a safetensors file");
  refused("empty_weights", "is too short to be a safetensors file");
  refused("fifo_weights", "is not a regular file");
  refused("malformed", "cfg.json: is not valid JSON");
  refused("empty_config", "cfg.json: is not valid JSON");
  refused("no_keys", "cfg.json: architecture is missing");
  refused("fifo_config", "cfg.json: is not a regular file");
  refused("wrong_type", "cfg.json: d_in must be a whole number, not \"sixteen\"");
  refused("own_wrong_type", "cfg.json: msae.mean must be a list of numbers, not 1");
  refused("later", "cfg.json: msae.format_version is 1000");
  refused("other_levels", "cfg.json: levels: must ascend");
  refused("absurd", "tensor W_enc has the shape [16, 64], expected [16, 1152921504606846976]");
  check(std::vector<Case>{
      {"eval: model no_config",
       eval("no_config"),
       1,
       {"models/no_config: is not a model folder, as it holds no cfg.json"}},
      {"info: model no_config",
       {"info", "models/no_config"},
       1,
       {"models/no_config: is a folder without a model (cfg.json, ae.pt)"}},
      {"eval: no such folder", eval("none"), 1, {"models/none: there is no such folder"}},
      {"eval: model is a file",
       {"eval", "data.h5", "--data", "data.h5:/embeddings"},
       1,
       {"data.h5: is not a folder"}},
  });
}

TEST_F(BadInput, States) {
  make_bad_states(here);
  const auto refused = [&](const std::string& folder, const std::vector<std::string>& words) {
    check({"resume: state " + folder, {"train", "--out", "states/" + folder, "--resume"}, 1, words});
  };
  const auto in_state = [&](const std::string& folder, const std::string& words) {
    refused(folder, {"states/" + folder + "/state/state.safetensors: ", words});
  };
  in_state("shape", "model.decoder has another shape or type");
  in_state("nan", "model.decoder holds NaN");
  in_state("nan_moment", "adam.encoder.second holds NaN");
  in_state("dtype", "model.decoder has another shape or type");
  in_state("missing", "engine.sums is missing");
  in_state("counters", "engine.counters are negative");
  in_state("negative_step", "'-5' is no number");
  in_state("late_step", "step 1000000 is beyond the run's 20");
  in_state("no_step", "'step' is missing");
  in_state("later", "update msae");
  in_state("unknown_dtype", "type U64");
  in_state("half", "truncated");
  in_state("fifo", "is not a regular file");
  refused("options", {"states/options/options.toml: is 2000000 bytes long"});
}

TEST_F(BadInput, ASecondRunInTheSameFolder) {
  Process first(here.path(), train("busy", {"--steps", "1000000"}));
  while (first.running() && !here.has("busy/metrics.csv")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const auto second = here.run({"train", "--out", "busy", "--resume"});
  show("two runs into one folder", second);
  EXPECT_THAT(second, FailsSaying({"busy: another run is writing to this folder"}));
  EXPECT_TRUE(first.running());
}

}  // namespace
}  // namespace msae::test
