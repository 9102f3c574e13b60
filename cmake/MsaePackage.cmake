# Installing, finding again, packaging:
#   cmake --install build/release --prefix DIR      the library, its headers, the program, the CMake package
#   find_package(msae)                              with CMAKE_PREFIX_PATH=DIR, or =build/release uninstalled
#   cmake --build build/release --target package    a .deb and a .tar.gz, which bring their LibTorch along
if(NOT MSAE_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/msae)
set(bundled_torch ${CMAKE_INSTALL_LIBDIR}/msae/torch)

install(TARGETS msae EXPORT msaeTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/msae DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Beside a bundled LibTorch first, else with the one of this build.
set_target_properties(msae PROPERTIES INSTALL_RPATH "$ORIGIN/msae/torch/lib;${MSAE_TORCH_ROOT}/lib")
if(TARGET msae_cli)
  set_target_properties(msae_cli PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${bundled_torch}/lib;${MSAE_TORCH_ROOT}/lib")
  install(TARGETS msae_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# The package, for an installed tree and for this build tree.
set(version_file ${PROJECT_BINARY_DIR}/msaeConfigVersion.cmake)
write_basic_package_version_file(${version_file} COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/msaeConfig.cmake.in ${PROJECT_BINARY_DIR}/installed/msaeConfig.cmake
                              INSTALL_DESTINATION ${package_folder} PATH_VARS bundled_torch)
install(EXPORT msaeTargets NAMESPACE msae:: DESTINATION ${package_folder})
install(FILES ${PROJECT_BINARY_DIR}/installed/msaeConfig.cmake ${version_file} cmake/MsaeTorch.cmake
        DESTINATION ${package_folder})
configure_package_config_file(cmake/msaeConfig.cmake.in ${PROJECT_BINARY_DIR}/msaeConfig.cmake
                              INSTALL_DESTINATION ${PROJECT_BINARY_DIR} INSTALL_PREFIX ${PROJECT_BINARY_DIR}
                              PATH_VARS bundled_torch)
configure_file(cmake/MsaeTorch.cmake ${PROJECT_BINARY_DIR}/MsaeTorch.cmake COPYONLY)
export(EXPORT msaeTargets NAMESPACE msae:: FILE ${PROJECT_BINARY_DIR}/msaeTargets.cmake)

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
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # seconds where xz takes minutes
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# The Debian packages that it needs, told by the files it was linked with.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6, libstdc++6")
find_program(DPKG_QUERY dpkg-query)
set(linked_files ${hdf5_library})
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
