# Installing and finding again:
#   cmake --install build/release --prefix DIR    the libraries, their headers, the program, the CMake package
#   find_package(msae)                            with CMAKE_PREFIX_PATH=DIR, or =build/release uninstalled
#   find_package(msae COMPONENTS lite)            the same for msae::lite alone, wherever LibTorch is
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/msae)
set(bundled_torch ${CMAKE_INSTALL_LIBDIR}/msae/torch)

install(TARGETS msae_lite EXPORT msaeLiteTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(libraries "")
if(MSAE_LITE_ONLY)
  foreach(header IN LISTS msae_lite_headers)
    get_filename_component(folder ${header} DIRECTORY)
    install(FILES ${PROJECT_SOURCE_DIR}/include/msae/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/msae/${folder})
  endforeach()
else()
  set(libraries msae)
  set(not_installed PATTERN train/cuda.h EXCLUDE)
  if(MSAE_CUDA)
    list(APPEND libraries msae_cuda)
    set(not_installed "")
  endif()
  install(TARGETS ${libraries} EXPORT msaeTargets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/msae DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${not_installed})
  # Beside a bundled LibTorch first, else with the one of this build and its libraries for CUDA.
  set(torch_folders ${MSAE_TORCH_ROOT}/lib ${msae_cuda_folders})
  set_target_properties(${libraries} PROPERTIES INSTALL_RPATH "$ORIGIN;$ORIGIN/msae/torch/lib;${torch_folders}")
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET msae_cli)
  set_target_properties(msae_cli PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${bundled_torch}/lib;${torch_folders}")
  install(TARGETS msae_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${msae_completion_file} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME msae)
endif()

# All that is installed, and no tests: what cmake --build --preset release --target installable builds.
add_custom_target(installable)
add_dependencies(installable msae_lite ${libraries})
if(TARGET msae_cli)
  add_dependencies(installable msae_cli msae_completion)
endif()

# The package, for an installed tree and for this build tree.
set(version_file ${PROJECT_BINARY_DIR}/msaeConfigVersion.cmake)
write_basic_package_version_file(${version_file} COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/msaeConfig.cmake.in ${PROJECT_BINARY_DIR}/installed/msaeConfig.cmake
                              INSTALL_DESTINATION ${package_folder} PATH_VARS bundled_torch)
install(EXPORT msaeLiteTargets NAMESPACE msae:: DESTINATION ${package_folder})
install(FILES ${PROJECT_BINARY_DIR}/installed/msaeConfig.cmake ${version_file} cmake/MsaeTorch.cmake
        DESTINATION ${package_folder})
configure_package_config_file(cmake/msaeConfig.cmake.in ${PROJECT_BINARY_DIR}/msaeConfig.cmake
                              INSTALL_DESTINATION ${PROJECT_BINARY_DIR} INSTALL_PREFIX ${PROJECT_BINARY_DIR}
                              PATH_VARS bundled_torch)
configure_file(cmake/MsaeTorch.cmake ${PROJECT_BINARY_DIR}/MsaeTorch.cmake COPYONLY)
export(EXPORT msaeLiteTargets NAMESPACE msae:: FILE ${PROJECT_BINARY_DIR}/msaeLiteTargets.cmake)
if(NOT MSAE_LITE_ONLY)
  install(EXPORT msaeTargets NAMESPACE msae:: DESTINATION ${package_folder})
  export(EXPORT msaeTargets NAMESPACE msae:: FILE ${PROJECT_BINARY_DIR}/msaeTargets.cmake)
endif()
