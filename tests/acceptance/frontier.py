#!/usr/bin/env python3
"""Where the default preset stands beside the published settings, on real CLIP embeddings.

    python3 tests/acceptance/frontier.py MSAE IMAGES OUT PART... [--golden reference_quality.json] [--seeds 1,2,3]
        [--refined-share 0.1] [--published-ms 700]

MSAE is the program; IMAGES an HDF5 file with /train and /test, each with embeddings; OUT a folder for the runs. What is
finished there is not trained again, so that the work may be done in parts:

tune        the default preset and the published settings with other learning rates, seed 1, judged on a tenth of /train
            that is held out; writes the best rates to OUT/rates.json
train       the default preset, published settings as published, and these with the rates of OUT/rates.json where it is
            there: every seed, on all of /train, 30 epochs, batches of 4,096
frontier    all of these that are trained, on /test at k = 8, ..., 512: the default preset's with the encoder's codes, refit
            and pursuit (these on --refined-share of the rows, as a row takes a tenth of a second at k = 512); means and
            ranges over the seeds, beside the best of the published code in --golden
equal-time  the default preset beside published MSAEs that took as many steps as --published-ms, of a step of the published
            Python code on this machine, lets them take in the seconds that the default preset trained

Prints tables; judges nothing. Needs no package.
"""
import argparse
import json
import math
import pathlib

from program import msae

KS = [8, 16, 32, 64, 128, 256, 512]
PUBLISHED = {
    "relu": ["--model", "relu"],
    "topk-64": ["--model", "topk", "--k", 64],
    "batch-topk-32": ["--model", "batch-topk", "--k", 32],
    "msae-uniform": ["--model", "matryoshka", "--weights", "uniform"],
    "msae-reverse": ["--model", "matryoshka", "--weights", "reverse"],
}
RATES = {"default": [2.5e-3, 1e-2], "topk-64": [1e-3, 2e-3, 4e-3, 8e-3], "batch-topk-32": [1e-3, 2e-3, 4e-3, 8e-3],
         "msae-uniform": [4e-4, 1e-3, 3e-3, 8e-3], "msae-reverse": [4e-4, 1e-3, 3e-3, 8e-3], "relu": [2e-4, 1e-3, 3e-3]}


def options_of(setting):
    """All take batches of one size, also where rows are held out."""
    chosen = [] if setting == "default" else ["--preset", "reference", *PUBLISHED[setting]]
    return ["--batch-size", 4096, *chosen]


def row(name, values, form="{:.3f}"):
    print(f"{name:32}" + "".join(f"{form.format(value):>14}" for value in values), flush=True)


