#!/usr/bin/env bash
# Compiles the kernels for CUDA, without CMake, LibTorch and a GPU, and shows what ptxas says of each: registers, shared memory
# in bytes, stack and spills. Fails where a kernel spills or keeps anything in local memory (its stack).
#   ./tests/kernels/cuda/compile.sh              those of src/kernels/cuda, and the files of C++ beside them
#   ./tests/kernels/cuda/compile.sh FILE.cu...   these
# NVCC names a compiler; else it is that of .libtorch or the one on PATH. ARCH is sm_90 unless given, OUT the folder of
# objects and logs. With MSAE_CUDA_MAJOR a compiler of another major version is passed by. Exits with 77 where there is none.
set -euo pipefail
files=()
for file in "$@"; do
  if [ "$file" != --help ]; then files+=("$(realpath "$file")"); fi
done
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
if [ $# != ${#files[@]} ]; then sed -n '2,7s/^# \?//p' tests/kernels/cuda/compile.sh; exit; fi
if [ $# = 0 ]; then files=(src/kernels/cuda/*.cu src/kernels/cuda/*.cpp); fi

arch=${ARCH:-sm_90}
out=${OUT:-build/cuda-kernels}
mkdir -p "$out"

major_of() { "$1" --version 2> "$out/which" | sed -n 's/.* release \([0-9]*\)\..*/\1/p'; }

# The first that runs, and is of the version asked for.
find_nvcc() {
  local nvcc major
  for nvcc in ${NVCC:-.libtorch/nvidia/cu*/bin/nvcc nvcc}; do
    nvcc=$(command -v "$nvcc") || continue
    major=$(major_of "$nvcc")
    if [ -n "$major" ] && [ "$major" = "${MSAE_CUDA_MAJOR:-$major}" ]; then realpath "$nvcc"; return; fi
  done
  return 1
}
nvcc=$(find_nvcc) || {
  echo "Skipped: no nvcc${MSAE_CUDA_MAJOR:+ of version $MSAE_CUDA_MAJOR} in .libtorch or on PATH"
  exit 77
}
headers=$(dirname "$nvcc")/../include

compile() {
  case $1 in
    *.cpp)
      if [ ! -e "$headers/cublasLt.h" ]; then echo "$1: passed by, as there is no cublasLt.h"; return; fi
      "${CXX:-g++}" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-restrict \
        -Wno-unknown-pragmas -Isrc -isystem "$headers" "$1"
      ;;
    *)
      local object
      object=$out/$(basename "$1").o
      rm -f "$object"
      "$nvcc" -std=c++17 -O3 -DNDEBUG -Isrc -gencode "arch=compute_${arch#sm_},code=$arch" -Werror all-warnings \
        -Xcompiler -Wall,-Wextra,-Werror -Xptxas -v -c "$1" -o "$object" &> "$object.log" || { cat "$object.log"; return 1; }
      ;;
  esac
}
export -f compile
export nvcc headers arch out

# A line for each kernel, and for each device function that was not inlined, out of what ptxas said. A mark where it spills or
# has a stack.
table() {
  c++filt -p < "$1" | sed -e 's/(anonymous namespace):://g' -e 's/msae::kernels::cuda:://g' -e 's/_INTERNAL_[^:]*:://' |
    awk '
      function show() {
        if (name != "") printf "%9s %6s %5d %13d%s %s\n", registers, shared, stack, stores + loads, stack + stores + loads ? "!" : " ", name
      }
      /Function properties for/ {
        show(); name = $0; sub(/.*Function properties for /, "", name); registers = shared = "-"
      }
      /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
      /: Used [0-9]+ registers/ {
        registers = $5
        shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
      }
      END { show() }'
}

echo "$arch, $("$nvcc" --version | sed -n 's/.*\(release [0-9.]*\).*/nvcc \1/p')"
failed=
# shellcheck disable=SC2016  # for the shells that xargs starts, several at a time
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'compile "$1"' compile || failed='do not compile'

echo "registers shared stack bytes spilled  kernel"
for file in "${files[@]}"; do
  object=$out/$(basename "$file").o
  if [ ! -e "$object" ]; then continue; fi
  table "$object.log" | tee "$out/table"
  if grep -q __global__ "$file" && [ ! -s "$out/table" ]; then failed='are there, of which ptxas said nothing'; fi
  if grep -q '! ' "$out/table"; then failed='spill registers or keep arrays in device memory (those marked !)'; fi
done
if [ -n "$failed" ]; then echo "Kernels $failed." >&2; exit 1; fi
