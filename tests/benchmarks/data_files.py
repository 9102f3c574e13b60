#!/usr/bin/env python3
"""Writes the same random rows as files of every kind that msae reads, for data_benchmark.

    data_files.py FOLDER [--gigabytes 2] [--dim 768]
    build/release/tests/data_benchmark $(cat FOLDER/names)

Needs numpy, h5py and torch. Sizes are those of float16; files of float32 are twice as large.
"""
import argparse
import json
import pathlib
import struct

import h5py
import numpy
import torch


def safetensors(path, name, dtype, values):
    header = json.dumps({name: {"dtype": dtype, "shape": list(values.shape), "data_offsets": [0, values.nbytes]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        values.tofile(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--dim", type=int, default=768)
    a = parser.parse_args()
    (a.folder / "shards").mkdir(parents=True, exist_ok=True)
    count = int(a.gigabytes * 1e9 / 2 / a.dim)
    half = numpy.empty((count, a.dim), "float16")
    random = numpy.random.default_rng(0)
    for first in range(0, count, 1 << 14):
        part = half[first:first + (1 << 14)]
        part[:] = random.standard_normal(part.shape, dtype=numpy.float32)
    full = half.astype("float32")
    names = []

    def add(name, inner=""):
        names.append(f"{a.folder / name}{inner}")
        return a.folder / name

    numpy.save(add("half.npy"), half)
    numpy.save(add("float.npy"), full)
    for name, values in (("half", half), ("float", full)):
        with h5py.File(add(f"{name}.h5", ":/x"), "w") as file:
            file["x"] = values
        with h5py.File(add(f"{name}_chunks_of_256_rows.h5", ":/x"), "w") as file:
            file.create_dataset("x", data=values, chunks=(256, a.dim))
    with h5py.File(add("half_gzip.h5", ":/x"), "w") as file:
        file.create_dataset("x", data=half, chunks=(256, a.dim), compression="gzip", compression_opts=1)
    bfloat = (full.view("uint32") >> 16).astype("uint16")
    safetensors(add("bfloat16.safetensors", ":x"), "x", "BF16", bfloat)
    safetensors(add("float.safetensors", ":x"), "x", "F32", full)
    torch.save({"x": torch.from_numpy(half)}, add("half.pt", ":x"))
    torch.save(torch.from_numpy(full), add("float.pt"))
    add("shards")
    for number, part in enumerate(numpy.array_split(half, 8)):
        numpy.save(a.folder / "shards" / f"img_emb_{number}.npy", part)
    (a.folder / "names").write_text("\n".join(names) + "\n")


if __name__ == "__main__":
    main()
