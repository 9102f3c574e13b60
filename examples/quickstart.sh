#!/usr/bin/env bash
# From nothing to an evaluated sparse autoencoder: sets up what is missing, builds program and library, makes
# embeddings whose concepts are known, trains on them and shows what was found. Files go to quickstart/.
#   ./examples/quickstart.sh [--cuda]
#     --cuda  with CUDA, even where no GPU is visible
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

usage() { sed -n '2,5s/^# \?//p' examples/quickstart.sh; }

# A dictionary twice the size of the truth, and levels around the dozen concepts that a row holds.
train_options=(--latents 512 --levels 16,32 --epochs 40 --batch-size 500)

preset=release
cuda=
case ${1:-} in
  '') ;;
  --cuda) preset=cuda cuda=cuda ;;
  --help) usage; exit ;;
  *) usage >&2; exit 2 ;;
esac

# Shows a command as one could type it, and runs it.
run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

setup $cuda
build "$preset" installable

msae=build/$preset/msae
file=quickstart/embeddings.h5
rm -rf "$file" quickstart/run
mkdir -p quickstart
run "$msae" synth "$file"
run "$msae" train "$file:/embeddings" "${train_options[@]}" --out quickstart/run
run "$msae" eval quickstart/run --data "$file:/embeddings" --truth "$file"
