# shellcheck shell=bash
# What a bare Debian 12 or Ubuntu 22.04/24.04 lacks to build msae, and the build itself. To be sourced by a
# bash script that has changed to the root of the checkout:
#   setup [cuda] [lint]       Debian packages and LibTorch, where they are missing
#   build PRESET [TARGET...]  configures and builds build/PRESET
# Both say what they do and how long it takes, and nothing when there is nothing to do.

libtorch=.libtorch  # git-ignored
torch_packages=(torch==2.11.0)
# With --no-deps: all that LibTorch needs of CUDA to run on a CPU.
cpu_packages=('nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*')
# Beside what torch itself asks for: the compiler, so that no toolkit of another version can be in the way.
cuda_packages=('cuda-toolkit[cccl,crt,nvcc,nvvm]==13.0.*')
library_packages=(libcli11-dev libeigen3-dev libgmock-dev libgtest-dev libhdf5-dev libhwy-dev
                  libspdlog-dev libstb-dev libtoml11-dev nlohmann-json3-dev)
# From the package index, in versions that judge alike on every distribution; this clang-tidy takes a third of the time
# that Debian 12's does.
lint_tools=(clang-format==14.0.6 clang-tidy==22.1.8)
lint_folder=.lint  # git-ignored
lint_packages=(doxygen)
cmake_options=()  # for the caller to fill

say() { printf '== %s\n' "$*"; }
die() { printf 'msae: %s\n' "$*" >&2; exit 1; }

setup() {
  mkdir -p build
  local cuda='' lint='' option
  for option in "$@"; do
    case $option in
      cuda) cuda=cuda ;;
      lint) lint=lint library_packages+=("${lint_packages[@]}") ;;
    esac
  done
  if nvidia-smi -L >/dev/null 2>&1; then cuda=cuda; fi
  local fetch_torch=yes
  if torch_is_named || torch_is_here "$cuda"; then fetch_torch=; fi
  if lint_is_here; then lint=; fi

  local missing
  mapfile -t missing < <(missing_packages "$fetch_torch$lint")
  if [ ${#missing[@]} -gt 0 ]; then
    command -v ccache >/dev/null || missing+=(ccache)  # welcome, never required
    install_packages "${missing[@]}"
  fi
  if [ -n "$fetch_torch" ]; then install_torch "$cuda"; fi
  if [ -n "$lint" ]; then install_lint; fi
}

# A command counts wherever it comes from; libraries are those of the distribution.
missing_packages() {
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  if [ -n "$1" ]; then
    command -v python3 >/dev/null || echo python3
    python3 -c 'import pip' 2>/dev/null || echo python3-pip
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  fi
  command -v dpkg-query >/dev/null || return 0  # not Debian: CMake says which library it misses
  comm -23 <(printf '%s\n' "${library_packages[@]}" | sort) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${library_packages[@]}" 2>/dev/null |
      sed -n 's/^installed //p' | sort)
}

install_packages() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive) log=build/apt.log
  if [ "$(id -u)" != 0 ]; then
    # sudo may ask for its password only where someone can answer.
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
      die "packages are missing, and there is no root or sudo to install them. Ask for, then call again:
  apt-get install --no-install-recommends $*"
    fi
    as_root=(sudo "${as_root[@]}")
  fi
  command -v apt-get >/dev/null || die "neither Debian nor Ubuntu: please install what these packages hold: $*"
  say "Installing Debian packages (1 to 2 minutes): $*"
  as_root+=(apt-get -qq -o DPkg::Lock::Timeout=300)
  { "${as_root[@]}" update && "${as_root[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1 ||
    die "apt-get could not install the packages; is there a network? What it said is in $log"
}

# The places that cmake/MsaeTorch.cmake looks at.
torch_is_named() {
  if [ -n "${Torch_DIR:-}" ]; then
    is_torch "$Torch_DIR/../../.." ||
      die "Torch_DIR=$Torch_DIR is not that of a LibTorch, which would end in share/cmake/Torch"
    return 0
  fi
  local prefixes prefix
  IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    if is_torch "$prefix" || is_torch "$prefix/../.."; then return 0; fi
  done
  return 1
}

is_torch() { [ -e "$1/include/torch/csrc/api/include/torch/types.h" ]; }

