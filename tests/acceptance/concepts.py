#!/usr/bin/env python3
"""What the dictionary knows, on real CLIP embeddings: names, search, bias, hierarchy, report.

    python3 tests/acceptance/concepts.py MSAE FOLDER [--run RUN] [--search-benchmark PROGRAM]

MSAE is the program; FOLDER holds clip_vitb32_images.h5, clip_vitb32_vocab.h5 and celeba1000_vitb32.h5. Trains an MSAE of
4,096 latents for 30 epochs on the images' /train, unless RUN is one, and models of synthetic data whose hierarchy is
known. Needs numpy and h5py. Prints what was found; judges nothing.
"""
import argparse
import json
import pathlib
import re
import statistics
import tempfile
import time

import h5py

from program import msae


def as_json(*arguments):
    return json.loads(msae(*arguments, "--quiet", "--json", "-"))


def plain(word):
    """As words and labels can be compared: small letters, without what brackets add."""
    return re.sub(r"\s*\(.*?\)", "", word.replace("_", " ")).strip().lower()


def names(program, run, folder):
    images, vocabulary = folder / "clip_vitb32_images.h5", folder / "clip_vitb32_vocab.h5"
    print(msae(program, "name", run, "--vocab", f"{vocabulary}:/embeddings", "--data", f"{images}:/train/embeddings",
               "--quiet"))
    unique = msae(program, "name", run, "--vocab", f"{vocabulary}:/embeddings", "--data", f"{images}:/train/embeddings",
                  "--unique", "--show", 0, "--out", run / "unique.json", "--quiet")
    print("with --unique:", unique.splitlines()[0])
    found = json.loads((run / "names.json").read_text())["latents"]
    with h5py.File(images) as file:
        labels = [plain(name.split("/")[-1]) for name in file["label_names"].asstr()[:]]
        of_row = [labels[label] for label in file["train/label"][:]]
    objects = set(of_row)
    with tempfile.TemporaryDirectory() as there:
        codes = pathlib.Path(there) / "codes.h5"
        msae(program, "encode", run, "--data", f"{images}:/train/embeddings", "--out", codes, "--k", 64, "--quiet")
        with h5py.File(codes) as file:
            begin, latents, values = file["indptr"][:], file["indices"][:], file["values"][:]
    rows_of = {}
    wanted = {i for i, latent in enumerate(found) if latent["name"] and plain(latent["name"]) in objects}
    for row in range(len(begin) - 1):
        for at in range(begin[row], begin[row + 1]):
            if latents[at] in wanted:
                rows_of.setdefault(latents[at], []).append((-values[at], row))
    precisions, common = [], []
    for latent, rows in rows_of.items():
        top = sorted(rows)[:10]
        word = plain(found[latent]["name"])
        precisions.append(sum(of_row[row] == word for _, row in top) / len(top))
        if of_row.count(word) >= 20:
            common.append(precisions[-1])
    print(f"named latents whose word is a label's object: {len(precisions)}; of their ten top rows that class has "
          f"{statistics.mean(precisions):.3f} (mean), {statistics.median(precisions):.3f} (median); of the {len(common)} "
          f"whose class has at least 20 rows {statistics.mean(common):.3f}, {statistics.median(common):.3f}\n")


def bias(program, run, folder):
    celeba = folder / "celeba1000_vitb32.h5"
    for name in ("Male", "Smiling", "Eyeglasses", "Wearing_Hat"):
        print(msae(program, "bias", run, "--data", f"{celeba}:/embeddings", "--attribute", f"{celeba}:/attributes", "--name",
                   name, "--top", 10 if name == "Male" else 1, "--quiet"))


def hierarchy(program, there):
    msae(program, "synth", there / "synthetic.h5", "--rows", 60000, "--dim", 128, "--concepts", 300, "--quiet")
    models = {"matryoshka 8,16,32, 512 latents": ["--levels", "8,16,32", "--latents", 512],
              "topk 16, 512 latents": ["--model", "topk", "--k", 16, "--latents", 512]}
    for name, options in models.items():
        run = there / name.replace(" ", "_").replace(",", "_")
        msae(program, "train", f"{there / 'synthetic.h5'}:/embeddings", "--out", run, "--batch-size", 1024, "--epochs", 30,
             "--quiet", *options)
        found = as_json(program, "tree", run, "--data", f"{there / 'synthetic.h5'}:/embeddings", "--truth",
                        there / "synthetic.h5", "--k", 16)["truth"]
        print(f"hierarchy, {name}: {found}")


def report(program, run, folder, there):
    images = folder / "clip_vitb32_images.h5"
    begin = time.time()
    made = as_json(program, "report", run, "--data", f"{images}:/test/embeddings", "--labels", f"{images}:/test/label",
                   "--label-names", f"{images}:/label_names", "--out", there / "report.html")
    print(f"report: {made}, {time.time() - begin:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae", metavar="MSAE", type=pathlib.Path)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--search-benchmark", metavar="PROGRAM")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        there = pathlib.Path(folder)
        run, images = args.run or there / "run", args.folder / "clip_vitb32_images.h5"
        if not args.run:
            msae(args.msae, "train", f"{images}:/train/embeddings", "--out", run, "--latents", 4096, "--epochs", 30, "--quiet")
        names(args.msae, run, args.folder)
        if args.search_benchmark:
            print(msae(args.search_benchmark))
            print(msae(args.search_benchmark, f"{images}:/test/embeddings", run, f"{images}:/test/label", 64))
        bias(args.msae, run, args.folder)
        report(args.msae, run, args.folder, there)
        hierarchy(args.msae, there)


if __name__ == "__main__":
    main()
