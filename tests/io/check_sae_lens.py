#!/usr/bin/env python3
"""Opens a model folder with the Python package sae-lens and compares its results with msae's.

  check_sae_lens.py RUN ROWS LATENTS RECONSTRUCTIONS   compare; exit 1 beyond a relative error of 1e-4
  check_sae_lens.py RUN ROWS --write OUT.safetensors   write x, encode and decode as sae-lens computes them

ROWS [n, dim] are embeddings, LATENTS [n, latents] and RECONSTRUCTIONS [n, dim] what msae made of them "as trained".
An array is FILE.npy, FILE.h5:/path or FILE.safetensors:name. Needs sae-lens, numpy and, for .h5, h5py.

Where two pre-activations are equal to rounding, a top-k selection may keep either one. Such a row counts as equal when
its sorted latents are; the decoders are compared on the same latents.
"""

import sys

import numpy as np
import torch
from sae_lens.saes import SAE

LIMIT = 1e-4


def read(argument):
    path, _, name = argument.partition(":")
    if path.endswith(".npy"):
        return np.load(path)
    if path.endswith((".h5", ".hdf5")):
        import h5py

        with h5py.File(path) as file:
            return file[name][...]
    if path.endswith(".safetensors"):
        from safetensors.numpy import load_file

        return load_file(path)[name]
    sys.exit(f"{argument}: expected FILE.npy, FILE.h5:/path or FILE.safetensors:name")


def relative_error(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def compare_latents(ours, theirs):
    swapped = ((ours > 0) != (theirs > 0)).any(axis=1)
    print(f"rows whose selection differs: {swapped.sum()} of {len(ours)}")
    error = relative_error(ours[~swapped], theirs[~swapped]) if not swapped.all() else 0.0
    if swapped.any():
        error = max(error, relative_error(np.sort(ours[swapped]), np.sort(theirs[swapped])))
    return error


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sae = SAE.load_from_disk(sys.argv[1])
    dtype = np.float64 if sae.dtype == torch.float64 else np.float32
    rows = torch.from_numpy(read(sys.argv[2]).astype(dtype))
    with torch.no_grad():
        encoded = sae.encode(rows)
        if sys.argv[3] == "--write":
            from safetensors.torch import save_file

            save_file({"x": rows, "encode": encoded, "decode": sae.decode(encoded)}, sys.argv[4])
            return
        latents, reconstructions = (read(argument).astype(dtype) for argument in sys.argv[3:])
        decoded = sae.decode(torch.from_numpy(latents)).numpy()
    errors = {
        "encode": compare_latents(latents, encoded.numpy()),
        "decode": relative_error(reconstructions, decoded),
    }
    for name, error in errors.items():
        print(f"{name}: largest difference {error:.2e} of the largest value")
    sys.exit(0 if max(errors.values()) <= LIMIT else f"differs by more than {LIMIT:g}")


if __name__ == "__main__":
    main()