# The folder is renamed into place when it is complete, so what is there is whole.
torch_is_here() {
  local needed=nvidia_cuda_cupti-13.0
  if [ -n "$1" ]; then needed=nvidia_cuda_nvcc-13.0; fi
  [ -d "$libtorch/torch-2.11.0.dist-info" ] && compgen -G "$libtorch/$needed*" >/dev/null
}

install_torch() {
  local packages=(--no-deps "${torch_packages[@]}" "${cpu_packages[@]}")
  local size='0.6 GB, 1.3 GB unpacked; 1 to 3 minutes'
  if [ -n "$1" ]; then
    packages=("${torch_packages[@]}" "${cuda_packages[@]}")
    size='2.8 GB, 4.7 GB unpacked; 1 to 15 minutes'
  fi
  say "Fetching LibTorch into $libtorch ($size)"
  fetch_wheels "$libtorch.partial" "${packages[@]}" ||
    die "pip could not fetch LibTorch; is there a network, and Python 3.10 to 3.14? What it said is in" \
      "build/pip.log (to use a LibTorch of your own, set CMAKE_PREFIX_PATH to its folder)"
  if [ -n "$1" ]; then link_cuda_libraries "$libtorch.partial/nvidia/cu13"; fi
  rm -rf "$libtorch"
  mv "$libtorch.partial" "$libtorch"
}

fetch_wheels() {
  rm -rf "$1"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --disable-pip-version-check --no-cache-dir --no-compile \
    --only-binary=:all: --target "$1" "${@:2}" 2>build/pip.log
}

# The wheels name libraries as programs load them (libcudart.so.13), not as linkers look for them (libcudart.so).
link_cuda_libraries() {
  local library
  for library in "$1"/lib/lib*.so.*; do
    ln -sf "${library##*/}" "${library%%.so.*}.so"
  done
  ln -sfn lib "$1/lib64"
}

lint_is_here() {
  local tool
  for tool in "${lint_tools[@]}"; do
    [ -d "$lint_folder/$(tr - _ <<<"${tool%%==*}")-${tool##*==}.dist-info" ] || return 1
  done
}

install_lint() {
  say "Fetching ${lint_tools[*]} into $lint_folder (45 MB)"
  fetch_wheels "$lint_folder.partial" --no-deps "${lint_tools[@]}" ||
    die "pip could not fetch them; is there a network? What it said is in build/pip.log"
  rm -rf "$lint_folder"
  mv "$lint_folder.partial" "$lint_folder"
}

build() {
  local preset=$1 log=build/configure-$1.log started=$SECONDS steps jobs
  shift
  # Fewer and larger pieces are quicker where not many are compiled at a time.
  if (($(nproc) <= 2)); then cmake_options=(-DCMAKE_UNITY_BUILD_BATCH_SIZE=32 "${cmake_options[@]}"); fi
  cmake --preset "$preset" "${cmake_options[@]}" >"$log" 2>&1 ||
    { sed -n '/^CMake Error/,$p' "$log" >&2; die "CMake could not configure build/$preset; see $log"; }
  steps=$(NINJA_STATUS='[%t] ' ninja -C "build/$preset" -n "$@" | grep -c '^\[' || true)
  if [ "$steps" = 0 ]; then return 0; fi
  jobs=$(build_jobs)
  # 10 s a step, on average.
  say "Building build/$preset: $steps steps, $jobs at a time, about $((steps * 10 / jobs / 60 + 1)) min"
  ninja -C "build/$preset" -j "$jobs" "$@" || die "the build of build/$preset failed"
  say "Built in $((SECONDS - started)) s"
}

# Every core, but 1.7 GB of memory for each: what the compiler takes for a file that uses LibTorch.
build_jobs() {
  local jobs memory limit
  if [ -n "${CMAKE_BUILD_PARALLEL_LEVEL:-}" ]; then echo "$CMAKE_BUILD_PARALLEL_LEVEL"; return; fi
  memory=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
  for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do  # of a container
    if [[ $(cat "$limit" 2>/dev/null) =~ ^[0-9]{1,15}$ ]] && ((BASH_REMATCH[0] / 1048576 < memory)); then
      memory=$((BASH_REMATCH[0] / 1048576))
    fi
  done
  jobs=$((memory / 1700))
  ((jobs <= $(nproc))) || jobs=$(nproc)
  ((jobs >= 1)) || jobs=1
  echo "$jobs"
}
