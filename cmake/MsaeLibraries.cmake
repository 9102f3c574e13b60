# The libraries beside LibTorch. Sets hdf5_library and hwy_library, the files to link for HDF5 and Highway.
# Headers alone, which users of the libraries need not have.
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 3.3 REQUIRED NO_MODULE)
if(MSAE_LITE_ONLY)
  return()
endif()

find_package(HDF5 REQUIRED COMPONENTS C)
# FindHDF5 names what a static libhdf5 needs as well, and its target is unknown to projects without the language
# C: the file alone goes into the exported package.
list(GET HDF5_C_LIBRARIES 0 hdf5_library)
if(NOT hdf5_library MATCHES "[.]so")
  set(hdf5_library ${HDF5_C_LIBRARIES})
endif()
# Its CMake package comes with some versions of it only.
find_path(MSAE_HWY hwy/highway.h)
find_library(hwy_library hwy)
mark_as_advanced(MSAE_HWY hwy_library)
if(NOT MSAE_HWY OR NOT hwy_library)
  message(FATAL_ERROR "Highway (hwy/highway.h, libhwy), which vectorises the kernels, was not found. Install libhwy-dev, or "
                      "name its folder: -DCMAKE_PREFIX_PATH=/path/to/highway")
endif()
# What a static library leaves to its users, a project around this one among them, has to be seen by them.
foreach(target spdlog::spdlog fmt::fmt Threads::Threads)
  if(NOT TARGET ${target})
    list(APPEND found_here ${target})
  endif()
endforeach()
find_package(spdlog REQUIRED)
find_package(Threads REQUIRED)
foreach(target IN LISTS found_here)
  if(TARGET ${target})
    set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
  endif()
endforeach()
