# What a user may choose, and the defaults of an unconfigured build.
set(MSAE_WITH_CUDA AUTO CACHE STRING "Train on CUDA devices: AUTO (when a GPU is visible), ON or OFF")
set_property(CACHE MSAE_WITH_CUDA PROPERTY STRINGS AUTO ON OFF)
option(MSAE_LITE_ONLY "Build msae::lite alone, which needs neither LibTorch nor HDF5" OFF)
option(MSAE_BUILD_CLI "Build the msae program" ${PROJECT_IS_TOP_LEVEL})
option(MSAE_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(MSAE_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(MSAE_INSTALL "Make the targets install and package" ${PROJECT_IS_TOP_LEVEL})
option(MSAE_WARNINGS_AS_ERRORS "Treat compiler warnings in msae's own code as errors" OFF)
option(MSAE_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

if(NOT DEFINED BUILD_SHARED_LIBS)
  set(BUILD_SHARED_LIBS ${PROJECT_IS_TOP_LEVEL})  # within a larger project libraries are static unless it asks
endif()
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Its condition for files with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
                                  ${CCACHE_PROGRAM})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
