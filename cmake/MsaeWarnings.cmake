# Settings of msae's own targets: warnings, sanitizers, OpenMP. Consumers inherit none of them.
add_library(msae_settings INTERFACE)
target_compile_options(msae_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       $<$<BOOL:${MSAE_WARNINGS_AS_ERRORS}>:-Werror>)
# GCC 12 sees overlapping copies in operator+(const char*, std::string) where there are none (its bug 105651).
target_compile_options(msae_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# at::parallel_for silently runs on one thread in a file compiled without it. The runtime itself is linked by
# msae::torch.
target_compile_options(msae_settings INTERFACE -fopenmp)
# Where several files are compiled as one, what is one's own is in the way of the next. What is local is not.
set(shadow $<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=local,-Wno-shadow>)
target_compile_options(msae_settings INTERFACE
                       "$<$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>:-Wno-shadow;${shadow};-Wno-subobject-linkage>")
if(MSAE_SANITIZE)
  # No vptr check: LibTorch is built without the type information it needs.
  target_compile_options(msae_settings INTERFACE -fsanitize=address,undefined -fno-sanitize=vptr
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(msae_settings INTERFACE -fsanitize=address,undefined)
endif()

# LibTorch's headers take 5 to 15 s in every file: this compiles them once a target, with those named in ARGN.
# -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without.
function(msae_precompile target)
  target_precompile_headers(${target} PRIVATE <torch/nn/module.h> ${ARGN})
endfunction()
target_compile_options(msae_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)  # asked for by ccache
