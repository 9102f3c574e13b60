#!/usr/bin/env python3
"""Opens what `msae convert` writes with the Python package that each format is for, and the other way round.

  check_exchange.py MSAE [FOLDER]

MSAE is the program; FOLDER, a temporary one unless named, keeps the files. Every kind of model is trained for a few
steps, converted to every format, and opened there; latents have to equal those of `msae encode`, reconstructions those
of the model's own tensors, to 1e-5 of the largest value. Then models that the packages have made are read by msae and
written again, which has to give the same weights, bit for bit. Prints package versions and the largest differences.

Needs sae-lens, eai-sparsify, dictionary-learning, onnxruntime, safetensors and h5py. Where two pre-activations are
equal to rounding, a selection may keep either one: a row in which another latent is kept counts as equal when its
sorted latents are.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile

os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # its kernels are for GPUs

import h5py
import numpy as np
import onnxruntime
import torch
from dictionary_learning.dictionary import AutoEncoder, JumpReluAutoEncoder
from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
from dictionary_learning.trainers.top_k import AutoEncoderTopK
from dictionary_learning.utils import load_dictionary
from sae_lens.saes import SAE, JumpReLUSAE, JumpReLUSAEConfig, StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig
from safetensors.numpy import load_file
from sparsify import SparseCoder, SparseCoderConfig

LIMIT = 1e-5
DIM, LATENTS, ROWS = 24, 80, 400
KINDS = {
    "relu": [],
    "topk": ["--k", "6"],
    "batch-topk": ["--k", "6"],
    "matryoshka": ["--levels", "4,16,80"],
    "matryoshka-batch": ["--levels", "4,16,80", "--batch-levels"],
    "jump-relu": [],
    "prefix-matryoshka": ["--k", "6", "--levels", "20,80"],
}
OPTIONS = {"": [], "-rows": ["--normalise-rows"], "-cap": ["--soft-cap", "1.5"], "-value": ["--ranking", "value"]}
OPTIONS["-magnitude"] = ["--ranking", "magnitude", "--soft-cap", "0.5"]
failures = []
worst = {}


def msae(*arguments, refused=False):
    done = subprocess.run([MSAE, *map(str, arguments), "--quiet"], capture_output=True, text=True)
    if refused and done.returncode == 1:
        return None
    if done.returncode != 0:
        sys.exit(f"msae {' '.join(map(str, arguments))}: {done.stderr}")
    return done


def encoded(model, data, *point):
    msae("encode", model, "--data", data, "--out", "latents.h5", "--force", *point)
    with h5py.File("latents.h5") as file:
        indptr, indices, values = (file[name][:] for name in ("indptr", "indices", "values"))
    dense = np.zeros((ROWS, LATENTS), np.float32)
    dense[np.repeat(np.arange(ROWS), np.diff(indptr)), indices] = values
    return dense


def difference(ours, theirs):
    swapped = ((ours != 0) != (theirs != 0)).any(axis=1)
    error = np.abs(ours - theirs)[~swapped].max(initial=0)
    if swapped.any():
        error = max(error, np.abs(np.sort(ours[swapped]) - np.sort(theirs[swapped])).max())
    return float(error / max(np.abs(theirs).max(), 1e-30))


def note(what, name, error):
    worst[what] = max(worst.get(what, 0.0), error)
    if error > LIMIT:
        failures.append(f"{what}, {name}: {error:.2e}")


def reconstructed(latents, own):
    inner = latents.astype(np.float64) @ own["decoder"] + own["pre_bias"]
    return inner / own["scale"] + own["mean"]


def by_sae_lens(folder):
    sae = SAE.load_from_disk(folder)
    return sae.encode, sae.decode


def by_sparsify(folder):
    coder = SparseCoder.load_from_disk(folder)

    def encode(x):
        out = coder.encode(x)
        return torch.zeros(len(x), coder.num_latents).scatter_(1, out.top_indices, out.top_acts)

    return encode, lambda z: z @ coder.W_dec + coder.b_dec


def by_dictionary_learning(folder):
    with open(f"{folder}/config.json") as file:
        relu = json.load(file)["trainer"]["dict_class"] == "AutoEncoder"
    if relu:  # as it is: by default its decoder rows are brought to norm 1
        loaded = AutoEncoder.from_pretrained(f"{folder}/ae.pt", normalize_decoder=False)
    else:
        loaded = load_dictionary(folder, "cpu")[0]
    return loaded.encode, loaded.decode


PACKAGES = {"sae-lens": by_sae_lens, "sparsify": by_sparsify, "dictionary-learning": by_dictionary_learning}


def check_ours(name, kind, options, data, rows):
    run = f"runs/{name}"
    msae("train", data, "--out", run, "--model", kind.replace("matryoshka-batch", "matryoshka"), "--latents", LATENTS,
         "--steps", 60, "--batch-size", 100, *KINDS[kind], *options)
    msae("convert", run, f"{run}.safetensors", "--to", "safetensors")
    own = load_file(f"{run}.safetensors")
    latents = encoded(run, data)
    opened = []
    for package, load in PACKAGES.items():
        folder = f"{package}/{name}"
        if msae("convert", run, folder, "--to", package, refused=True) is None:
            continue
        try:
            encode, decode = load(folder)
        except Exception as error:  # SAELens, of an architecture that it has not
            assert options and package == "sae-lens", error
            continue
        opened.append(package)
        note(f"{package}: encode", name, difference(latents, encode(rows).numpy()))
        if not options:
            theirs = decode(torch.from_numpy(latents)).numpy()
            note(f"{package}: decode", name, difference(reconstructed(latents, own), theirs))
        again = encoded(folder, data)
        note(f"{package}: read back by msae", name, difference(latents, again))
    points = [[], ["--k", 3], ["--all"]] + ([["--level", 2]] if "matryoshka" in kind else [])
    for number, point in enumerate(points):
        graph = f"onnx/{name}-{number}.onnx"
        msae("convert", run, graph, "--to", "onnx", *point)
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        theirs = session.run(["latents"], {"embeddings": rows.numpy()})[0]
        note("onnxruntime: encode", name + " ".join(map(str, point)), difference(encoded(run, data, *point), theirs))
        one = session.run(["latents"], {"embeddings": rows.numpy()[:1]})[0]
        assert one.shape == (1, LATENTS)
    print(f"{name}: {', '.join(opened + ['onnx'])}; {(latents != 0).sum(1).mean():.1f} latents a row")


def random(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.ndim == 2 else 0.1))
        if hasattr(module, "threshold"):
            module.threshold.fill_(0.3)
    return module


def theirs():
    size = {"d_in": DIM, "d_sae": LATENTS}
    for name, sae in {"standard": StandardSAE(StandardSAEConfig(**size)), "topk": TopKSAE(TopKSAEConfig(k=6, **size)),
                      "jumprelu": JumpReLUSAE(JumpReLUSAEConfig(**size))}.items():
        random(sae).save_model(f"theirs/sae-lens-{name}")
        yield "sae-lens", f"theirs/sae-lens-{name}"
    coder = SparseCoder(DIM, SparseCoderConfig(num_latents=LATENTS, k=6))
    random(coder).save_to_disk("theirs/sparsify-topk")
    yield "sparsify", "theirs/sparsify-topk"
    for made in (AutoEncoder(DIM, LATENTS), AutoEncoderTopK(DIM, LATENTS, 6), BatchTopKSAE(DIM, LATENTS, 6),
                 MatryoshkaBatchTopKSAE(DIM, LATENTS, 6, [20, 60]), JumpReluAutoEncoder(DIM, LATENTS)):
        folder = f"theirs/dictionary-learning-{type(made).__name__}"
        os.makedirs(folder)
        torch.save(random(made).state_dict(), f"{folder}/ae.pt")
        with open(f"{folder}/config.json", "w") as file:
            json.dump({"trainer": {"dict_class": type(made).__name__, "k": 6}}, file)
        yield "dictionary-learning", folder


def weights(folder):
    if os.path.exists(f"{folder}/ae.pt"):
        return {key: value.numpy() for key, value in torch.load(f"{folder}/ae.pt", weights_only=True).items()}
    name = "sae.safetensors" if os.path.exists(f"{folder}/sae.safetensors") else "sae_weights.safetensors"
    return load_file(f"{folder}/{name}")


def check_theirs(package, folder, data, rows):
    encode, _ = PACKAGES[package](folder)
    note(f"{package}: its own model in msae", folder, difference(encoded(folder, data), encode(rows).numpy()))
    msae("convert", folder, folder + "-again", "--to", package)
    before, after = weights(folder), weights(folder + "-again")
    assert before.keys() == after.keys(), (before.keys(), after.keys())
    differing = []
    for key, tensor in before.items():
        assert tensor.shape == after[key].shape and tensor.dtype == after[key].dtype, (folder, key)
        if tensor.tobytes() != after[key].tobytes():
            differing.append(f"{key} by {np.abs(tensor - after[key]).max():.1e}")
            note(f"{package}: rounded on its way back", folder, difference(tensor[None], after[key][None]))
    print(f"{folder}: {'rounded: ' + ', '.join(differing) if differing else 'the same bits again'}")


def main():
    global MSAE
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    MSAE = os.path.abspath(sys.argv[1])
    folder = sys.argv[2] if len(sys.argv) == 3 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    os.makedirs("onnx"), os.makedirs("runs")
    torch.manual_seed(0)
    rows = torch.randn(ROWS, 8) @ torch.randn(8, DIM) * 0.3 + torch.randn(ROWS, DIM) * 0.1 + torch.randn(DIM)
    np.save("rows.npy", rows.numpy())
    with torch.no_grad():
        for kind in KINDS:
            for suffix, options in OPTIONS.items():
                if kind != "jump-relu" or "--ranking" not in options:
                    check_ours(kind + suffix, kind, options, "rows.npy", rows)
        for package, made in theirs():
            check_theirs(package, made, "rows.npy", rows)
    for package in ("sae-lens", "eai-sparsify", "dictionary-learning", "onnxruntime", "torch"):
        print(f"{package} {importlib.metadata.version(package)}")
    for what, error in sorted(worst.items()):
        print(f"{what}: largest difference {error:.1e} of the largest value")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
