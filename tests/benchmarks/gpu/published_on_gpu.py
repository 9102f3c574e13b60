#!/usr/bin/env python3
"""Times training steps in PyTorch beside that of the CUDA engine, one after another on the same GPU.

    python3 tests/benchmarks/gpu/published_on_gpu.py CHECKOUT --ours gpu_benchmark --json steps.json

CHECKOUT has the published Python files (github.com/WolodjaZ/MSAE at c0bf439); its step is timed as it is, metrics off,
moved to the device. --ours is the command that starts gpu_benchmark (main.cpp beside this file says how to build it).
Needs torch 2.11 and numpy. Every step sees the same sizes, the same share of positive pre-activations, and batches that
take turns; it learns next to nothing, so that the share stays. Times are medians of CUDA events around whole steps:
loss, backward, projection, clipping, AdamW, unit norms.

The tuned steps minimise the same loss, and differ in how they choose the latents of a level: "topk per level" as
published, "one topk" by thresholds that one ranking gives for all levels. "hierarchical topk" is the plain PyTorch form
of arXiv 2505.24473: every number of latents up to K, from cumulative sums of gathered decoder rows; no level beyond K,
so it does less, or other, work than the levels. Peak memory is PyTorch's own, without the batches.
"""
import argparse
import contextlib
import gc
import importlib.util
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import types

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import published_step  # noqa: E402

HARDLY_ANY_LEARNING = 1e-9
WARM_UP_STEPS = 3
PAPER_SIZES = ["4096,768,6144,0.2", "4096,768,6144,0.5", "4096,768,24576,0.2", "4096,512,4096,0.5,64"]


# ---------------------------------------------------------------- the problem

class Size:
    """ROWS,DIM,LATENTS,ACTIVE for levels 64, 128, ... and all of them, or with K at the end a TopK."""

    def __init__(self, text):
        words = text.split(",")
        self.text, self.rows, self.dim, self.latents = text, *map(int, words[:3])
        self.active, self.k = float(words[3]), int(words[4]) if len(words) > 4 else 0
        self.levels = [self.k] if self.k else doubling_levels(self.latents)
        count = len(self.levels)
        self.weights = [(count - i) * 2 / (count * (count + 1)) for i in range(count)]

    def options(self):
        """Of gpu_benchmark."""
        kind = ["--k", self.k] if self.k else ["--levels", ",".join(map(str, self.levels))]
        return list(map(str, ["--rows", self.rows, "--dim", self.dim, "--latents", self.latents, "--active",
                              self.active, *kind]))

    def __str__(self):
        kind = f"topk of {self.k}" if self.k else f"matryoshka of {len(self.levels)} levels"
        return (f"{kind}, {self.rows} rows of dimension {self.dim}, {self.latents} latents, "
                f"{self.active:.0%} of the pre-activations positive")


def doubling_levels(latents):
    levels = [min(64, latents)]
    while levels[-1] < latents:
        levels.append(min(2 * levels[-1], latents))
    return levels


@torch.no_grad()
def draw(size, count, device):
    """Parameters by name, and batches."""
    generator = torch.Generator(device).manual_seed(42)
    batches = [torch.randn(size.rows, size.dim, generator=generator, device=device) for _ in range(count)]
    decoder = functional.normalize(torch.randn(size.latents, size.dim, generator=generator, device=device))
    encoder = 0.1 * decoder
    pre = (batches[0] @ encoder.t()).flatten().sort(descending=True).values
    bias = -pre[min(round(size.active * pre.numel()), pre.numel() - 1)]
    return {"encoder": encoder, "decoder": decoder, "latent_bias": bias.repeat(size.latents),
            "pre_bias": torch.zeros(size.dim, device=device)}, batches


# ---------------------------------------------------------------- the steps

class Published:
    def __init__(self, checkout, size, parameters, batch, device):
        args = types.SimpleNamespace(checkout=checkout, model="topk" if size.k else "matryoshka", k=size.k,
                                     levels=",".join(map(str, size.levels)), weights="reverse")
        if importlib.util.find_spec("tqdm") is None:  # the published files name it, the step has no use for it
            sys.modules["tqdm"] = types.SimpleNamespace(tqdm=lambda items, **_: items)
        with torch.device(device):
            self.inner = published_step.Step(args, {**parameters, "batch": batch})
        self.inner.restore()
        for group in self.inner.optimizer.param_groups:
            group["lr"] = HARDLY_ANY_LEARNING

    def __call__(self, batch):
        self.inner.batch = batch
        return self.inner()


def nmse(reconstruction, target, square):
    return ((reconstruction - target).float().square().mean(-1) / square).mean()


