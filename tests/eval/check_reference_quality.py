#!/usr/bin/env python3
"""Holds runs of examples/reproduce_paper against the quality that the published code reached on the same data.

    check_reference_quality.py MSAE FOLDER TEST reference_quality.json [KIND...]

MSAE is the program, FOLDER what reproduce_paper wrote, TEST the data that it evaluated on. Every number of inferred k,
in the original and in the centred space, has to agree within 1 %; the worst deviation is named.
"""
import json
import subprocess
import sys

RUNS = {"relu": "ReLUSAE-ReLU_003-e30", "topk": "TopKSAE-TopKReLU_64-e30",
        "batch-topk": "BatchTopKSAE-BatchTopKReLU_32-e30",
        "matryoshka-uniform": "MSAE_UW-TopKReLU-e30", "matryoshka-reverse": "MSAE_RW-TopKReLU-e30"}
NAMES = {"fvu": "fvu_global", "fvu_per_sample": "fvu", "cosine": "cs", "nmae": "nmae"}


def points(program, run, test, ks, centred):
    command = [program, "eval", run, "--data", test, "--k", ",".join(ks), "--quiet", "--json", "-"]
    text = subprocess.run(command + (["--centred"] if centred else []), check=True, capture_output=True).stdout
    return {p["label"]: p for p in json.loads(text)[0]["points"]}


def main(program, folder, test, golden, *kinds):
    runs = json.load(open(golden))["runs"]
    worst = (0, "nothing")
    for kind in kinds or RUNS:
        stored = runs[RUNS[kind]]["inference_k_model_stats"]
        for view in ("raw", "centred"):
            ours = points(program, f"{folder}/{kind}", test, [k for k in stored if int(k) < 4096], view == "centred")
            for k, published in stored.items():
                point = ours.get("k=" + k, ours["all"])
                pairs = [(name, point[name], published[view][key]) for name, key in NAMES.items()]
                pairs.append(("sparsity", point["sparsity"], 1 - published["active"] / 4096))
                for name, mine, theirs in pairs:
                    off = abs(mine - theirs) / abs(theirs)
                    worst = max(worst, (off, f"{kind} {view} k={k} {name}: {mine:.6g} against {theirs:.6g}"))
    print(f"worst deviation {100 * worst[0]:.3f} %: {worst[1]}")
    return 0 if worst[0] <= 0.01 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
