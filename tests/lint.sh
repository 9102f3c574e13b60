# shellcheck shell=bash
# The style: that every file is as clang-format leaves it, and that clang-tidy (the checks in .clang-tidy) finds
# nothing in the library, the program and the examples. Sourced by tests/run.sh, after cmake/setup.sh.

# Files of the checkout, tracked or new.
sources() { git ls-files --cached --others --exclude-standard -- "$@"; }

clang_format=$lint_folder/clang_format/data/bin/clang-format
clang_tidy=$lint_folder/clang_tidy/data/bin/clang-tidy

say "Checking the format of every file"
mapfile -t files < <(sources '*.h' '*.cpp' '*.cu')
"$clang_format" --dry-run --Werror "${files[@]}" ||
  die "the files above are not formatted: $clang_format -i FILE"

# What the shared library would hide from its users.
if grep -nE '^(class [A-Z]|[a-z][A-Za-z_:<>, &*0-9]* [a-z_]+\()' -r include | grep -vE 'MSAE_EXPORT|class Random;|:(namespace|using|struct|enum|inline|template) '; then
  die "the declarations above lack MSAE_EXPORT"
fi

# Several source files are read as one, as they would be compiled: most of the time goes into LibTorch's headers.
cmake --preset lint >build/configure-lint.log 2>&1 || die "CMake could not configure; see build/configure-lint.log"
mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)".*/\1/p' build/lint/compile_commands.json |
                     grep -v -e "^$PWD/build/lint/tests/" -e "^$PWD/tests/" | sort -u)
jobs=$(build_jobs)
say "clang-tidy on the library, the program and the examples, about $((${#files[@]} * 8 / jobs / 60 + 1)) min"
started=$SECONDS
# Options that are for GCC alone, and what the libraries' own templates use, are none of its business; it brings no omp.h.
printf '%s\n' "${files[@]}" |
  xargs -P "$jobs" -n 1 "$clang_tidy" -p build/lint --quiet --extra-arg=-fno-openmp \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
    --extra-arg=-Wno-deprecated-declarations \
    2> >(grep -v -e ' warnings\? generated' -e ' warnings\? and ' >&2) || die "clang-tidy is not content"
say "Checked in $((SECONDS - started)) s"
