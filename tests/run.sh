#!/usr/bin/env bash
# Passes the tests: sets up what is missing, builds everything, runs ctest.
#   ./tests/run.sh [--lint] [--sanitize] [--werror] [--cuda]
#     --lint      first the style: clang-format, clang-tidy; and the tests of the documentation
#     --sanitize  under AddressSanitizer and UndefinedBehaviorSanitizer first; then, optimised, what trains and how program
#                 and library are used: with all suites twice it would take half as long again
#     --werror    warnings of the compiler are errors
#     --cuda      with CUDA, even where no GPU is visible
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source cmake/setup.sh

usage() { sed -n '2,8s/^# \?//p' tests/run.sh; }

presets=(release)
left_out_of_dev= left_out=  # suites
lint=
cuda=
for option in "$@"; do
  case $option in
    --lint) lint=lint ;;
    --sanitize)
      presets=(dev "${presets[@]}")
      left_out_of_dev='cli|linking|lite_library'
      left_out='core|models|data|eval|io|lite|concepts|cli_concepts|cli_errors|cuda_emulation'
      ;;
    --werror) cmake_options+=(-DMSAE_WARNINGS_AS_ERRORS=ON) ;;
    --cuda) presets[-1]=cuda cuda=cuda ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
done

setup $cuda $lint
if [ -n "$lint" ]; then source tests/lint.sh; fi
for preset in "${presets[@]}"; do
  suites=$left_out
  if [ "$preset" = dev ]; then suites=$left_out_of_dev; fi
  cmake_options+=("-DMSAE_SUITES_LEFT_OUT=${suites//|/;}")  # the last one counts
  build "$preset"
  ctest --preset "$preset" --parallel "$(build_jobs)" --exclude-regex "^($suites)$"
done
