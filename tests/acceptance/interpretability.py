#!/usr/bin/env python3
"""How far the latents of runs can be interpreted, on labelled CLIP embeddings: what a better reconstruction must not cost.

    python3 tests/acceptance/interpretability.py MSAE IMAGES RUN... [--k 32] [--seeds RUN RUN]... [--json FILE]

MSAE is the program; IMAGES an HDF5 file with /train and /test, each with embeddings and label. Needs numpy, scipy and
h5py. Prints a line for each run, all at K latents a row of the encoder's:

dead     share of the latents that no row of /test has, and of all rows together
purity   of a latent's ten rows of /train with the largest values, the share that is of the most frequent class among
         them; mean over the latents that ten rows or more have. By chance: of ten rows drawn at random
probe    a linear classifier of the classes that /train and /test share, fitted to the embeddings of /train: share of the
         rows of /test for which it says the same of the reconstruction as of the row itself, and its accuracy there
seeds    of each pair of runs given by --seeds: mean cosine of their decoder rows, paired one to one so that it is largest
         (Hungarian), and the share of pairs above 0.7; for all latents, and for those that a row of /test has
"""
import argparse
import json
import pathlib
import tempfile

import h5py
import numpy as np
from scipy.optimize import linear_sum_assignment

from program import msae


def load_rows(images, part):
    with h5py.File(images) as file:
        return file[f"{part}/embeddings"][:].astype(np.float32), file[f"{part}/label"][:]


def model_of(run):
    """Decoder [latents, dim] and its bias, which give embeddings as they are."""
    raw = (pathlib.Path(run) / "sae_weights.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])

    def tensor(name):
        first, last = header[name]["data_offsets"]
        return np.frombuffer(raw[start + first : start + last], np.float32).reshape(header[name]["shape"])

    return tensor("W_dec"), tensor("b_dec")


def codes_of(program, run, data, k):
    """Rows, latents and values of all that is active, and the number of latents."""
    with tempfile.TemporaryDirectory() as there:
        out = pathlib.Path(there) / "codes.h5"
        msae(program, "encode", run, "--data", data, "--out", out, "--k", k, "--quiet")
        with h5py.File(out) as file:
            begin, latents, values = file["indptr"][:], file["indices"][:], file["values"][:]
            count = int(file["shape"][1])
    return np.repeat(np.arange(len(begin) - 1), np.diff(begin)), latents, values, count


def purity(codes, labels, top=10):
    rows, latents, values, _ = codes
    order = np.lexsort((-values, latents))
    latents, rows = latents[order], rows[order]
    starts = np.flatnonzero(np.r_[True, latents[1:] != latents[:-1]])
    sizes = np.diff(np.r_[starts, len(latents)])
    pure = [np.bincount(labels[rows[s : s + top]]).max() / top for s, n in zip(starts, sizes) if n >= top]
    return float(np.mean(pure)), len(pure)


def chance_purity(labels, top=10, draws=2000):
    random = np.random.default_rng(0)
    return float(np.mean([np.bincount(random.choice(labels, top, False)).max() / top for _ in range(draws)]))


class Probe:
    """Ridge regression to one-hot classes, all of which count alike: its largest output is the class."""

    def __init__(self, rows, labels):
        self.classes, of_row = np.unique(labels, return_inverse=True)
        self.mean = rows.mean(0)
        centred = rows - self.mean
        weighted = centred / np.bincount(of_row)[of_row][:, None]
        target = np.eye(len(self.classes), dtype=np.float32)[of_row]
        gram = weighted.T @ centred
        gram[np.diag_indices_from(gram)] += np.trace(gram) / len(gram)
        self.weights = np.linalg.solve(gram, weighted.T @ (target - target.mean(0)))

    def __call__(self, rows):
        return self.classes[np.argmax((rows - self.mean) @ self.weights, 1)]


def decode(codes, decoder, bias, count):
    rows, latents, values, _ = codes
    result = np.repeat(bias[None], count, 0)
    starts = np.r_[np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]), len(rows)]
    for first, last in zip(starts[:-1], starts[1:]):
        result[rows[first]] += values[first:last] @ decoder[latents[first:last]]
    return result


def agreement(one, other, active=None):
    def unit(run):
        decoder = model_of(run)[0]
        decoder = decoder if active is None else decoder[active[run]]
        return decoder / np.maximum(np.linalg.norm(decoder, axis=1, keepdims=True), 1e-12)

    cosines = unit(one) @ unit(other).T
    a, b = linear_sum_assignment(-cosines)
    return float(cosines[a, b].mean()), float((cosines[a, b] > 0.7).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("images")
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--k", type=int, default=32)
    parser.add_argument("--seeds", nargs=2, action="append", default=[], metavar="RUN")
    parser.add_argument("--json")
    a = parser.parse_args()
    train, train_labels = load_rows(a.images, "train")
    test, test_labels = load_rows(a.images, "test")
    shared = np.intersect1d(train_labels, test_labels)
    known, judged = np.isin(train_labels, shared), np.isin(test_labels, shared)
    probe = Probe(train[known], train_labels[known])
    said = probe(test[judged])
    print(f"{a.k} latents a row; purity by chance {chance_purity(train_labels):.3f}; probe: {len(shared)} classes, "
          f"accuracy {np.mean(said == test_labels[judged]):.3f} on {judged.sum()} rows", flush=True)
    active, found = {}, {}
    for run in dict.fromkeys(a.runs + [run for pair in a.seeds for run in pair]):
        codes = codes_of(a.msae, run, f"{a.images}:/test/embeddings", a.k)
        active[run] = np.unique(codes[1])
        if run not in a.runs:
            continue
        of_train = codes_of(a.msae, run, f"{a.images}:/train/embeddings", a.k)
        pure, counted = purity(of_train, train_labels)
        rebuilt = probe(decode(codes, *model_of(run), len(test))[judged])
        ever = len(np.union1d(active[run], of_train[1]))
        f = found[run] = {"dead_on_test": 1 - len(active[run]) / codes[3], "dead": 1 - ever / codes[3], "purity": pure,
                          "latents_judged": counted, "probe_agreement": float(np.mean(rebuilt == said)),
                          "probe_accuracy": float(np.mean(rebuilt == test_labels[judged]))}
        print(f"{run}: dead {f['dead_on_test']:.3f} on /test, {f['dead']:.3f} on all; purity {pure:.3f} of {counted}; "
              f"probe agrees {f['probe_agreement']:.3f}, accuracy {f['probe_accuracy']:.3f}", flush=True)
    for one, other in a.seeds:
        everything, used = agreement(one, other), agreement(one, other, active)
        found[f"{one} {other}"] = {"all": everything, "active": used}
        print(f"{one} and {other}: all latents {everything[0]:.3f}, above 0.7 {everything[1]:.3f}; active ones "
              f"{used[0]:.3f}, above 0.7 {used[1]:.3f}", flush=True)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
