#!/usr/bin/env bash
# Builds the CUDA kernels and their tests for the CPU (see emulation/emulation.h), without CMake, CUDA and LibTorch, and
# runs them.
#   ./tests/kernels/cuda/run.sh native    as they are
#   ./tests/kernels/cuda/run.sh asan      under AddressSanitizer and UndefinedBehaviorSanitizer
#   ./tests/kernels/cuda/run.sh tsan      under ThreadSanitizer
# The sanitizers also have to find faults that were planted for them. CXX names another compiler, JOBS how many of it run
# at a time, HIGHWAY a folder with include/hwy and lib; more arguments go to the tests, e.g. --gtest_filter=Select*.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

usage() { sed -n '2,8s/^# \?//p' tests/kernels/cuda/run.sh; }

mode=${1:-}
arguments=("${@:2}")
here=tests/kernels/cuda
build=build/kernels-cuda-$mode
plain=build/kernels-cuda-native  # what no sanitizer has to see is built once
this=$here/run.sh
source tests/kernels/building.sh
flags+=(-Wno-unknown-pragmas)
emulated=("-I$here/emulation" -Isrc -Itests)
sanitized=()
faults=()  # planted, and what their reports say
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}" TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}"
case $mode in
  native) ;;
  asan)
    sanitized=(-O1 -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    faults=(bounds heap-buffer-overflow bounds_of_shared heap-buffer-overflow bounds_of_own stack-buffer-overflow
            alignment "misaligned address")
    ;;
  tsan)
    sanitized=(-O1 -fsanitize=thread)
    for fault in race race_of_{rounds,lanes,blocks}; do faults+=("$fault" "data race"); done
    ;;
  *) usage >&2; exit 2 ;;
esac
CXX=${CXX:-g++}
mkdir -p "$build" "$plain"
require_tools g++

# One at a time builds.
exec 9> "$plain/lock"
flock 9

for source in src/kernels/cpu/*.cpp; do
  compile "$source" "$plain/cpu_$(basename "$source" .cpp).o" -Isrc
done
compile_gtest "$plain/gtest.o"
for source in "$here"/emulation/*.cpp; do
  compile "$source" "$build/$(basename "$source" .cpp).o" "${emulated[@]}" "${sanitized[@]}"
done
# What calls cuBLAS is not for the CPU.
mapfile -t sources < <(grep -L '<cublas' src/kernels/cuda/*.{cu,cpp})
for source in "${sources[@]}"; do
  compile "$source" "$build/cuda_$(basename "$source").o" "${emulated[@]}" "${sanitized[@]}" -x c++
done
for source in "$here"/{main,*_test}.cpp; do
  compile "$source" "$build/$(basename "$source" .cpp).o" "${emulated[@]}" "${sanitized[@]}" -isystem "$gtest/include"
done
flags+=("${sanitized[@]}")
link "$build/tests"
flock -u 9

"$build/tests" --gtest_brief=1 "${arguments[@]}"

for ((i = 0; i < ${#faults[@]}; i += 2)); do
  name=${faults[i]} said=${faults[i + 1]} log=$build/planted_${faults[i]}
  if "$build/tests" --planted "$name" > "$log" 2>&1 || ! grep -q "$said" "$log"; then
    cat "$log" >&2
    echo "the planted fault $name has not been found" >&2
    exit 1
  fi
  echo "found the planted $name"
done