class Work:
    def __init__(self, arguments):
        self.program, self.images = arguments.msae, arguments.images
        self.out = pathlib.Path(arguments.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.seeds = [int(seed) for seed in arguments.seeds.split(",")]

    def data(self, part):
        return f"{self.images}:/{part}/embeddings"

    def report(self, name):
        return self.out / f"{name}.json"

    def is_done(self, name):
        return self.report(name).exists() and json.loads(self.report(name).read_text())["finished"]

    def train(self, name, *options):
        """Trains, or goes on, unless that is done."""
        folder = self.out / name
        if not self.is_done(name):
            resume = ["--resume"] if (folder / "state").exists() else []
            msae(self.program, "train", self.data("train"), "--out", folder, "--quiet", "--json", self.report(name),
                 *options, *resume)
            print(f"trained {name}", flush=True)
        return folder

    def points(self, folders, part, *options):
        """For each run and kind of codes, FVU by k."""
        found = json.loads(msae(self.program, "pareto", *folders, "--data", self.data(part), "--k",
                                ",".join(map(str, KS)), "--quiet", "--json", "-", *options))
        result = {}
        for run in found["runs"]:
            by_label = {point["label"]: point for point in run["points"]}
            result[pathlib.Path(run["run"]).name, run["codes"]] = [by_label[f"k={k}"]["fvu"] for k in KS]
        return result


def tune(work):
    """The rate of each setting whose FVU, as a geometric mean over all k, is lowest on rows held out."""
    row("FVU on rows held out, k =", KS, "{}")
    best = {}
    for setting, rates in RATES.items():
        tried = {}
        for rate in [None, *rates]:
            name = f"tune-{setting}-{rate or 'preset'}"
            given = ["--lr", rate] if rate else []
            folder = work.train(name, "--holdout", 0.1, "--seed", 1, *options_of(setting), *given)
            values = work.points([folder], "train", "--holdout", 0.1)[name, "encoder"]
            tried[rate] = sum(map(math.log, values))
            row(name, values)
        best[setting] = min(tried, key=tried.get)
    (work.out / "rates.json").write_text(json.dumps(best, indent=1))
    print("best:", best)


def final_runs(work):
    rates = work.out / "rates.json"
    best = json.loads(rates.read_text()) if rates.exists() else {}
    yield "default", options_of("default")
    for setting in PUBLISHED:
        yield f"published-{setting}", options_of(setting)
    for setting in PUBLISHED:
        if best.get(setting):
            yield f"tuned-{setting}", [*options_of(setting), "--lr", best[setting]]


def train(work):
    for seed in work.seeds:
        for name, options in final_runs(work):
            work.train(f"{name}-seed{seed}", "--seed", seed, *options)


def frontier(work, golden, refined_share):
    best = [golden["best_published_30"][str(k)]["fvu"] for k in KS] if golden else None
    row("FVU on /test, k =", KS, "{}")
    if best:
        row("published code, best of ten", best)
    for name, _ in final_runs(work):
        done = [work.out / f"{name}-seed{seed}" for seed in work.seeds if work.is_done(f"{name}-seed{seed}")]
        if not done:
            continue
        kinds = ["encoder", "refit", "pursuit"] if name == "default" else ["encoder"]
        for kind in kinds:
            share = ["--holdout", refined_share] if kind != "encoder" and refined_share < 1 else []
            points = work.points(done, "test", "--codes", kind, *share)
            of_seeds = [points[folder.name, kind] for folder in done]
            means = [sum(values) / len(values) for values in zip(*of_seeds)]
            row(f"{name}, {kind} ({len(done)})", means)
            if len(done) > 1:
                row("  from - to", [f"{min(v):.3f}-{max(v):.3f}" for v in zip(*of_seeds)], "{}")
            if best and name == "default":
                row("  times the published code's", [mean / b for mean, b in zip(means, best)])


def equal_time(work, published_ms):
    row("FVU on /test, k =", KS, "{}")
    seed = work.seeds[0]
    default = work.train(f"default-seed{seed}", "--seed", seed, *options_of("default"))
    seconds = json.loads(work.report(default.name).read_text())["seconds"]
    steps = max(1, round(1e3 * seconds / published_ms))
    for setting in ["msae-uniform", "msae-reverse"]:
        name = f"published-{setting}-{steps}steps"
        folder = work.train(name, "--seed", seed, *options_of(setting), "--steps", steps)
        row(f"{setting}, {steps} steps", work.points([folder], "test")[name, "encoder"])
    row(f"default, {seconds:.0f} s", work.points([default], "test")[default.name, "encoder"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("images")
    parser.add_argument("out")
    parser.add_argument("parts", nargs="+", choices=["tune", "train", "frontier", "equal-time"])
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--refined-share", type=float, default=1)
    parser.add_argument("--published-ms", type=float, help="of a step of the published Python code on this machine")
    a = parser.parse_args()
    if "equal-time" in a.parts and not a.published_ms:
        parser.error("equal-time needs --published-ms")
    work = Work(a)
    for part in a.parts:
        if part == "tune":
            tune(work)
        elif part == "train":
            train(work)
        elif part == "frontier":
            frontier(work, json.loads(a.golden.read_text()) if a.golden else None, a.refined_share)
        else:
            equal_time(work, a.published_ms)


if __name__ == "__main__":
    main()
