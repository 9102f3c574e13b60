#!/usr/bin/env python3
"""Times a training step of `msae bench` beside the published Python one and other Python trainers, in turns.

    against_published.py MSAE --published REPOSITORY [--python PYTHON] [--env "NAME=VALUE ..."] [--json FILE]
    against_published.py MSAE --model topk --dim 512 --latents 4096 --peer "NAME=COMMAND" [--peer ...]

REPOSITORY is a git repository of github.com/WolodjaZ/MSAE; its step is timed with the metrics off, on the parameters
and the batch that `msae bench` writes, which are put back before every step. PYTHON has torch, numpy and tqdm. Every
--env adds the published step once more, in a process with these variables. A COMMAND is run once per round with the
same number of threads in OMP_NUM_THREADS; it times steps on rows of its own, of the same sizes, and the last line it
prints is their milliseconds or a JSON object with them as "ms".

Every round runs msae, then one step of each published process, then each peer, so that what else the machine does
meets all of them alike; the table has the medians over the rounds. Peak memory is the largest resident set of the
process, with what it needs before its first step.
"""
import argparse
import contextlib
import filecmp
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

WORKER = pathlib.Path(__file__).with_name("published_step.py")


# ---------------------------------------------------------------- what is timed

def doubling_levels(latents):
    levels = [min(64, latents)]
    while levels[-1] < latents:
        levels.append(min(2 * levels[-1], latents))
    return levels


def model_options(args):
    if args.model == "topk":
        return ["--model", "topk", "--k", str(args.k)]
    return ["--model", "matryoshka", "--levels", args.levels, "--weights", args.weights]


def bench_command(args):
    options = ["--rows", args.rows, "--dim", args.dim, "--latents", args.latents, "--engine", args.engine,
               "--repeats", args.repeats, "--threads", args.threads, "--json", "-"]
    if args.active is not None:
        options += ["--active", args.active]
    return [args.msae, "bench", *model_options(args), *map(str, options), *shlex.split(args.bench)]


def environment(args, extra):
    return {**os.environ, "OMP_NUM_THREADS": str(args.threads), **extra}


def assignments(text):
    """The variables of "NAME=VALUE ..."."""
    pairs = [word.partition("=") for word in shlex.split(text)]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise argparse.ArgumentTypeError(f"'{text}' is not NAME=VALUE, or several of them with spaces between")
    return {name: value for name, _, value in pairs}


def named_command(text):
    name, equals, command = text.partition("=")
    if not name or not equals or not command.strip():
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=COMMAND")
    return name, shlex.split(command)


# ---------------------------------------------------------------- processes

def last_line(text):
    lines = text.strip().splitlines()
    return lines[-1] if lines else "(it printed nothing)"


def start(command, env, **streams):
    try:
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, **streams)
    except OSError as error:
        sys.exit(f"{command[0]} does not start: {error.strerror}.")


def run(command, env):
    """What the command prints, and its peak memory in MB."""
    with tempfile.TemporaryFile("w+") as errors:
        process = start(command, env, stderr=errors)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{shlex.join(command)} failed with exit code {process.returncode}: {last_line(errors.read())}")
    return text, usage.ru_maxrss / 1024


class Subject:
    """Something with a step: its name and what the rounds measured."""

    def __init__(self, name, **facts):
        self.name, self.facts, self.ms, self.peak_mb = name, facts, [], 0

    def add(self, ms, peak_mb):
        self.ms.append(ms)
        self.peak_mb = max(self.peak_mb, peak_mb)

    def close(self):
        pass


class Msae(Subject):
    def __init__(self, args):
        super().__init__(f"msae, {args.engine}")
        self.command, self.env, self.report = bench_command(args), environment(args, {}), {}

    def bench(self, *options):
        text, peak_mb = run(self.command + list(options), self.env)
        try:
            self.report = json.loads(text)
            return self.report["engines"][0]["step_ms"], peak_mb
        except (ValueError, KeyError, IndexError):
            sys.exit(f"{shlex.join(self.command)} printed no JSON report with the step of an engine.")

    def write_problem(self, file):
        self.bench("--problem", str(file))

    def step(self):
        self.add(*self.bench())


