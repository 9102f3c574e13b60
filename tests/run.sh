#!/usr/bin/env bash
# Passes the tests: sets up what is missing, builds everything, runs ctest.
#   ./tests/run.sh [--sanitize] [--werror] [--cuda]
#     --sanitize  the same under AddressSanitizer and UndefinedBehaviorSanitizer first
#     --werror    warnings of the compiler are errors
#     --cuda      with CUDA, even where no GPU is visible
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

usage() { sed -n '2,6s/^# \?//p' tests/run.sh; }

presets=(release)
cuda=
for option in "$@"; do
  case $option in
    --sanitize) presets=(dev "${presets[@]}") ;;
    --werror) cmake_options+=(-DMSAE_WARNINGS_AS_ERRORS=ON) ;;
    --cuda) presets[-1]=cuda cuda=cuda ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
done

setup $cuda
for preset in "${presets[@]}"; do
  build "$preset"
  ctest --preset "$preset" --parallel "$(build_jobs)"
done
