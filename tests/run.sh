#!/usr/bin/env bash
# Passes the tests: sets up what is missing, builds everything, runs ctest.
#   ./tests/run.sh [--lint] [--sanitize] [--werror] [--cuda]
#     --lint      first the style: clang-format, clang-tidy; and the tests of the documentation
#     --sanitize  the same under AddressSanitizer and UndefinedBehaviorSanitizer first
#     --werror    warnings of the compiler are errors
#     --cuda      with CUDA, even where no GPU is visible
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

usage() { sed -n '2,7s/^# \?//p' tests/run.sh; }

presets=(release)
tests=()  # arguments for ctest
lint=
cuda=
for option in "$@"; do
  case $option in
    --lint) lint=lint ;;
    --sanitize) presets=(dev "${presets[@]}") ;;
    --werror) cmake_options+=(-DMSAE_WARNINGS_AS_ERRORS=ON) ;;
    --cuda) presets[-1]=cuda cuda=cuda ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
done

setup $cuda $lint
if [ -n "$lint" ]; then source tests/lint.sh; fi
for preset in "${presets[@]}"; do
  build "$preset"
  ctest --preset "$preset" --parallel "$(build_jobs)" "${tests[@]}"
  tests=(--exclude-regex '^cli_errors$')  # what is refused is refused before anything that is optimised
done