class Published(Subject):
    """A Python process that keeps the published model and takes a step when asked."""

    def __init__(self, args, checkout, problem, variables):
        text = " ".join(f"{name}={value}" for name, value in variables.items())
        super().__init__(f"published, {text}" if text else "published, as installed", environment=text)
        command = [args.python, str(WORKER), str(checkout), str(problem), *model_options(args)]
        self.process = start(command, environment(args, variables), stdin=subprocess.PIPE)
        self.facts.update(self.answer())
        if self.facts["threads"] != args.threads:
            sys.exit(f"{self.name}: its step uses {self.facts['threads']} threads, not {args.threads}.")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: its process ended with exit code {self.process.wait()}; what it said is above.")
        return json.loads(line)

    def step(self):
        with contextlib.suppress(BrokenPipeError):  # answer() then says that it ended
            print("step", file=self.process.stdin, flush=True)
        answer = self.answer()
        if answer["busy_after"] > 0.2:
            sys.exit(f"{self.name}: its threads keep a core busy between its steps, where the others are timed.")
        self.add(answer["ms"], answer["peak_mb"])

    def close(self):
        self.process.communicate()


class Peer(Subject):
    def __init__(self, args, name, command):
        super().__init__(name, command=shlex.join(command))
        self.command, self.env = command, environment(args, {})

    def step(self):
        text, peak_mb = run(self.command, self.env)
        line = last_line(text)
        try:
            value = json.loads(line)
            self.add(float(value["ms"] if isinstance(value, dict) else value), peak_mb)
        except (ValueError, KeyError, TypeError):
            sys.exit(f"{self.name}: its last line is neither milliseconds nor a JSON object with \"ms\": {line}")


def unpack(repository, commit, folder):
    """The published Python files at that commit."""
    archive = subprocess.run(["git", "-C", repository, "archive", commit, "--", ":(glob)*.py"], capture_output=True)
    if archive.returncode:
        sys.exit(f"{repository} has no {commit} that git could unpack: {last_line(archive.stderr.decode())}")
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)


# ---------------------------------------------------------------- rounds

def check_same_problem(msae, published):
    """That the parameters and the batch arrived: both see the same share of the pre-activations above zero."""
    ours, theirs = msae.report["active_fraction"], published.facts["active_fraction"]
    if abs(ours - theirs) > 1e-3:
        sys.exit(f"{published.name}: {theirs:.2%} of its pre-activations are positive, but {ours:.2%} of msae's.")


def measure(args, folder, closing):
    msae, subjects, problem = Msae(args), [], folder / "problem.safetensors"
    if args.published:
        msae.write_problem(problem)
        unpack(args.published, args.commit, folder)
        for variables in ([] if args.only_env else [{}]) + args.env:
            subjects.append(closing.enter_context(contextlib.closing(Published(args, folder, problem, variables))))
            check_same_problem(msae, subjects[-1])
    subjects += [Peer(args, name, command) for name, command in args.peer]
    for number in range(1, args.rounds + 1):
        for subject in (msae, *subjects):
            subject.step()
            if not args.quiet:
                print(f"round {number}: {subject.ms[-1]:9.1f} ms  {subject.name}", file=sys.stderr, flush=True)
    if args.published:
        again = folder / "again.safetensors"
        msae.write_problem(again)
        if not filecmp.cmp(problem, again, shallow=False):
            sys.exit("msae bench does not time the same problem every time.")
    return msae, subjects


# ---------------------------------------------------------------- report

def processor():
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown"


def result(subject, msae):
    median = statistics.median(subject.ms)
    return {"name": subject.name, "ms": median, "least_ms": min(subject.ms), "most_ms": max(subject.ms),
            "times_msae": median / statistics.median(msae.ms), "peak_mb": round(subject.peak_mb), **subject.facts,
            "all_ms": subject.ms}


