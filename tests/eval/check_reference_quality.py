#!/usr/bin/env python3
"""Holds runs of examples/reproduce_paper against the quality that the published code reached on the same data.

    check_reference_quality.py MSAE FOLDER TEST reference_quality.json [KIND...]

MSAE is the program, FOLDER what reproduce_paper wrote, TEST the data that it evaluated on (FILE.h5:/PATH; needs h5py).
Every number of every point has to agree within 1 %; the worst deviation is named. The points: inferred k, in the original
and in the centred space; and, with the test rows centred and scaled by their own mean and scale as the training script
does it, inferred k, all latents, and the latents as trained (not of batch-topk, which chooses over batches there).
"""
import json
import subprocess
import sys
import tempfile

import h5py

RUNS = {"relu": "ReLUSAE-ReLU_003-e30", "topk": "TopKSAE-TopKReLU_64-e30",
        "batch-topk": "BatchTopKSAE-BatchTopKReLU_32-e30",
        "matryoshka-uniform": "MSAE_UW-TopKReLU-e30", "matryoshka-reverse": "MSAE_RW-TopKReLU-e30"}
NAMES = {"fvu": "fvu_global", "fvu_per_sample": "fvu", "cosine": "cs", "nmae": "nmae"}
LATENTS = 4096


def points(program, run, test, ks, centred):
    command = [program, "eval", run, "--data", test, "--k", ",".join(ks), "--quiet", "--json", "-"]
    text = subprocess.run(command + (["--centred"] if centred else []), check=True, capture_output=True).stdout
    return {p["label"]: p for p in json.loads(text)[0]["points"]}


def centred_by_themselves(test, scale, run, folder):
    """Rows that the run's own mean and scale make what the test rows' mean and `scale` make of those."""
    config = json.load(open(f"{run}/cfg.json"))["msae"]
    path, name = test.rsplit(":", 1)
    with h5py.File(path) as source:
        rows = source[name][:].astype("float64")
    rows = (rows - rows.mean(0)) * (scale / config["scale"]) + config["mean"]
    with h5py.File(f"{folder}/rows.h5", "w") as target:
        target["rows"] = rows
    return f"{folder}/rows.h5:/rows"


class Comparison:
    worst = (0, "nothing")
    count = 0

    def add(self, what, ours, published):
        pairs = [(name, ours[name], published[key]) for name, key in NAMES.items()]
        pairs.append(("sparsity", ours["sparsity"], 1 - published["active"] / LATENTS))
        for name, mine, theirs in pairs:
            off = abs(mine - theirs) / abs(theirs)
            self.worst = max(self.worst, (off, f"{what} {name}: {mine:.6g} against {theirs:.6g}"))
            self.count += 1


def main(program, folder, test, golden, *kinds):
    runs = json.load(open(golden))["runs"]
    comparison = Comparison()
    for kind in kinds or RUNS:
        stored, run = runs[RUNS[kind]], f"{folder}/{kind}"
        by_k = stored["inference_k_model_stats"]
        for view in ("raw", "centred"):
            ours = points(program, run, test, [k for k in by_k if int(k) < LATENTS], view == "centred")
            for k, published in by_k.items():
                point = ours.get("k=" + k, ours["all"])
                comparison.add(f"{kind} {view} k={k}", point, dict(published[view], active=published["active"]))
        by_k = stored["inference_k_own_stats"]
        with tempfile.TemporaryDirectory() as scratch:
            own = centred_by_themselves(test, stored["test_scaling_factor"], run, scratch)
            ours = points(program, run, own, [k for k in by_k if int(k) < LATENTS], True)
        for k, published in by_k.items():
            point = ours.get("k=" + k, ours["all"])
            comparison.add(f"{kind} own k={k}", point, dict(published["centred"], active=published["active"]))
        for label, key in (("all", "all"), ("trained", "sparse")):
            published, point = stored["eval_whole"][key], ours[label]
            if kind == "batch-topk" and label == "trained":
                continue
            comparison.add(f"{kind} own {label}", point, published)
            print(f"{kind} {label}: dead {round(point['dead_fraction'] * LATENTS)} against {published['dead']}")
    print(f"{comparison.count} numbers, worst deviation {100 * comparison.worst[0]:.3f} %: {comparison.worst[1]}")
    return 0 if comparison.worst[0] <= 0.01 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
