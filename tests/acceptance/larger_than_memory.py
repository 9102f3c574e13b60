#!/usr/bin/env python3
"""Trains on a file larger than --memory, and tells the peak of resident memory and the speed beside that of the
same rows from memory.

    larger_than_memory.py MSAE FOLDER [--gigabytes 12] [--memory 2GB] [--dim 768] [--steps 300]

Makes FOLDER/rows.h5 of random float16 once (HDF5, contiguous; needs h5py and numpy). Its pages are dropped from
the system's cache before each run, and all through it, by POSIX_FADV_DONTNEED.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time


def make(path, rows, dim):
    import h5py
    import numpy
    random = numpy.random.default_rng(0)
    basis = random.standard_normal((64, dim), dtype=numpy.float32)
    with h5py.File(path, "w") as file:
        out = file.create_dataset("x", (rows, dim), "float16")
        for first in range(0, rows, 1 << 16):
            count = min(1 << 16, rows - first)
            codes = random.exponential(size=(count, 64)).astype(numpy.float32)
            codes *= random.random((count, 64)) < 0.1
            out[first:first + count] = (codes @ basis + 0.1 * random.standard_normal((count, dim))).astype("float16")


def drop(path):
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def train(a, data, out, memory):
    """Rows per second of the steps alone, and the peak of resident memory in bytes."""
    subprocess.run(["rm", "-rf", out], check=True)
    call = [a.msae, "train", data, "--out", out, "--memory", memory, "--latents", str(a.latents), "--steps",
            str(a.steps), "--log-every", "10", "--save-every", "0", "--json", "-", "--quiet"]
    drop(a.data)
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.2):
            drop(a.data)
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            for line in status.splitlines():
                if line.startswith("VmHWM"):
                    peak[0] = int(line.split()[1]) * 1024

    watcher = threading.Thread(target=watch)
    watcher.start()
    output = process.communicate()[0]
    done.set()
    watcher.join()
    if process.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, call))}")
    result = json.loads(output)
    return 1000 * a.batch / result["step_ms"], mean_rate(out), peak[0], result


def waiting(result):
    return (f"waited {100 * result['waiting_seconds'] / result['seconds']:.2f} % of {result['seconds']:.0f} s, after "
            f"{result['first_rows_seconds']:.1f} s for the first rows")


def mean_rate(out):
    rows = [line.split(",") for line in (out / "metrics.csv").read_text().splitlines()[1:]]
    first, last = rows[len(rows) // 5], rows[-1]
    return (int(last[2]) - int(first[2])) / (float(last[8]) - float(first[8]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=12)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--latents", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=4096)
    a = parser.parse_args()
    a.folder.mkdir(exist_ok=True)
    a.data = a.folder / "rows.h5"
    rows = int(a.gigabytes * 1e9 / (2 * a.dim))
    if not a.data.exists():
        began = time.monotonic()
        make(a.data, rows, a.dim)
        print(f"wrote {rows} rows of {a.dim} in {time.monotonic() - began:.0f} s", flush=True)
    name = f"{a.data}:/x"
    median, mean, peak, result = train(a, name, a.folder / "pooled", a.memory)
    print(f"--memory {a.memory}: {mean:.0f} rows/s (median step {median:.0f}), peak {peak / 1e9:.2f} GB, "
          f"{waiting(result)}", flush=True)
    # As many rows as fit in memory: what a step takes when it never waits.
    median_in, mean_in, peak_in, result = train(a, name, a.folder / "resident", "1TB") \
        if a.gigabytes < 4 else part_in_memory(a, rows)
    print(f"from memory: {mean_in:.0f} rows/s (median step {median_in:.0f}), peak {peak_in / 1e9:.2f} GB, "
          f"{waiting(result)}")
    print(f"ratio {mean / mean_in:.3f}")


def part_in_memory(a, rows):
    import h5py
    part = a.folder / "part.h5"
    if not part.exists():
        with h5py.File(a.data) as whole, h5py.File(part, "w") as file:
            file["x"] = whole["x"][:min(rows, 1_000_000)]
    return train(a, f"{part}:/x", a.folder / "resident", "1TB")


if __name__ == "__main__":
    main()
