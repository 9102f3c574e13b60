# Projects outside the tree, each configured, built and run: with the installed package, with this build tree, and
# with the sources by add_subdirectory and FetchContent.
set(folder ${CMAKE_CURRENT_BINARY_DIR}/consumer)
set(consumer ${PROJECT_SOURCE_DIR}/examples/consumer)
set(found_most "% found within cosine 0.9")

# msae_consumer(NAME SOURCE BINARY OPTION...)
function(msae_consumer name source binary)
  add_test(NAME consumer_${name}
    COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${source} ${binary}
            --build-generator ${CMAKE_GENERATOR} --build-project consumer --build-noclean
            --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} ${ARGN}
            --test-command ${binary}/consumer)
  set_tests_properties(consumer_${name} PROPERTIES
    LABELS consumer TIMEOUT 1200 PROCESSORS 2 ENVIRONMENT OMP_WAIT_POLICY=passive
    PASS_REGULAR_EXPRESSION "${found_most}")
endfunction()

# With CUDA a second program, which says so where there is no GPU. msae_cuda_consumer(NAME BINARY), of a consumer.
function(msae_cuda_consumer name binary)
  if(NOT MSAE_CUDA)
    return()
  endif()
  add_test(NAME consumer_${name}_cuda COMMAND ${binary}/consumer_cuda)
  set_property(TEST consumer_${name} APPEND PROPERTY FIXTURES_SETUP consumer_${name})
  set_tests_properties(consumer_${name}_cuda PROPERTIES LABELS consumer FIXTURES_REQUIRED consumer_${name}
    PASS_REGULAR_EXPRESSION "trained on the GPU, 20 steps|no CUDA device is visible")
endfunction()

# A place with a space in its name, as users have them.
add_test(NAME install COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix "${folder}/in stalled")
set_tests_properties(install PROPERTIES LABELS consumer FIXTURES_SETUP installed)
msae_consumer(installed ${consumer} ${folder}/installed "-DCMAKE_PREFIX_PATH=${folder}/in stalled")
set_tests_properties(consumer_installed PROPERTIES FIXTURES_REQUIRED installed)
msae_cuda_consumer(installed ${folder}/installed)
if(TARGET msae_cli)
  add_test(NAME installed_program COMMAND "${folder}/in stalled/bin/msae" --version)
  set_tests_properties(installed_program PROPERTIES LABELS consumer FIXTURES_REQUIRED installed)
endif()

msae_consumer(build_tree ${consumer} ${folder}/build_tree -DCMAKE_PREFIX_PATH=${PROJECT_BINARY_DIR})
msae_cuda_consumer(build_tree ${folder}/build_tree)

# Into one build folder, so that the library is compiled once: a static one, which is installed and found as well.
set(from_sources -DMSAE_INSTALL=ON -DMSAE_WITH_CUDA=${MSAE_CUDA} -DCMAKE_UNITY_BUILD=ON
                 -DCMAKE_UNITY_BUILD_BATCH_SIZE=32
                 -DCMAKE_PREFIX_PATH=${MSAE_TORCH_ROOT})
msae_consumer(subdirectory ${CMAKE_CURRENT_SOURCE_DIR}/consumer ${folder}/sources -DWAY=subdirectory ${from_sources})
msae_consumer(fetch ${CMAKE_CURRENT_SOURCE_DIR}/consumer ${folder}/sources -DWAY=fetch ${from_sources})
set_tests_properties(consumer_subdirectory PROPERTIES FIXTURES_SETUP sources COST 200)
set_tests_properties(consumer_fetch PROPERTIES FIXTURES_REQUIRED sources FIXTURES_SETUP fetched)
msae_cuda_consumer(fetch ${folder}/sources)
add_test(NAME install_static COMMAND ${CMAKE_COMMAND} --install ${folder}/sources --prefix ${folder}/static)
set_tests_properties(install_static PROPERTIES LABELS consumer FIXTURES_REQUIRED fetched FIXTURES_SETUP static)
msae_consumer(static ${consumer} ${folder}/consumer_of_static -DCMAKE_PREFIX_PATH=${folder}/static)
set_tests_properties(consumer_static PROPERTIES FIXTURES_REQUIRED static)
msae_cuda_consumer(static ${folder}/consumer_of_static)

# The packages have what they need where it is looked for.
find_program(DPKG_DEB dpkg-deb)
if(DPKG_DEB AND TARGET msae_cli)
  set(package ${folder}/packages/msae)
  add_test(NAME package COMMAND ${CMAKE_CPACK_COMMAND} -B ${folder}/packages --config ${PROJECT_BINARY_DIR}/CPackConfig.cmake)
  add_test(NAME package_deb COMMAND sh -c "${DPKG_DEB} -c ${package}_${PROJECT_VERSION}_*.deb")
  add_test(NAME package_archive COMMAND ${CMAKE_COMMAND} -E tar tzf ${package}-${PROJECT_VERSION}-Linux.tar.gz)
  set_tests_properties(package PROPERTIES LABELS consumer TIMEOUT 600 FIXTURES_SETUP packages)
  set_tests_properties(package_deb package_archive PROPERTIES LABELS consumer FIXTURES_REQUIRED packages)
  set_tests_properties(package_deb PROPERTIES PASS_REGULAR_EXPRESSION "[.]/usr/bin/msae\n")
  set_tests_properties(package_archive PROPERTIES
    PASS_REGULAR_EXPRESSION "(^|\n)msae-${PROJECT_VERSION}-Linux/bin/msae\n")
endif()

# A LibTorch of another minor version is refused, in one sentence.
set(other_torch ${folder}/other_torch)
foreach(file include/torch/csrc/api/include/torch/types.h lib/libc10.so lib/libtorch_cpu.so)
  file(WRITE ${other_torch}/${file} "")
endforeach()
file(WRITE ${other_torch}/share/cmake/Torch/TorchConfigVersion.cmake "set(PACKAGE_VERSION \"2.6.1\")\n")
msae_consumer(other_torch ${consumer} ${folder}/other
              "-DCMAKE_PREFIX_PATH=${PROJECT_BINARY_DIR}$<SEMICOLON>${other_torch}")
set_tests_properties(consumer_other_torch PROPERTIES
  PASS_REGULAR_EXPRESSION "built with LibTorch ${MSAE_TORCH_RELEASE}, but LibTorch in[ \n]+[^ ]*other_torch is 2.6.1")
