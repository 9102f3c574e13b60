#!/usr/bin/env python3
"""Kills a training run by SIGKILL at random moments and resumes it, then compares it with one left alone.

    kill_and_resume.py MSAE [--kills 50] [--seed 1] [--pool]

The weights, the saved state and metrics.csv (but for its two columns of time) must be equal to the byte. With
--pool, rows are shuffled a part at a time, as those of a file larger than memory are.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time


def tensors(path):
    """The bytes of a safetensors file by tensor, without the metadata, which tells seconds."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: data[8 + length + e["data_offsets"][0]:8 + length + e["data_offsets"][1]]
            for name, e in header.items()}


def metrics(path):
    return [line.rsplit(",", 2)[0] for line in path.read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", action="store_true")
    a = parser.parse_args()
    chance = random.Random(a.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = folder / "data.h5"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([a.msae, "synth", data, "--rows", "20000", "--dim", "64"], check=True, **quiet)
        options = [f"{data}:/embeddings", "--latents", "1024", "--steps", "3000", "--batch-size", "256", "--save-every",
                   "7steps", "--log-every", "5", "--threads", "1", "--auxk", "0.03"]
        if a.pool:
            options += ["--shuffle-rows", "3000"]

        began = time.monotonic()
        subprocess.run([a.msae, "train", *options, "--out", folder / "alone"], check=True, **quiet)
        whole = time.monotonic() - began

        run, kills, resumed_from = folder / "killed", 0, set()
        while kills < a.kills:
            # A resumed process takes a while to begin; what it trains is about a fiftieth of the run.
            process = subprocess.Popen([a.msae, "train", *options, "--out", run, "--resume"], **quiet)
            time.sleep(0.2 + chance.random() * 1.5 * whole / a.kills)
            if process.poll() is not None:
                sys.exit(f"finished, or failed, after {kills} kills: exit {process.returncode}")
            process.kill()
            process.wait()
            kills += 1
            state = run / "state" / "state.safetensors"
            if state.exists():
                length = int.from_bytes(state.read_bytes()[:8], "little")
                resumed_from.add(json.loads(state.read_bytes()[8:8 + length])["__metadata__"]["step"])
        subprocess.run([a.msae, "train", *options, "--out", run, "--resume"], check=True, **quiet)

        names = ("sae_weights.safetensors", "state/state.safetensors")
        equal = {name: tensors(folder / "alone" / name) == tensors(run / name) for name in names}
        equal["metrics.csv"] = metrics(folder / "alone" / "metrics.csv") == metrics(run / "metrics.csv")
        left = [path for path in run.rglob("*") if path.suffix == ".tmp"]
        print(f"{kills} kills, {len(resumed_from)} states gone on from, {len(left)} temporaries left")
        for name, same in equal.items():
            print(f"{name}: {'identical' if same else 'DIFFERENT'}")
        sys.exit(0 if all(equal.values()) and not left else 1)


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"
    main()
