# Packaging: `cpack -B packages --config build/release/CPackConfig.cmake` makes a .deb and a .tar.gz of what
# MsaeInstall.cmake installs. They bring their LibTorch along, so that the program runs and links where there is none.
# What runs and compiles without a CUDA toolkit; libraries for GPUs would make gigabytes of it.
set(MSAE_PACKAGE_TORCH_DEFAULT ON)
if(MSAE_CUDA)
  set(MSAE_PACKAGE_TORCH_DEFAULT OFF)
endif()
option(MSAE_PACKAGE_TORCH "Packages bring LibTorch along (for the CPU)" ${MSAE_PACKAGE_TORCH_DEFAULT})
if(MSAE_PACKAGE_TORCH)
  set(torch_libraries ${torch_cpu} ${torch_c10} ${torch_gomp})
  set(nvidia_folders ${MSAE_TORCH_ROOT}/../nvidia/*/lib)
  file(GLOB nvidia_libraries ${nvidia_folders}/libcudart.so* ${nvidia_folders}/libcupti.so*)
  # Excluded from `cmake --install`: there the LibTorch of the build is named.
  install(FILES ${torch_libraries} DESTINATION ${bundled_torch}/lib COMPONENT libtorch EXCLUDE_FROM_ALL)
  install(DIRECTORY ${MSAE_TORCH_ROOT}/include DESTINATION ${bundled_torch} COMPONENT libtorch EXCLUDE_FROM_ALL)
  install(FILES ${MSAE_TORCH_ROOT}/share/cmake/Torch/TorchConfigVersion.cmake
          DESTINATION ${bundled_torch}/share/cmake/Torch COMPONENT libtorch EXCLUDE_FROM_ALL)
  foreach(library IN LISTS nvidia_libraries)  # where libtorch_cpu looks: ../../nvidia/NAME/lib
    string(REGEX REPLACE ".*/(nvidia/[^/]+/lib)/.*" "\\1" folder ${library})
    install(FILES ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR}/msae/${folder} COMPONENT libtorch EXCLUDE_FROM_ALL)
  endforeach()
endif()

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_VENDOR "the msae authors")
set(CPACK_PACKAGE_CONTACT ${CPACK_PACKAGE_VENDOR})
set(CPACK_PACKAGE_DESCRIPTION
    "A C++20 library and a program that train, evaluate and apply sparse autoencoders, Matryoshka ones above all.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_COMPONENTS_ALL Unspecified libtorch)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
# An archive unpacks into a folder of its own, a .deb into /usr.
file(WRITE ${PROJECT_BINARY_DIR}/CPackPerGenerator.cmake
     "set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)\n"
     "if(CPACK_GENERATOR STREQUAL DEB)\n  set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY OFF)\nendif()\n")
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_BINARY_DIR}/CPackPerGenerator.cmake)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # seconds where xz takes minutes
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# The Debian packages that it needs, told by the files it was linked with.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6, libstdc++6")
find_program(DPKG_QUERY dpkg-query)
set(linked_files ${hdf5_library} ${hwy_library})
foreach(target spdlog::spdlog fmt::fmt)
  if(TARGET ${target})
    get_target_property(file ${target} LOCATION)
    list(APPEND linked_files ${file})
  endif()
endforeach()
if(NOT DPKG_QUERY)
  set(linked_files "")
endif()
foreach(file IN LISTS linked_files)
  get_filename_component(file ${file} REALPATH)
  execute_process(COMMAND ${DPKG_QUERY} -S ${file} OUTPUT_VARIABLE owner ERROR_QUIET)
  if(owner MATCHES "^([^:]+):")
    string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", ${CMAKE_MATCH_1}")
  endif()
endforeach()
include(CPack)
