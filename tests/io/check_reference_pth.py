#!/usr/bin/env python3
"""Opens a .pth file of msae with PyTorch, as the published code does, and compares it with the model's own tensors.

  check_reference_pth.py MODEL.pth MODEL.safetensors [MSAE]

MODEL.safetensors is what `msae convert RUN MODEL.safetensors --to safetensors` wrote of the same model. MSAE, a checkout of
github.com/WolodjaZ/MSAE, adds a check that its own load_model() takes the file; MODEL.pth then needs the name that
`msae convert RUN FOLDER --to reference` gives it. Exits with 1 unless every tensor is equal, bit for bit. Needs torch and
numpy alone.
"""

import collections
import json
import os
import sys

import torch

TYPES = {"F32": torch.float32, "F64": torch.float64}


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=TYPES[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
    }


def load_as_published(path):
    """As the published scripts call it, and as torch.load is safe by default since 2.6."""
    loaded = [torch.load(path, weights_only=safe) for safe in (False, True)]
    loaded.append(torch.load(path, weights_only=False, mmap=True))
    for other in loaded[1:]:
        assert all(torch.equal(other["model"][name], tensor) for name, tensor in loaded[0]["model"].items())
    return loaded[0]


def check(loaded, ours):
    state = loaded["model"]
    latents, dim = ours["encoder"].shape
    assert list(loaded) == ["model", "mean_center", "scaling_factor", "target_norm"], list(loaded)
    assert isinstance(state, collections.OrderedDict)
    assert list(state) == ["pre_bias", "encoder", "latent_bias", "decoder", "latents_activation_frequency"]
    assert state["encoder"].stride() == (1, dim) and state["decoder"].is_contiguous()
    assert torch.equal(state["encoder"], ours["encoder"].t())
    for name in ("decoder", "latent_bias", "pre_bias"):
        assert torch.equal(state[name], ours[name]), name
    assert torch.equal(loaded["mean_center"], ours["mean"])
    assert loaded["scaling_factor"] == ours["scale"].item()
    assert state["latents_activation_frequency"].dtype == torch.int64
    assert state["latents_activation_frequency"].shape == (latents,)


def check_published_loader(path, code, ours):
    sys.path.insert(0, code)
    import sae

    # Its own torch.load call is the one of 2.2, whose default was weights_only=False.
    model, mean, scale, _ = sae.load_model(path)
    assert torch.equal(model.encoder, ours["encoder"].t().to(model.encoder.dtype))
    assert torch.equal(mean, ours["mean"]) and scale == ours["scale"].item()
    x = ours["mean"] + torch.randn(5, len(mean), dtype=model.encoder.dtype)
    print("latents of its encode():", sae.SAE(path).encode(x)[0].count_nonzero(dim=1).tolist(), "above zero per row")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    ours = read_safetensors(sys.argv[2])
    check(load_as_published(sys.argv[1]), ours)
    if len(sys.argv) == 4:
        check_published_loader(os.path.abspath(sys.argv[1]), sys.argv[3], ours)
    print(f"torch {torch.__version__}: equal")


if __name__ == "__main__":
    main()
