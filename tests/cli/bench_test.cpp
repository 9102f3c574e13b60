// `msae bench`: what it tells, not how fast anything is.
#include <fstream>

#include "cli/program.h"
#include "io/tensor_file.h"

namespace msae::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Bench : public testing::Test {
 protected:
  Outcome bench(const Arguments& more, const std::string& repeats = "2") const {
    return run(here.path(), Arguments{"bench", "--rows", "60", "--dim", "12", "--latents", "80", "--repeats",
                                      repeats, "--quiet"} +
                                more);
  }
  json told(const Arguments& more) const {
    const auto outcome = bench(more + Arguments{"--json", "-"});
    EXPECT_THAT(outcome, Succeeds());
    return parse(outcome.out);
  }

  TempDir here;
};

void expect_steps(const json& engine) {
  EXPECT_GT(engine.at("min_ms"), 0);
  EXPECT_LE(engine.at("min_ms"), engine.at("step_ms"));
  EXPECT_LE(engine.at("step_ms"), engine.at("max_ms"));
}

TEST_F(Bench, TellsEveryStageOfEveryEngine) {
  const auto all = told({"--active", "0.2"});
  EXPECT_THAT(keys(all),
              UnorderedElementsAre("model", "rows", "dim", "latents", "active_fraction", "device", "threads",
                                   "repeats", "product_gflops", "copy_gbps", "engines"));
  EXPECT_EQ(all.at("model"), "matryoshka");
  EXPECT_EQ(all.at("rows"), 60);
  EXPECT_EQ(all.at("dim"), 12);
  EXPECT_EQ(all.at("latents"), 80);
  EXPECT_EQ(all.at("device"), "cpu");
  EXPECT_EQ(all.at("threads"), 1);
  EXPECT_EQ(all.at("repeats"), 2);
  EXPECT_NEAR(all.at("active_fraction"), 0.2, 1e-3);
  EXPECT_GT(all.at("product_gflops"), 0);
  EXPECT_GT(all.at("copy_gbps"), 0);
  ASSERT_EQ(all.at("engines").size(), 2);

  const auto& fused = all.at("engines").at(0);
  EXPECT_EQ(fused.at("engine"), "fused");
  expect_steps(fused);
  EXPECT_NEAR(fused.at("entries"), 0.2 * 60 * 80, 2);
  EXPECT_GE(fused.at("levels"), 1);
  std::vector<std::string> stages;
  for (const auto& stage : fused.at("stages")) {
    stages.push_back(stage.at("name"));
    EXPECT_GE(stage.at("ms"), 0) << stage;
    EXPECT_GT(stage.at("floor_ms"), 0) << stage;
  }
  EXPECT_THAT(stages, ElementsAre("prepare", "encoder product", "select", "decode", "columns", "ds + dW",
                                  "dV", "optimiser"));
  EXPECT_FALSE(fused.at("memory").empty());
  for (const auto& use : fused.at("memory")) EXPECT_GE(use.at("bytes"), 0) << use;

  const auto& autograd = all.at("engines").at(1);
  EXPECT_EQ(autograd.at("engine"), "autograd");
  expect_steps(autograd);
  EXPECT_THAT(keys(autograd),
              UnorderedElementsAre("engine", "step_ms", "min_ms", "max_ms", "memory", "stages"));
}