def decoded(latents, decoder, pre_bias):
    return latents @ decoder + pre_bias


def per_level(size, pre, decoder, pre_bias):
    for k in size.levels:
        latents = pre.relu()
        if k < size.latents:
            values, indices = pre.topk(k)
            latents = torch.zeros_like(pre).scatter(-1, indices, values.relu())
        yield decoded(latents, decoder, pre_bias)


def one_topk(size, pre, decoder, pre_bias):
    ranked = [k for k in size.levels if k < size.latents]
    values = pre.detach().topk(max(ranked), sorted=True).values if ranked else None
    for k in size.levels:
        latents = pre.relu()
        if k < size.latents:
            latents = torch.where(pre >= values[:, k - 1:k], latents, 0)
        yield decoded(latents, decoder, pre_bias)


class Tuned:
    """The same loss and optimiser, without metrics and with fused updates."""

    def __init__(self, size, parameters, form, autocast, device, compiled):
        self.size, self.form, self.autocast, self.device = size, form, autocast, device
        self.parameters = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=HARDLY_ANY_LEARNING, betas=(0.9, 0.999),
                                           eps=6.25e-10, weight_decay=0, fused=True)
        wrap = torch.compile if compiled else lambda function: function
        self.loss, self.project, self.unit = wrap(self.total_loss), wrap(self.projected), wrap(self.unit_rows)

    def total_loss(self, batch, encoder, decoder, latent_bias, pre_bias):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            square = batch.square().mean(-1)
            pre = functional.linear(batch - pre_bias, encoder, latent_bias)
            reconstructions = self.form(self.size, pre, decoder, pre_bias)
            return sum(w * nmse(r, batch, square) for w, r in zip(self.size.weights, reconstructions))

    @staticmethod
    def projected(decoder, gradient):
        return gradient - (gradient * decoder).sum(-1, keepdim=True) * decoder

    @staticmethod
    def unit_rows(decoder):
        return decoder / decoder.norm(dim=-1, keepdim=True)

    def __call__(self, batch):
        p = self.parameters
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batch, p["encoder"], p["decoder"], p["latent_bias"], p["pre_bias"])
        loss.backward()
        decoder = p["decoder"]
        with torch.no_grad():
            decoder.grad.copy_(self.project(decoder.detach(), decoder.grad))
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0, foreach=True)
        self.optimizer.step()
        with torch.no_grad():
            decoder.copy_(self.unit(decoder.detach()))
        return loss


class Hierarchical(Tuned):
    """Every k up to K: partial sums of the K latents, from the largest on."""

    def __init__(self, size, parameters, k, autocast, device, compiled):
        self.k = k
        super().__init__(size, parameters, None, autocast, device, compiled)

    def total_loss(self, batch, encoder, decoder, latent_bias, pre_bias):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            square = batch.square().mean(-1, keepdim=True)
            values, indices = functional.linear(batch - pre_bias, encoder, latent_bias).topk(self.k, sorted=True)
            parts = values.relu().unsqueeze(-1) * functional.embedding(indices, decoder)  # [rows, k, dim]
            return nmse(parts.cumsum(1) + pre_bias, batch.unsqueeze(1), square)


# ---------------------------------------------------------------- time and memory

def times_of(step, batches, repeats, device):
    """Milliseconds of each step."""
    for i in range(WARM_UP_STEPS):
        step(batches[i % len(batches)])
    if device == "cpu":  # to try this script where there is no GPU
        marks = [time.perf_counter()]
        for i in range(repeats):
            step(batches[i % len(batches)])
            marks.append(time.perf_counter())
        return [1e3 * (b - a) for a, b in zip(marks, marks[1:])]
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for i in range(repeats):
        step(batches[i % len(batches)])
        marks[i + 1].record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]


def free(device):
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()


