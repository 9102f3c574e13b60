#!/usr/bin/env python3
"""Trains on rows sorted by class, all shuffled together and a part at a time, and compares what is reached.

    shuffle_quality.py MSAE [--data $MSAE_REAL_DATA/clip_vitb32_images.h5] [--pool 6000] [--latents 1024] [--seeds 3]

Reads /train/embeddings, /train/label and /test/embeddings; needs h5py and numpy. Tells FVU on the test rows, and
exits with 1 where the mean of pools is more than 1 % above that of full shuffles.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("--data", default=os.environ.get("MSAE_REAL_DATA", ".") + "/clip_vitb32_images.h5")
    parser.add_argument("--pool", type=int, default=6000)
    parser.add_argument("--latents", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with h5py.File(a.data) as file, h5py.File(folder / "sorted.h5", "w") as out:
            by_class = numpy.argsort(file["train/label"][:], kind="stable")
            out["x"] = file["train/embeddings"][:][by_class]
        found = {"all": [], str(a.pool): []}
        for seed in range(1, a.seeds + 1):
            for shuffled, values in found.items():
                done = subprocess.run(
                    [a.msae, "train", f"{folder / 'sorted.h5'}:/x", "--out", folder / f"{shuffled}-{seed}", "--latents",
                     str(a.latents), "--epochs", str(a.epochs), "--seed", str(seed), "--shuffle-rows", shuffled,
                     "--save-every", "0", "--eval", f"{a.data}:/test/embeddings", "--json", "-", "--quiet"],
                    check=True, capture_output=True, text=True)
                result = json.loads(done.stdout)
                values.append(result["evaluation"]["fvu"])
                print(f"seed {seed}, {shuffled} rows together: FVU {values[-1]:.5f}", flush=True)
        full, pooled = (sum(values) / len(values) for values in found.values())
        print(f"mean: all {full:.5f}, {a.pool} at a time {pooled:.5f}, ratio {pooled / full:.4f}")
        sys.exit(0 if pooled <= 1.01 * full else 1)


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"
    main()
