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
gtest=${GTEST:-/usr/src/googletest/googletest}
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-restrict -Wno-unknown-pragmas)
flags=(-std=c++20 -O2 -g1 "${warnings[@]}")
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
jobs=${JOBS:-$(nproc)}
mkdir -p "$build" "$plain"

missing() { echo "$1 is missing: $2" >&2; exit 1; }
command -v "$CXX" > "$build/which" || missing "$CXX" "apt-get install g++"
[ -d "$gtest" ] || missing "$gtest" "apt-get install googletest, or GTEST=/its/folder"

libraries=(-lhwy -pthread)
if [ -n "${HIGHWAY:-}" ]; then
  flags+=(-isystem "$HIGHWAY/include")
  libraries=(-L"$HIGHWAY/lib" "-Wl,-rpath,$HIGHWAY/lib" "${libraries[@]}")
fi

# One at a time builds.
exec 9> "$plain/lock"
flock 9

# Compiles $1 to $2 where it is newer than that, or what it has included is.
objects=()
compile() {
  objects+=("$2")
  local found=${2%.o}.d
  if [ -e "$2" ] && [ -e "$found" ]; then
    local included
    mapfile -t included < "$found"
    if [ -z "$(find "${included[@]}" $here/run.sh -newer "$2" -print -quit 2>&1)" ]; then return; fi
  fi
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  echo "compiling $1"
  build_one "$@" &
}

# There is an object only when all is well.
build_one() {
  rm -f "$2"
  "$CXX" "${flags[@]}" "${@:3}" -MMD -MF "$2.make" -c "$1" -o "$2.new"
  sed -e 's/^[^:]*: *//' -e 's/ *\\$//' "$2.make" | tr -s ' ' '\n' | sed '/^$/d' > "${2%.o}.d"
  mv "$2.new" "$2"
}

for source in src/kernels/cpu/*.cpp; do
  compile "$source" "$plain/cpu_$(basename "$source" .cpp).o" -Isrc
done
compile "$gtest/src/gtest-all.cc" "$plain/gtest.o" -isystem "$gtest/include" -I"$gtest" -w
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
wait
for object in "${objects[@]}"; do [ -e "$object" ] || exit 1; done
"$CXX" "${flags[@]}" "${sanitized[@]}" "${objects[@]}" "${libraries[@]}" -o "$build/tests"
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
