#!/usr/bin/env bash
# Fuzzes a parser: compiles what it needs with clang, libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, and runs it.
#   ./tests/fuzz/run.sh TARGET [SECONDS]
# TARGET is a folder of tests/fuzz/corpus, whose files it starts from; what it learns is kept in build/fuzz/TARGET. An
# input that makes it fail is left in build/fuzz as crash-TARGET-*: copy it to tests/fuzz/corpus/TARGET, where
# replay_test.cpp takes it up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

target=${1:?"usage: tests/fuzz/run.sh TARGET [SECONDS], TARGET one of: $(ls tests/fuzz/corpus | tr '\n' ' ')"}
seconds=${2:-60}
build=build/fuzz
mkdir -p "$build/objects" "$build/$target"

sources=(core/{atomic_file,file,memory,version} models/activation
  data/{format,half,hdf5_file,hdf5_source,hdf5_trouble,hdf5_type,hdf5_write,name,npy_source,objection,raw_file,shards,source}
  data/tensor_source
  io/{crc32,dictionary_learning_file,json_reader,model_config,pickle_calls,pickle_fields,pickle_reader,reference_checkpoint,reference_name,safetensors,sparsify_config}
  io/{tensor_layout,torch_file,zip_archive})
# shellcheck disable=SC2207  # flags are words
hdf5=($(pkg-config --cflags --libs hdf5-serial 2>/dev/null || pkg-config --cflags --libs hdf5))
flags=(-std=c++20 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
  -Isrc -Iinclude -Itests "${hdf5[@]}" -Wno-unused-command-line-argument -DMSAE_VERSION='"fuzzed"')

# Compiles $1 to $2 where it is newer than that, or a header is.
compile() {
  if [ -e "$2" ] && [ -z "$(find "$1" src include tests/fuzz -name '*.[hc]*' -newer "$2" -print -quit)" ]; then return; fi
  clang++ "${flags[@]}" "${@:3}" -c "$1" -o "$2"
}

objects=()
for source in "${sources[@]}"; do
  objects+=("$build/objects/${source//\//_}.o")
  compile "src/$source.cpp" "${objects[-1]}"
done
objects+=("$build/objects/fuzz_targets.o" "$build/objects/fuzzer_of_$target.o")
compile tests/fuzz/targets.cpp "$build/objects/fuzz_targets.o"
compile tests/fuzz/fuzzer.cpp "$build/objects/fuzzer_of_$target.o" "-DMSAE_FUZZ_TARGET=$target"
clang++ -fsanitize=fuzzer,address,undefined "${objects[@]}" "${hdf5[@]}" -o "$build/fuzz_$target"

"$build/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=3000 -timeout=20 -print_final_stats=1 \
  -artifact_prefix="$build/crash-$target-" "$build/$target" "tests/fuzz/corpus/$target"
