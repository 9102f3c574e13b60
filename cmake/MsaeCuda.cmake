# Whether this build can put tensors on a GPU: MSAE_CUDA, from MSAE_WITH_CUDA. ON insists and says in one
# sentence what is missing; AUTO takes what there is. With CUDA the whole of Torch is found, by its own
# find_package(Torch).
set(MSAE_CUDA OFF)
set(cuda_obstacle "")

if(NOT MSAE_WITH_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "MSAE_WITH_CUDA is ${MSAE_WITH_CUDA}; it can be AUTO, ON or OFF.")
endif()
if(MSAE_WITH_CUDA STREQUAL OFF)
  return()
endif()
if(MSAE_WITH_CUDA STREQUAL AUTO)
  execute_process(COMMAND nvidia-smi -L RESULT_VARIABLE no_gpu OUTPUT_QUIET ERROR_QUIET)
  if(no_gpu)
    return()
  endif()
endif()

# The major version of CUDA that Torch was built for is the one its libraries are linked against.
set(torch_cuda_major "")
if(EXISTS ${MSAE_TORCH_ROOT}/lib/libtorch_cuda.so)
  file(STRINGS ${MSAE_TORCH_ROOT}/lib/libc10_cuda.so torch_cudart REGEX "libcudart[^ ]*[.]so[.][0-9]+")
  string(REGEX REPLACE ".*libcudart[^ ]*[.]so[.]([0-9]+).*" "\\1" torch_cuda_major "${torch_cudart}")
endif()
file(GLOB torch_wheels ${MSAE_TORCH_ROOT}/../nvidia/*/lib)
file(GLOB torch_cublas ${MSAE_TORCH_ROOT}/../nvidia/*/lib/libcublas.so*)
find_package(CUDAToolkit QUIET)
if(NOT torch_cuda_major)
  set(cuda_obstacle "LibTorch in ${MSAE_TORCH_ROOT} is a CPU-only build")
elseif(torch_wheels AND NOT torch_cublas)
  set(cuda_obstacle "LibTorch lacks its CUDA libraries, which ./tests/run.sh --cuda fetches")
elseif(NOT CUDAToolkit_FOUND)
  set(cuda_obstacle "no CUDA toolkit was found (LibTorch needs one of version ${torch_cuda_major})")
elseif(NOT CUDAToolkit_VERSION_MAJOR EQUAL torch_cuda_major)
  set(cuda_obstacle
      "the CUDA toolkit is version ${CUDAToolkit_VERSION} but LibTorch was built for ${torch_cuda_major}")
endif()
if(cuda_obstacle AND MSAE_WITH_CUDA STREQUAL ON)
  message(FATAL_ERROR "MSAE_WITH_CUDA=ON: ${cuda_obstacle}.")
elseif(cuda_obstacle)
  message(STATUS "Building without CUDA: ${cuda_obstacle}")
  return()
endif()

set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 cannot ask nvcc for 20
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the one that Torch loads
if(NOT DEFINED TORCH_CUDA_ARCH_LIST AND NOT DEFINED ENV{TORCH_CUDA_ARCH_LIST})
  set(TORCH_CUDA_ARCH_LIST "8.0;8.6;9.0+PTX")
endif()
find_package(Torch REQUIRED PATHS ${MSAE_TORCH_ROOT} NO_DEFAULT_PATH)
set(MSAE_CUDA ON)
