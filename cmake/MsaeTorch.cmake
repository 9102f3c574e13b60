# Defines msae::torch, the LibTorch that msae is built on, and that its users link. Read by msae's own build and
# by the installed package, so that both look in the same way:
#   1. where a user names one: Torch_DIR or CMAKE_PREFIX_PATH, as CMake or environment variables
#   2. MSAE_TORCH_PLACES, in order
# Sets MSAE_TORCH_ROOT, MSAE_TORCH_VERSION and MSAE_TORCH_RELEASE (MAJOR.MINOR), or MSAE_TORCH_OBSTACLE, a
# sentence. With MSAE_TORCH_EXPECTED, a LibTorch of another MAJOR.MINOR is such an obstacle: its C++ interface
# differs. msae_torch_with_cuda() adds the libraries that put tensors on a GPU.
#
# Nothing about the place is cached: naming another LibTorch and configuring again is enough.

set(torch_candidates "")
foreach(config_dir "${Torch_DIR}" "$ENV{Torch_DIR}")
  if(config_dir)  # <root>/share/cmake/Torch
    list(APPEND torch_candidates ${config_dir}/../../..)
  endif()
endforeach()
string(REPLACE ":" ";" prefixes_in_environment "$ENV{CMAKE_PREFIX_PATH}")
foreach(prefix IN LISTS CMAKE_PREFIX_PATH prefixes_in_environment)
  list(APPEND torch_candidates ${prefix} ${prefix}/../..)  # <root>, or Python's torch.utils.cmake_prefix_path
endforeach()
list(APPEND torch_candidates ${MSAE_TORCH_PLACES})

set(MSAE_TORCH_ROOT "")
foreach(candidate IN LISTS torch_candidates)
  if(EXISTS ${candidate}/include/torch/csrc/api/include/torch/types.h)
    get_filename_component(MSAE_TORCH_ROOT ${candidate} REALPATH)
    break()
  endif()
endforeach()

# Its version, and whether its std::string is our compiler's.
set(MSAE_TORCH_OBSTACLE "")
set(MSAE_TORCH_VERSION "of unknown version")
set(MSAE_TORCH_RELEASE "")
set(torch_version_file ${MSAE_TORCH_ROOT}/share/cmake/Torch/TorchConfigVersion.cmake)
if(MSAE_TORCH_ROOT AND EXISTS ${torch_version_file})
  file(STRINGS ${torch_version_file} version_line REGEX "set.PACKAGE_VERSION ")
  string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" MSAE_TORCH_VERSION "${version_line}")
  string(REGEX MATCH "^[0-9]+[.][0-9]+" MSAE_TORCH_RELEASE "${MSAE_TORCH_VERSION}")
endif()
find_library(torch_c10 c10 PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
find_library(torch_cpu torch_cpu PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
if(torch_c10)
  file(STRINGS ${torch_c10} new_abi_symbol REGEX "B5cxx11" LIMIT_COUNT 1)
endif()
if(NOT MSAE_TORCH_ROOT)
  set(MSAE_TORCH_OBSTACLE "LibTorch ${MSAE_TORCH_EXPECTED} not found; name yours: -DCMAKE_PREFIX_PATH=/path/to/libtorch")
elseif(NOT torch_c10 OR NOT torch_cpu)
  set(MSAE_TORCH_OBSTACLE "LibTorch in ${MSAE_TORCH_ROOT} lacks its libraries libc10 and libtorch_cpu")
elseif(MSAE_TORCH_EXPECTED AND NOT MSAE_TORCH_RELEASE STREQUAL MSAE_TORCH_EXPECTED)
  set(MSAE_TORCH_OBSTACLE "msae was built with LibTorch ${MSAE_TORCH_EXPECTED}, but LibTorch in ${MSAE_TORCH_ROOT} is ${MSAE_TORCH_VERSION}; name one of ${MSAE_TORCH_EXPECTED} by CMAKE_PREFIX_PATH, or build msae with yours")
elseif(MSAE_TORCH_RELEASE AND MSAE_TORCH_RELEASE VERSION_LESS 2.5)
  set(MSAE_TORCH_OBSTACLE "LibTorch ${MSAE_TORCH_VERSION} in ${MSAE_TORCH_ROOT} is too old: msae needs 2.5")
elseif(NOT new_abi_symbol)
  set(MSAE_TORCH_OBSTACLE "LibTorch in ${MSAE_TORCH_ROOT} has the old C++ ABI; take its cxx11-abi build")
endif()
if(MSAE_TORCH_OBSTACLE OR TARGET msae::torch)
  return()
endif()

# Imported, so that an exported target may name it, and own targets of the libraries: Torch's find_package looks
# for a CUDA toolkit wherever it is a CUDA build, and asks for the languages C and CUDA.
add_library(msae::torch INTERFACE IMPORTED GLOBAL)
add_library(msae::torch_c10 SHARED IMPORTED GLOBAL)
add_library(msae::torch_cpu SHARED IMPORTED GLOBAL)
set_target_properties(msae::torch_c10 PROPERTIES IMPORTED_LOCATION ${torch_c10})
set_target_properties(msae::torch_cpu PROPERTIES IMPORTED_LOCATION ${torch_cpu})
target_link_libraries(msae::torch INTERFACE msae::torch_cpu msae::torch_c10)
target_include_directories(msae::torch SYSTEM INTERFACE
  ${MSAE_TORCH_ROOT}/include ${MSAE_TORCH_ROOT}/include/torch/csrc/api/include)
# Where the linker finds what libtorch_cpu of a CUDA build needs; at run time its own rpath does that.
file(GLOB nvidia_folders ${MSAE_TORCH_ROOT}/../nvidia/*/lib)
foreach(folder IN LISTS nvidia_folders)
  target_link_options(msae::torch INTERFACE -Wl,-rpath-link,${folder})
endforeach()

# The OpenMP runtime that Torch brings, where it brings one: of two in a process each would start its threads.
file(GLOB torch_gomp ${MSAE_TORCH_ROOT}/lib/libgomp*.so*)
if(torch_gomp)
  target_link_libraries(msae::torch INTERFACE ${torch_gomp})
else()
  target_link_options(msae::torch INTERFACE -fopenmp)
endif()

# The libraries for CUDA. Nothing calls into most of them directly: without this the linker would leave them out.
# msae::cuda calls those of the target msae::torch_cuda: the very files that libtorch_cuda loads, as two of a kind in a
# process would not know of each other; where Torch does not bring them, those in the folders ARGN.
function(msae_torch_with_cuda)
  if(TARGET msae::torch_cuda)
    return()
  endif()
  set(folder ${MSAE_TORCH_ROOT}/lib)
  target_link_options(msae::torch INTERFACE
    LINKER:--no-as-needed,${folder}/libtorch_cuda.so,${folder}/libc10_cuda.so,--as-needed)
  add_library(msae::torch_cuda INTERFACE IMPORTED GLOBAL)
  foreach(name c10_cuda cudart cublasLt)
    foreach(place ${folder} ${nvidia_folders} ${ARGN})
      file(GLOB files ${place}/lib${name}.so.[0-9]* ${place}/lib${name}-*.so.[0-9]* ${place}/lib${name}.so)
      if(files)
        list(GET files 0 file)
        get_filename_component(file ${file} ABSOLUTE)
        add_library(msae::torch_${name} SHARED IMPORTED GLOBAL)
        set_target_properties(msae::torch_${name} PROPERTIES IMPORTED_LOCATION ${file})
        target_link_libraries(msae::torch_cuda INTERFACE msae::torch_${name})
        break()
      endif()
    endforeach()
  endforeach()
endfunction()
