# The library msae::cuda: training on a GPU. As in CMakeLists.txt, compiled once and linked twice.

# The kernels know no tensor either. Files of C++ among them are C++20, and call the CUDA runtime and cuBLAS.
add_library(msae_cuda_kernels OBJECT ${cuda_kernels} kernels/cuda/cublas.cpp)
target_include_directories(msae_cuda_kernels PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(msae_cuda_kernels SYSTEM PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(msae_cuda_kernels PUBLIC msae::torch_cudart msae::torch_cublasLt)
target_compile_options(msae_cuda_kernels PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:$<TARGET_PROPERTY:msae_settings,INTERFACE_COMPILE_OPTIONS>>
  $<$<COMPILE_LANGUAGE:CXX>:-Wno-unknown-pragmas>  # #pragma unroll
  $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo;-Xcompiler=-Wall,-Wextra>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${MSAE_WARNINGS_AS_ERRORS}>>:-Werror=all-warnings;-Xcompiler=-Werror>)
set_target_properties(msae_cuda_kernels PROPERTIES UNITY_BUILD OFF)

add_library(msae_cuda_objects OBJECT
  train/cuda_device.cpp
  train/cuda_engine.cpp
  train/cuda_graph.cpp
  train/cuda_trainer.cpp)
target_include_directories(msae_cuda_objects PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(msae_cuda_objects SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(msae_cuda_objects PRIVATE msae::torch msae_settings)

# msae_cuda_library(NAME OVER KIND...), where OVER is the library that it goes on from.
function(msae_cuda_library name over)
  add_library(${name} ${ARGN} $<TARGET_OBJECTS:msae_cuda_objects> $<TARGET_OBJECTS:msae_cuda_kernels>)
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_link_libraries(${name} PUBLIC ${over} PRIVATE msae::torch_cuda)
  target_link_options(${name} PRIVATE $<TARGET_PROPERTY:msae_settings,INTERFACE_LINK_OPTIONS>)
  # Users need not know the language.
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
endfunction()

msae_cuda_library(msae_cuda msae)
add_library(msae::cuda ALIAS msae_cuda)
set_target_properties(msae_cuda PROPERTIES EXPORT_NAME cuda
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
if(NOT MSAE_SANITIZE)  # whose runtime is linked into programs alone
  target_link_options(msae_cuda PRIVATE LINKER:-z,defs)  # what msae hides is missed here, not in a user's program
endif()
msae_cuda_library(msae_cuda_internals msae_internals STATIC EXCLUDE_FROM_ALL)

# Where the libraries for CUDA are, for what is installed.
foreach(library cudart cublasLt)
  get_target_property(file msae::torch_${library} IMPORTED_LOCATION)
  get_filename_component(folder ${file} DIRECTORY)
  list(APPEND folders ${folder})
endforeach()
list(REMOVE_DUPLICATES folders)
set(msae_cuda_folders ${folders} PARENT_SCOPE)
