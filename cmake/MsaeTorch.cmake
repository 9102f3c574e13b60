# Defines msae::torch, the LibTorch that everything here is built on: the one a user names (Torch_DIR,
# CMAKE_PREFIX_PATH, as CMake or environment variables), else the one that the set-up script put in .libtorch.
# Decides MSAE_CUDA (ON or OFF) from MSAE_WITH_CUDA (AUTO, ON or OFF).
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
list(APPEND torch_candidates ${PROJECT_SOURCE_DIR}/.libtorch/torch)

set(MSAE_TORCH_ROOT "")
foreach(candidate IN LISTS torch_candidates)
  if(EXISTS ${candidate}/include/torch/csrc/api/include/torch/types.h)
    get_filename_component(MSAE_TORCH_ROOT ${candidate} REALPATH)
    break()
  endif()
endforeach()
if(NOT MSAE_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch not found. Run ./examples/quickstart.sh or ./tests/run.sh, which fetch it, "
                      "or name yours: cmake -DCMAKE_PREFIX_PATH=/path/to/libtorch")
endif()

# Its version, and whether its std::string is our compiler's.
set(MSAE_TORCH_VERSION "of unknown version")
if(EXISTS ${MSAE_TORCH_ROOT}/share/cmake/Torch/TorchConfigVersion.cmake)
  file(STRINGS ${MSAE_TORCH_ROOT}/share/cmake/Torch/TorchConfigVersion.cmake version_line
       REGEX "set.PACKAGE_VERSION ")
  string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" MSAE_TORCH_VERSION "${version_line}")
  if(MSAE_TORCH_VERSION VERSION_LESS 2.5)
    message(FATAL_ERROR "LibTorch ${MSAE_TORCH_VERSION} in ${MSAE_TORCH_ROOT} is too old: msae needs 2.5.")
  endif()
endif()
find_library(torch_c10 c10 PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)
find_library(torch_cpu torch_cpu PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH NO_CACHE REQUIRED)
file(STRINGS ${torch_c10} new_abi_symbol REGEX "B5cxx11" LIMIT_COUNT 1)
if(NOT new_abi_symbol)
  message(FATAL_ERROR "LibTorch in ${MSAE_TORCH_ROOT} has the old C++ ABI; take its cxx11-abi build.")
endif()

add_library(msae_torch INTERFACE)
add_library(msae::torch ALIAS msae_torch)
include(${CMAKE_CURRENT_LIST_DIR}/MsaeCuda.cmake)

if(MSAE_CUDA)
  target_link_libraries(msae_torch INTERFACE torch)
else()
  # Own targets of the two libraries that need no CUDA toolkit: Torch's find_package asks for one wherever the
  # wheel is a CUDA build.
  add_library(msae_torch_c10 SHARED IMPORTED)
  add_library(msae_torch_cpu SHARED IMPORTED)
  set_target_properties(msae_torch_c10 PROPERTIES IMPORTED_LOCATION ${torch_c10})
  set_target_properties(msae_torch_cpu PROPERTIES IMPORTED_LOCATION ${torch_cpu})
  target_link_libraries(msae_torch INTERFACE msae_torch_cpu msae_torch_c10)
  target_include_directories(msae_torch SYSTEM INTERFACE
    ${MSAE_TORCH_ROOT}/include ${MSAE_TORCH_ROOT}/include/torch/csrc/api/include)
  # Where the linker finds what libtorch_cpu of a CUDA build needs; at run time its own rpath does that.
  file(GLOB nvidia_folders ${MSAE_TORCH_ROOT}/../nvidia/*/lib)
  foreach(folder IN LISTS nvidia_folders)
    target_link_options(msae_torch INTERFACE -Wl,-rpath-link,${folder})
  endforeach()
endif()

# The OpenMP runtime that Torch brings, where it brings one: of two in a process each would start its threads.
file(GLOB torch_gomp ${MSAE_TORCH_ROOT}/lib/libgomp*.so*)
if(torch_gomp)
  target_link_libraries(msae_torch INTERFACE ${torch_gomp})
else()
  target_link_options(msae_torch INTERFACE -fopenmp)
endif()

message(STATUS "LibTorch ${MSAE_TORCH_VERSION} in ${MSAE_TORCH_ROOT}, CUDA ${MSAE_CUDA}")