TEST_F(Bench, ShowsATable) {
  const auto outcome = bench({"--model", "topk", "--k", "4", "--engine", "autograd,fused"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, IsEmpty());
  for (const std::string words :
       {"topk, 60 rows of dimension 12, 80 latents, ", "engine", "floor ms", "ds + dW",
        "autograd: steps took from ", "fused: steps took from ", "  memory: ", "fused takes "}) {
    EXPECT_THAT(outcome.out, HasSubstr(words));
  }
}

TEST_F(Bench, EveryShareOfPositivePreActivationsCanBe) {
  for (const double share : {0.0, 1.0}) {
    const auto all = told({"--active", std::to_string(share), "--engine", "fused"});
    EXPECT_EQ(all.at("active_fraction"), share);
    EXPECT_NEAR(all.at("engines").at(0).at("entries"), share * 60 * 80, 2);
  }
}

TEST_F(Bench, LeavesOutAnEngineThatDoesNotTakeTheModel) {
  const Arguments call{"bench", "--rows",    "60", "--dim",   "12",       "--latents",
                       "80",    "--repeats", "1",  "--model", "jump-relu"};
  const auto outcome = run(here.path(), call + Arguments{"--json", "b.json"});
  ASSERT_THAT(outcome, Succeeds());
  EXPECT_THAT(outcome.err, HasSubstr("msae: the fused engine is left out: "));
  EXPECT_EQ(parse(contents(here / "b.json")).at("engines").size(), 1);
  EXPECT_THAT(run(here.path(), call + Arguments{"--engine", "fused", "--problem", "p.safetensors"}),
              FailsSaying({"--engine: fused cannot train this model", "jump-relu"}));
  EXPECT_FALSE(std::filesystem::exists(here / "p.safetensors"));
}

TEST_F(Bench, HandsTheProblemToOtherPrograms) {
  const Arguments call{"--active", "0.3", "--engine", "fused", "--problem", "p.safetensors"};
  ASSERT_THAT(bench(call), Succeeds());
  const auto problem = io::load_tensors(here / "p.safetensors").tensors;
  const auto shape = [&](const char* name) { return problem.at(name).sizes().vec(); };
  EXPECT_EQ(problem.size(), 5);
  EXPECT_THAT(shape("encoder"), ElementsAre(80, 12));
  EXPECT_THAT(shape("decoder"), ElementsAre(80, 12));
  EXPECT_THAT(shape("latent_bias"), ElementsAre(80));
  EXPECT_THAT(shape("pre_bias"), ElementsAre(12));
  EXPECT_THAT(shape("batch"), ElementsAre(60, 12));
  const auto pre = problem.at("batch").mm(problem.at("encoder").t()) + problem.at("latent_bias");
  EXPECT_NEAR(pre.gt(0).to(torch::kFloat64).mean().item<double>(), 0.3, 1e-3);
  EXPECT_THAT(bench(call), FailsSaying({"p.safetensors: exists", "--force"}));
  EXPECT_THAT(bench(call + Arguments{"--force"}), Succeeds());
}

TEST_F(Bench, VariesOneQuantityAtATime) {
  const auto all = told({"--scaling", "--active", "0.2", "--levels", "8,80"});
  EXPECT_EQ(all.at("engine"), "fused");
  std::vector<std::string> varied;
  for (const auto& point : all.at("scaling")) {
    varied.push_back(point.at("varied"));
    expect_steps(point);
    const int differences = (point.at("rows") != 60) + (point.at("dim") != 12) + (point.at("latents") != 80) +
                            (point.at("level_count") != 2) +
                            (std::abs(point.at("active_fraction").get<double>() - 0.2) > 0.01);
    EXPECT_EQ(differences, varied.back() == "base" ? 0 : 1) << point;
  }
  EXPECT_THAT(varied, ElementsAre("base", "rows", "rows", "rows", "dim", "dim", "latents", "latents",
                                  "latents", "levels", "active", "active"));
}

TEST_F(Bench, ValuesThatCannotBeAreRefused) {
  EXPECT_THAT(bench({"--active", "1.5"}), FailsSaying({"--active: must be from 0 to 1, not 1.5"}));
  EXPECT_THAT(bench({"--active", "nan"}), FailsSaying({"--active: must be from 0 to 1, not nan"}));
  EXPECT_THAT(bench({}, "0"), FailsSaying({"--repeats: must be from 1 to ", "not 0"}));
  EXPECT_THAT(bench({"--levels", "8,99"}),
              FailsSaying({"--levels: 99 is more than the number of latents, 80"}));
  EXPECT_THAT(bench({"--k", "8"}), FailsSaying({"--k: is for topk", "not for --model matryoshka"}));
  EXPECT_THAT(run(here.path(), {"bench", "--rows", "1000000000"}),
              FailsSaying({"a step of 1000000000 rows of dimension 768 with 6144 latents needs "}));
  EXPECT_THAT(bench({"--problem", "none/p.safetensors"}), FailsSaying({"none/p.safetensors"}));
  EXPECT_THAT(bench({"--device", "cuda:99"}), FailsSaying({"device cuda:99: "}));
  EXPECT_THAT(bench({"--precision", "tf32"}),
              FailsSaying({"--precision: tf32 products are for CUDA devices"}));
  EXPECT_TRUE(std::filesystem::is_empty(here.path()));
}

}  // namespace
}  // namespace msae::test
