#!/usr/bin/env python3
"""Takes the published training step, metrics off, whenever a line arrives; against_published.py starts it.

    published_step.py CHECKOUT PROBLEM.safetensors --model matryoshka --levels 64,128,... --weights reverse
    published_step.py CHECKOUT PROBLEM.safetensors --model topk --k 64

CHECKOUT has the published files, PROBLEM what `msae bench --problem` wrote. After two steps to warm up it prints a JSON
object about the problem, then for every line of standard input one with the milliseconds of a step, the peak memory and
the cores that its threads keep busy after it.
"""
import argparse
import dataclasses
import json
import os
import resource
import sys
import time

import torch

WARM_UP_STEPS = 2


def read_problem(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    if any(entry["dtype"] != "F32" for entry in header.values()):
        sys.exit(f"{path}: its tensors are not all of 32-bit floats.")
    return {name: torch.frombuffer(data, dtype=torch.float32, offset=entry["data_offsets"][0],
                                   count=torch.Size(entry["shape"]).numel()).reshape(entry["shape"]).clone()
            for name, entry in header.items()}


def configuration(config, args, latents, dim):
    if args.model == "topk":
        c = config.get_config("TopKSAE")
        c.model.activation = f"TopKReLU_{args.k}"
    else:
        c = config.get_config("MSAE_RW" if args.weights == "reverse" else "MSAE_UW")
        c.model.nesting_list = [int(level) for level in args.levels.split(",")]
        count = len(c.model.nesting_list)
        c.model.relative_importance = [count - i if args.weights == "reverse" else 1.0 for i in range(count)]
    c.model.n_latents, c.model.n_inputs = latents, dim
    return c


class Step:
    def __init__(self, args, problem):
        sys.path.insert(0, os.path.abspath(args.checkout))
        import config
        import loss
        import sae

        latents, dim = problem["encoder"].shape
        c = configuration(config, args, latents, dim)
        nested = args.model == "matryoshka"
        self.model = (sae.MatryoshkaAutoencoder if nested else sae.Autoencoder)(**dataclasses.asdict(c.model)).train()
        self.loss = loss.SAELoss(c.loss.reconstruction_loss, c.loss.sparse_loss, c.loss.sparse_weight, torch.zeros(dim))
        t = c.training
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=t.lr, betas=(t.beta1, t.beta2), eps=t.eps,
                                           weight_decay=t.weight_decay)
        self.clip, self.batch = t.clip_grad, problem["batch"]
        self.values = {**problem, "encoder": problem["encoder"].t().contiguous()}

    @torch.no_grad()
    def restore(self):
        for name, parameter in self.model.named_parameters():
            parameter.data.copy_(self.values[name])

    @torch.no_grad()
    def active_fraction(self):
        return float((self.model.encode_pre_act(self.batch) > 0).float().mean())

    def total_loss(self, reconstructions, latents):
        if not isinstance(reconstructions, list):
            return self.loss(reconstructions, self.batch, latents)[0]
        # The sparse part has no weight here; the published loop computes it all the same, at a cost left out.
        weights = self.model.relative_importance
        parts = [self.loss.reconstruction_loss_fn(r, self.batch, self.loss.mean_input) for r in reconstructions]
        return sum(weight * part for weight, part in zip(weights, parts)) / sum(weights)

    def __call__(self):
        self.optimizer.zero_grad()
        reconstructions, latents, _, _ = self.model(self.batch)
        total = self.total_loss(reconstructions, latents)
        total.backward()
        self.model.scale_to_unit_norm()
        self.model.project_grads_decode()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return total

    def timed(self):
        self.restore()
        start = time.perf_counter()
        self()
        return 1e3 * (time.perf_counter() - start)


def busy_after_step(settle=0.5, watched=0.2):
    """Cores that this process keeps busy although it has nothing to do, once its threads had time to fall asleep."""
    time.sleep(settle)
    start = time.process_time()
    time.sleep(watched)
    return (time.process_time() - start) / watched


def tell(**facts):
    print(json.dumps(facts), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkout", metavar="CHECKOUT")
    p.add_argument("problem", metavar="PROBLEM")
    p.add_argument("--model", choices=["matryoshka", "topk"], required=True)
    p.add_argument("--levels")
    p.add_argument("--weights", choices=["uniform", "reverse"])
    p.add_argument("--k", type=int)
    args = p.parse_args()
    step = Step(args, read_problem(args.problem))
    step.restore()
    active = step.active_fraction()
    first_loss = float(step().detach())
    for _ in range(WARM_UP_STEPS - 1):
        step.timed()
    tell(loss=first_loss, active_fraction=active, threads=torch.get_num_threads(), torch=torch.__version__)
    for _ in sys.stdin:
        ms = step.timed()
        tell(ms=ms, peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, busy_after=busy_after_step())


if __name__ == "__main__":
    main()
