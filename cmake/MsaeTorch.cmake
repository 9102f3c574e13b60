# Defines msae::torch, the LibTorch that everything here is built on: the one a user names (Torch_DIR,
# CMAKE_PREFIX_PATH), else the one that the set-up scripts put in .libtorch.
#
# Without CUDA these are own imported targets of libtorch_cpu and libc10: Torch's find_package(Torch) would ask for a CUDA
# toolkit whenever the wheel is a CUDA build, yet those two libraries run without one.
set(torch_hints ${Torch_DIR}/../../.. ${CMAKE_PREFIX_PATH} ${PROJECT_SOURCE_DIR}/.libtorch/torch)
find_path(MSAE_TORCH_ROOT NAMES include/torch/csrc/api/include/torch/types.h PATHS ${torch_hints} NO_DEFAULT_PATH
          DOC "LibTorch's folder, the one that holds include/ and lib/")
if(NOT MSAE_TORCH_ROOT)
  message(FATAL_ERROR "LibTorch not found. Run ./tests/run.sh or ./examples/quickstart.sh, which fetch it, or name yours: "
                      "cmake -DCMAKE_PREFIX_PATH=/path/to/libtorch")
endif()

add_library(msae_torch INTERFACE)
add_library(msae::torch ALIAS msae_torch)
find_library(MSAE_TORCH_CPU torch_cpu PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
find_library(MSAE_TORCH_C10 c10 PATHS ${MSAE_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
# Torch's own OpenMP runtime: two of them in one process would each start their own threads.
file(GLOB torch_gomp ${MSAE_TORCH_ROOT}/lib/libgomp*.so*)
target_include_directories(msae_torch SYSTEM INTERFACE ${MSAE_TORCH_ROOT}/include
                           ${MSAE_TORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(msae_torch INTERFACE ${MSAE_TORCH_CPU} ${MSAE_TORCH_C10} ${torch_gomp})
file(GLOB nvidia_libs ${MSAE_TORCH_ROOT}/../nvidia/cu*/lib)
foreach(folder IN LISTS nvidia_libs)
  target_link_options(msae_torch INTERFACE -Wl,-rpath-link,${folder})
endforeach()
