# Projects outside the tree that use msae::lite: of the installed package, from sources, and of what those install. Each
# program encodes a row, takes less than a megabyte, and was linked with none of the library's libraries.
set(model ${CMAKE_CURRENT_SOURCE_DIR}/golden/saelens/ours_matryoshka)
set(rows ${folder}/rows.txt)
file(WRITE ${rows} "0.1 0.2 0.3 0.4 0.5 0.6 -0.7 1\n")

# msae_lite_consumer(NAME FIXTURE OPTION...), where FIXTURE is a test that it needs, or nothing.
function(msae_lite_consumer name fixture)
  set(binary ${folder}/${name})
  add_test(NAME consumer_${name}
    COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/consumer/lite ${binary}
            --build-generator ${CMAKE_GENERATOR} --build-project consumer --build-noclean
            --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_BUILD_TYPE=Release ${ARGN}
            --test-command ${binary}/consumer ${model} ${rows})
  set_tests_properties(consumer_${name} PROPERTIES LABELS consumer TIMEOUT 600 FIXTURES_SETUP ${name}
    FIXTURES_REQUIRED "${fixture}" PASS_REGULAR_EXPRESSION "5:3[.]52[0-9]* 19:3[.]23[0-9]* 11:2[.]32[0-9]* \n")
  add_test(NAME consumer_${name}_size
    COMMAND ${CMAKE_COMMAND} -D PROGRAM=${binary}/consumer -P ${CMAKE_CURRENT_SOURCE_DIR}/consumer/lite/size.cmake)
  add_test(NAME consumer_${name}_libraries COMMAND ldd ${binary}/consumer)
  set_tests_properties(consumer_${name}_size consumer_${name}_libraries PROPERTIES LABELS consumer FIXTURES_REQUIRED ${name})
  # Names alone: ldd tells addresses, too, which may hold c10.
  set_tests_properties(consumer_${name}_libraries PROPERTIES
    PASS_REGULAR_EXPRESSION "libc[.]so" FAIL_REGULAR_EXPRESSION "lib[^ \n]*(torch|c10|omp|hdf5|hwy|spdlog|fmt)")
endfunction()

msae_lite_consumer(lite_installed installed "-DCMAKE_PREFIX_PATH=${folder}/in stalled")
msae_lite_consumer(lite_sources "" -DSOURCES=ON -DMSAE_INSTALL=ON)
add_test(NAME install_lite COMMAND ${CMAKE_COMMAND} --install ${folder}/lite_sources --prefix ${folder}/lite)
set_tests_properties(install_lite PROPERTIES LABELS consumer FIXTURES_REQUIRED lite_sources FIXTURES_SETUP lite)
msae_lite_consumer(lite_alone lite -DCMAKE_PREFIX_PATH=${folder}/lite)

# Who asks that one for the whole library is told what it is.
msae_consumer(lite_no_more ${consumer} ${folder}/lite_no_more -DCMAKE_PREFIX_PATH=${folder}/lite)
set_tests_properties(consumer_lite_no_more PROPERTIES FIXTURES_REQUIRED lite
  PASS_REGULAR_EXPRESSION "this msae was built with MSAE_LITE_ONLY:[ \n]+ask for COMPONENTS lite")
