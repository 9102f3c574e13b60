"""Calls of the program, for the acceptance scripts beside."""
import subprocess


def msae(*arguments):
    """What it prints; its message where it fails."""
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout
