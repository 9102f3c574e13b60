#!/usr/bin/env python3
"""Lets the disk fill up while a training run saves, makes room, and resumes it.

    full_disk.py MSAE [--megabytes 24]

The run lies on a tmpfs of its own, which takes the right to mount one (root). After the first saved states a
second file takes what is left. The run must then end with exit 1 and one sentence, hold a state that the
program reads, and, once there is room, end with the bits of a run that was left alone. The same is done by a
limit on the size of files (RLIMIT_FSIZE), which takes no rights.
"""
import argparse
import contextlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from kill_and_resume import metrics, tensors

OPTIONS = ["--latents", "2048", "--steps", "600", "--batch-size", "256", "--save-every", "5steps", "--log-every", "5",
           "--threads", "1"]


@contextlib.contextmanager
def small_disk(folder, megabytes):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def start(msae, data, run, *more):
    return subprocess.Popen([msae, "train", data, "--out", run, *OPTIONS, "--quiet", *more], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def wait_for_states(run, process):
    while not (run / "state" / "previous.safetensors").exists():
        if process.poll() is not None:
            sys.exit(f"ended too early: {process.stderr.read()}")
        time.sleep(0.01)


def fill(folder):
    """Takes all the room there is, until the run has met it."""
    with open(folder / "filler", "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))


def check(what, msae, data, run, process, alone, make_room):
    error = process.communicate()[1].strip()
    print(f"{what}: exit {process.returncode}, says: {error}")
    told = subprocess.run([msae, "info", run], capture_output=True, text=True)
    make_room()
    resumed = start(msae, data, run, "--resume")
    resumed_error = resumed.communicate()[1].strip()
    same = (resumed.returncode == 0
            and tensors(run / "sae_weights.safetensors") == tensors(alone / "sae_weights.safetensors")
            and metrics(run / "metrics.csv") == metrics(alone / "metrics.csv"))
    left = [path.name for path in run.rglob("*.tmp")]
    print(f"  msae info: exit {told.returncode}; resumed: exit {resumed.returncode} {resumed_error}; "
          f"{'identical' if same else 'DIFFERENT'} to the run left alone; temporaries left: {left}")
    return process.returncode == 1 and error.count("\n") == 0 and told.returncode == 0 and same and not left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("msae")
    parser.add_argument("--megabytes", type=int, default=24)
    a = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = folder / "data.h5"
        subprocess.run([a.msae, "synth", data, "--rows", "20000", "--dim", "64", "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        data = f"{data}:/embeddings"
        alone = folder / "alone"
        if start(a.msae, data, alone).wait() != 0:
            sys.exit("the run left alone failed")

        with small_disk(folder / "disk", a.megabytes) as disk:
            process = start(a.msae, data, disk / "run")
            wait_for_states(disk / "run", process)
            fill(disk)
            good &= check("full tmpfs", a.msae, data, disk / "run", process, alone, (disk / "filler").unlink)

        run = folder / "limited"
        process = start(a.msae, data, run)
        wait_for_states(run, process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        good &= check("files of at most 100 kB", a.msae, data, run, process, alone, lambda: None)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    os.environ["OMP_WAIT_POLICY"] = "passive"
    main()