def measure(name, make, batches, args):
    """One line of the table. A step that does not fit says so."""
    free(args.device)
    on_gpu = args.device != "cpu"
    before = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    found = {"name": name}
    try:
        step = make()
        all_ms = times_of(step, batches, args.steps, args.device)
        found |= {"ms": statistics.median(all_ms), "least_ms": min(all_ms), "most_ms": max(all_ms),
                  "loss": float(step(batches[0]).detach())}
        if on_gpu:
            found["peak_mb"] = (torch.cuda.max_memory_allocated() - before) / 1e6
    except torch.OutOfMemoryError:
        found["failed"] = "out of memory"
    except Exception as error:  # of a compiler, say: the others are worth their time
        found["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:100]
    print(f"{found.get('ms', float('nan')):9.3f} ms  {name}  {found.get('failed', '')}", file=sys.stderr, flush=True)
    return found


@contextlib.contextmanager
def float32_products(precision):
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


def measure_peers(size, args):
    parameters, batches = draw(size, args.batches, args.device)
    found = []

    def add(name, precision, make):
        with float32_products(precision):
            found.append(measure(name, make, batches, args))

    def published():
        return Published(args.checkout, size, parameters, batches[0], args.device)

    add("published, float32", "highest", published)
    add("published, TF32", "high", published)
    forms = {"topk per level": per_level, "one topk": one_topk}
    for label, autocast in (("TF32", False), ("bf16 autocast", True)):
        eager = {}
        for form, function in forms.items():
            name = f"tuned, {form}, {label}"
            add(name, "high", lambda f=function: Tuned(size, parameters, f, autocast, args.device, False))
            eager[form] = found[-1].get("ms", float("inf"))
        compiled = {"none": [], "best": [min(eager, key=eager.get)], "all": list(forms)}[args.compile]
        for form in compiled:
            torch._dynamo.reset()
            add(f"tuned, {form}, {label}, compiled", "high",
                lambda f=forms[form]: Tuned(size, parameters, f, autocast, args.device, True))
    k = size.k or args.hierarchical_k
    for label, autocast in (("TF32", False), ("bf16 autocast", True)):
        add(f"hierarchical topk up to {k}, {label}", "high",
            lambda: Hierarchical(size, parameters, k, autocast, args.device, False))
    return found


def measure_ours(size, args, first):
    """What gpu_benchmark reports of this size, by precision."""
    free(args.device)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "ours.json"
        command = [*shlex.split(args.ours), *size.options(), "--precision", "bf16,tf32,float32", "--json", str(file)]
        if not first:
            command.append("--no-check")
        status = subprocess.run(command).returncode
        if status:
            sys.exit(f"{shlex.join(command)} failed with exit code {status}.")
        return json.loads(file.read_text())


# ---------------------------------------------------------------- report

def lines_of(ours):
    return [{"name": f"msae, {size['precision']}", "ms": size["engine_ms"], "floor_ms": size["floor_ms"],
             "peak_mb": size["peak_bytes"] / 1e6} for size in ours.get("sizes", [])]


def print_table(size, lines):
    own = {line["name"]: line["ms"] for line in lines if line["name"].startswith("msae")}
    columns = [name for name in ("msae, bf16", "msae, tf32") if name in own]
    print(f"\n{size}, a step")
    print(f"{'ms':>9}  {'peak MB':>8}" + "".join(f"  {'x ' + name:>12}" for name in columns))
    for line in lines:
        if "failed" in line:
            print(f"{'-':>9}  {'-':>8}" + f"  {'-':>12}" * len(columns) + f"  {line['name']}: {line['failed']}")
            continue
        ratios = "".join(f"  {line['ms'] / own[name]:12.2f}" for name in columns)
        print(f"{line['ms']:9.3f}  {line.get('peak_mb', 0):8.0f}{ratios}  {line['name']}")
    sys.stdout.flush()


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkout", metavar="CHECKOUT", help="folder with the published files")
    p.add_argument("--ours", metavar="COMMAND", help="what starts gpu_benchmark; none: PyTorch alone")
    p.add_argument("--size", type=Size, action="append", metavar="ROWS,DIM,LATENTS,ACTIVE[,K]",
                   help=f"may be given several times [{' '.join(PAPER_SIZES)}]")
    p.add_argument("--steps", type=int, default=20, help="that are timed, of each [20]")
    p.add_argument("--batches", type=int, default=8, help="that take turns [8]")
    p.add_argument("--compile", choices=["none", "best", "all"], default="best",
                   help="which tuned steps to time by torch.compile too: the faster form of each precision [best]")
    p.add_argument("--hierarchical-k", type=int, default=64, help="K of hierarchical topk beside levels [64]")
    p.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try this script [cuda]")
    p.add_argument("--json", metavar="FILE", help="write what was found as JSON")
    args = p.parse_args()
    args.size = args.size or [Size(text) for text in PAPER_SIZES]
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch sees no CUDA device.")
    return args


def main():
    args = parse()
    device = torch.cuda.get_device_name() if args.device == "cuda" else "CPU"
    report = {"device": device, "torch": torch.__version__, "steps": args.steps, "sizes": []}
    print(f"{device}, torch {torch.__version__}, medians of {args.steps} steps")
    for number, size in enumerate(args.size):
        ours = measure_ours(size, args, first=number == 0) if args.ours else {}
        lines = lines_of(ours) + measure_peers(size, args)
        report["sizes"].append({"size": size.text, "steps": lines, "ours": ours})
        print_table(size, lines)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