def report(args, load, msae, subjects):
    model = {"k": args.k} if args.model == "topk" else {"levels": args.levels, "weights": args.weights}
    return {"model": args.model, **model, "rows": args.rows, "dim": args.dim, "latents": args.latents,
            "active_fraction": msae.report["active_fraction"], "threads": args.threads, "processor": processor(),
            "load_before": load, "rounds": args.rounds, "repeats": args.repeats,
            "results": [result(s, msae) for s in (msae, *subjects)]}


def print_table(found):
    print(f"{found['model']}, {found['rows']} rows of dimension {found['dim']}, {found['latents']} latents, "
          f"{found['active_fraction']:.1%} of the pre-activations positive")
    print(f"{found['processor']}, {found['threads']} threads, medians of {found['rounds']} rounds; "
          f"load average before them: {found['load_before']:.1f}")
    print(f"{'ms':>9}  {'least':>9}  {'most':>9}  {'x msae':>7}  {'peak MB':>8}  step")
    for r in found["results"]:
        print(f"{r['ms']:9.1f}  {r['least_ms']:9.1f}  {r['most_ms']:9.1f}  {r['times_msae']:7.2f}  {r['peak_mb']:8}  "
              f"{r['name']}")


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("msae", metavar="MSAE", help="the program")
    p.add_argument("--model", choices=["matryoshka", "topk"], default="matryoshka", help="[matryoshka]")
    p.add_argument("--rows", type=positive, default=4096, help="rows of the batch [4096]")
    p.add_argument("--dim", type=positive, default=768, help="[768]")
    p.add_argument("--latents", type=positive, default=6144, help="[6144]")
    p.add_argument("--active", type=float, help="share of the pre-activations that are positive [as initialised]")
    p.add_argument("--levels", help="of matryoshka, with commas [64, doubling, up to all latents]")
    p.add_argument("--weights", choices=["uniform", "reverse"], default="reverse", help="of the levels [reverse]")
    p.add_argument("--k", type=positive, default=64, help="of topk [64]")
    p.add_argument("--engine", default="fused", help="of msae [fused]")
    p.add_argument("--bench", default="", metavar="OPTIONS", help="more options of `msae bench`, in one argument")
    p.add_argument("--threads", type=positive, default=len(os.sched_getaffinity(0)), help="of every step [all cores]")
    p.add_argument("--rounds", type=positive, default=10, help="[10]")
    p.add_argument("--repeats", type=positive, default=3, help="steps of msae per round, which give their median [3]")
    p.add_argument("--published", metavar="REPOSITORY", help="git repository of the published code")
    p.add_argument("--commit", default="c0bf439", help="of the published code [c0bf439]")
    p.add_argument("--python", default=sys.executable, help="interpreter of the published step [this one]")
    p.add_argument("--env", type=assignments, action="append", default=[], metavar="'NAME=VALUE ...'",
                   help="time the published step with these variables too; may be given several times")
    p.add_argument("--only-env", action="store_true", help="leave out the published step as installed")
    p.add_argument("--peer", type=named_command, action="append", default=[], metavar="NAME=COMMAND",
                   help="another trainer; may be given several times")
    p.add_argument("--quiet", action="store_true", help="do not print every round")
    p.add_argument("--json", metavar="FILE", help="write what was found as JSON")
    args = p.parse_args()
    if not args.published and not args.peer:
        p.error("nothing to compare with: give --published or --peer")
    if not args.published and (args.env or args.only_env):
        p.error("--env and --only-env are of the published step: give --published")
    args.levels = args.levels or ",".join(map(str, doubling_levels(args.latents)))
    return args


def main():
    args = parse()
    load = os.getloadavg()[0]  # beyond a few tenths, others compute too: Python's threads then suffer most
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as closing:
        found = report(args, load, *measure(args, pathlib.Path(folder), closing))
    print_table(found)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
