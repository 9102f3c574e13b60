#!/usr/bin/env python3
"""Trains on rows sorted by class, all shuffled together and a part at a time, and compares what is reached.

    shuffle_quality.py MSAE [--data $MSAE_REAL_DATA/clip_vitb32_images.h5] [--copies 32] [--pool 262144] [--seeds 3]

Reads /train/embeddings, /train/label and /test/embeddings; needs h5py and numpy. Each train row becomes --copies
rows, mixed with others of its class and of length 1 again, so that there are more than a pool holds; those of a
class are in random order. Tells FVU on
the test rows at every level, means over seeds, and exits with 1 where those of pools are on average more than 1 %
above those of full shuffles.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy


def write_by_class(path, images, copies):
    random = numpy.random.default_rng(0)
    rows, label = images["train/embeddings"][:].astype("float32"), images["train/label"][:]
    with h5py.File(path, "w") as file:
        out = file.create_dataset("x", (copies * len(rows), rows.shape[1]), "float16")
        at = 0
        for one in numpy.unique(label):
            of_class = rows[label == one]
            first = numpy.repeat(of_class, copies, axis=0)
            other = of_class[random.integers(len(of_class), size=len(first))]
            mixed = first + random.random((len(first), 1), dtype="float32") * other
            random.shuffle(mixed)
            out[at:at + len(mixed)] = mixed / numpy.linalg.norm(mixed, axis=1, keepdims=True)
            at += len(mixed)
    return at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("--data", default=os.environ.get("MSAE_REAL_DATA", ".") + "/clip_vitb32_images.h5")
    parser.add_argument("--copies", type=int, default=32)
    parser.add_argument("--pool", type=int, default=1 << 18)
    parser.add_argument("--latents", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with h5py.File(a.data) as images:
            rows = write_by_class(folder / "sorted.h5", images, a.copies)
        print(f"{rows} rows by class, pools of {a.pool}", flush=True)
        found = {"all": [], str(a.pool): []}
        for seed in range(1, a.seeds + 1):
            for shuffled, values in found.items():
                done = subprocess.run(
                    [a.msae, "train", f"{folder / 'sorted.h5'}:/x", "--out", folder / f"{shuffled}-{seed}", "--latents",
                     str(a.latents), "--epochs", str(a.epochs), "--seed", str(seed), "--shuffle-rows", shuffled,
                     "--save-every", "0", "--eval", f"{a.data}:/test/embeddings", "--json", "-", "--quiet"],
                    check=True, stdout=subprocess.PIPE, text=True)
                result = json.loads(done.stdout)
                values.append({point["label"]: point["fvu"] for point in result["evaluation"]["points"]})
                print(f"seed {seed}, {shuffled} rows together: FVU", *(f"{v:.4f}" for v in values[-1].values()),
                      flush=True)
        ratios = {}
        for label in found["all"][0]:
            full, pooled = (sum(run[label] for run in values) / len(values) for values in found.values())
            ratios[label] = pooled / full
            print(f"{label:>10}: all {full:.5f}, {a.pool} at a time {pooled:.5f}, ratio {ratios[label]:.4f}")
        mean = sum(ratios.values()) / len(ratios)
        print(f"mean ratio {mean:.4f}")
        sys.exit(0 if mean <= 1.01 else 1)


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"
    main()
