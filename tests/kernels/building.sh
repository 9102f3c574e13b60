# shellcheck shell=bash
# Compiles kernels and their tests without CMake. Sourced by run.sh, here and in cuda, which set CXX, `build` and `this`, their
# own name. GTEST names the folder of GoogleTest's sources, HIGHWAY one with include/hwy and lib, JOBS how many compilers run at
# a time.
gtest=${GTEST:-/usr/src/googletest/googletest}
jobs=${JOBS:-$(nproc)}
flags=(-std=c++20 -O2 -g1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-restrict)

missing() { echo "$1 is missing: $2" >&2; exit 1; }

require_tools() {
  command -v "$CXX" > "${build:?}/which" || missing "$CXX" "apt-get install $1"
  [ -d "$gtest" ] || missing "$gtest" "apt-get install googletest, or GTEST=/its/folder"
}

libraries=(-lhwy -pthread)
# Highway in another folder than the system's, and where in it the library is.
use_highway() {
  flags+=(-isystem "$1/include")
  libraries=(-L"$2" "-Wl,-rpath,$2" "${libraries[@]}")
}
if [ -n "${HIGHWAY:-}" ]; then use_highway "$HIGHWAY" "$HIGHWAY/lib"; fi

# Compiles $1 to $2, with more flags, in the background, where it is newer than that, or what it has included is.
objects=()
compile() {
  objects+=("$2")
  local found=${2%.o}.d
  if [ -e "$2" ] && [ -e "$found" ]; then
    local included
    mapfile -t included < "$found"
    if [ -z "$(find "${included[@]}" "${this:?}" -newer "$2" -print -quit 2>&1)" ]; then return; fi
  fi
  while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
  echo "compiling $1"
  compile_now "$@" &
}

# There is an object only when all is well.
compile_now() {
  rm -f "$2"
  "$CXX" "${flags[@]}" "${@:3}" -MMD -MF "$2.make" -c "$1" -o "$2.new"
  sed -e 's/^[^:]*: *//' -e 's/ *\\$//' "$2.make" | tr -s ' ' '\n' | sed '/^$/d' > "${2%.o}.d"
  mv "$2.new" "$2"
}

# Of all that was compiled.
link() {
  local object
  wait
  for object in "${objects[@]}"; do [ -e "$object" ] || exit 1; done
  "$CXX" "${flags[@]}" "${objects[@]}" "${libraries[@]}" -o "$1"
}

compile_gtest() { compile "$gtest/src/gtest-all.cc" "$1" -isystem "$gtest/include" -I"$gtest" -w; }
