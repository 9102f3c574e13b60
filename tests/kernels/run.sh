#!/usr/bin/env bash
# Builds the kernels and their tests without CMake and LibTorch, and runs them.
#   ./tests/kernels/run.sh native            as they are
#   ./tests/kernels/run.sh scalar | emulated  with no instruction set but Highway's plain loops, or its 16 bytes of them
#   ./tests/kernels/run.sh tsan              under ThreadSanitizer
#   ./tests/kernels/run.sh aarch64           for 64-bit ARM, under qemu: asks for g++-aarch64-linux-gnu and qemu-user, and
#                                            downloads Highway for it
#   ./tests/kernels/run.sh callgrind         the instructions that the selection takes: asks for valgrind
# CXX names another compiler, JOBS how many of it run at a time, HIGHWAY a folder with include/hwy and lib, MSAE_KERNELS_TARGETS
# some of the instruction sets; more arguments go to the tests, e.g. --gtest_filter=Select*.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

usage() { sed -n '2,10s/^# \?//p' tests/kernels/run.sh; }

mode=${1:-}
arguments=("${@:2}")
build=build/kernels-$mode
this=tests/kernels/run.sh
source tests/kernels/building.sh
flags+=(-Isrc -Itests)
runner=(env)
case $mode in
  native) ;;
  callgrind) flags+=(-O3 -DNDEBUG) ;;
  scalar) flags+=(-DHWY_COMPILE_ONLY_SCALAR) ;;
  emulated) flags+=(-DHWY_COMPILE_ONLY_EMU128) ;;
  tsan)
    flags+=(-O1 -fsanitize=thread)
    runner=(env TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}")
    # Only steps have threads, and only what is large enough has several tasks for them.
    arguments=(--gtest_filter='Step/*Threads*:Step/*AfterAnotherBatch:Step/*ForTiles' "${arguments[@]}")
    ;;
  aarch64)
    CXX=${CXX:-aarch64-linux-gnu-g++}
    runner=(qemu-aarch64 -L /usr/aarch64-linux-gnu)
    ;;
  *) usage >&2; exit 2 ;;
esac
CXX=${CXX:-g++}
mkdir -p "$build"

require_tools "g++ or g++-aarch64-linux-gnu"
command -v "${runner[0]}" > "$build/which" || missing "${runner[0]}" "apt-get install qemu-user"

# Highway for aarch64 out of the distribution's packages, in the version of the one here if there is one; with package
# lists of our own, as the system's need not know that architecture.
download_highway() {
  local version apt state=$PWD/$build/apt
  if compgen -G "$build/highway/usr/lib/aarch64-linux-gnu/libhwy.so*" > "$build/which"; then return; fi
  version=$(dpkg-query -Wf '${Version}' libhwy-dev 2> "$build/which" || true)
  apt=(apt-get -qq -o APT::Architectures::=arm64 -o Dir::State="$state" -o Dir::Cache="$state/cache" -o APT::Sandbox::User=root)
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$build/packages" "$build/highway"
  "${apt[@]}" update
  (cd "$build/packages" && "${apt[@]}" download {libhwy1,libhwy-dev}:arm64"${version:+=$version}")
  for package in "$build"/packages/*.deb; do dpkg-deb -x "$package" "$build/highway"; done
}

if [ "$mode" = aarch64 ] && [ -z "${HIGHWAY:-}" ]; then
  download_highway
  use_highway "$build/highway/usr" "$build/highway/usr/lib/aarch64-linux-gnu"
  runner+=(-E LD_LIBRARY_PATH="$build/highway/usr/lib/aarch64-linux-gnu")
fi

for source in src/kernels/cpu/*.cpp; do compile "$source" "$build/$(basename "$source" .cpp).o"; done

if [ "$mode" = callgrind ]; then
  compile tests/kernels/select_count.cpp "$build/select_count.o"
  link "$build/select_count"
  command -v valgrind > "$build/which" || missing valgrind "apt-get install valgrind"
  "$build/select_count"
  valgrind --tool=callgrind --callgrind-out-file="$build/callgrind.out" --toggle-collect='select_rows*' \
    "$build/select_count" > "$build/stdout" 2> "$build/log" || { cat "$build/log"; exit 1; }
  instructions=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$build/log")
  elements=$(sed -n 's/^elements: \([0-9]*\)$/\1/p' "$build/stdout")
  awk -v i="$instructions" -v n="$elements" 'BEGIN { printf "%.2f instructions an element\n", i / n }'
  echo "callgrind_annotate $build/callgrind.out says where they are"
  exit
fi

compile_gtest "$build/gtest.o"
for source in tests/kernels/{main,*_test}.cpp; do
  compile "$source" "$build/$(basename "$source" .cpp).o" -isystem "$gtest/include"
done
link "$build/tests"
"${runner[@]}" "$build/tests" --gtest_brief=1 "${arguments[@]}"
