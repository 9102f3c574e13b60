# The API documentation: target docs, and the tests that every public symbol is documented. Where Doxygen (1.9.1 or
# later) is missing, the target says so and there are no such tests.
if(NOT PROJECT_IS_TOP_LEVEL)  # "docs" is a name that a user's project may want for itself
  return()
endif()
find_package(Doxygen 1.9.1 QUIET)
if(NOT DOXYGEN_FOUND)
  set(sentence "msae: no Doxygen of version 1.9.1 or later was found, which makes the documentation:"
               "install the package doxygen and configure again.")
  list(JOIN sentence " " sentence)
  add_custom_target(docs COMMAND ${CMAKE_COMMAND} -E echo "${sentence}" COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
  return()
endif()

# A target `name` that documents the files and folders in ARGN as HTML or XML (`format`) in build/PRESET/<name>.
# CMake leaves out options that this Doxygen does not know yet.
function(msae_documentation name format)
  set(DOXYGEN_PROJECT_NAME msae)
  set(DOXYGEN_PROJECT_NUMBER ${PROJECT_VERSION})
  set(DOXYGEN_PROJECT_BRIEF ${PROJECT_DESCRIPTION})
  set(DOXYGEN_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${name})
  set(DOXYGEN_GENERATE_HTML NO)
  set(DOXYGEN_GENERATE_LATEX NO)
  set(DOXYGEN_GENERATE_${format} YES)
  set(DOXYGEN_XML_PROGRAMLISTING NO)

  # Pages speak of <msae/...>, and of no folder of this machine.
  set(DOXYGEN_STRIP_FROM_PATH ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
  set(DOXYGEN_STRIP_FROM_INC_PATH ${PROJECT_SOURCE_DIR}/include)
  set(DOXYGEN_USE_MDFILE_AS_MAINPAGE ${PROJECT_SOURCE_DIR}/README.md)
  set(DOXYGEN_MACRO_EXPANSION YES)
  set(DOXYGEN_EXPAND_ONLY_PREDEF YES)
  set(DOXYGEN_PREDEFINED MSAE_EXPORT=)

  set(DOXYGEN_EXTRACT_ALL NO)
  set(DOXYGEN_EXTRACT_PRIVATE NO)
  set(DOXYGEN_SORT_MEMBER_DOCS NO)
  set(DOXYGEN_SORT_BRIEF_DOCS NO)
  set(DOXYGEN_JAVADOC_AUTOBRIEF YES)  # the first sentence
  set(DOXYGEN_BUILTIN_STL_SUPPORT YES)
  set(DOXYGEN_HAVE_DOT NO)
  if(DOXYGEN_VERSION VERSION_LESS 1.9.3)  # base classes in words
    set(DOXYGEN_CLASS_DIAGRAMS NO)
  else()
    set(DOXYGEN_CLASS_GRAPH TEXT)
  endif()
  set(DOXYGEN_VERBATIM_HEADERS NO)
  set(DOXYGEN_GENERATE_TREEVIEW YES)
  set(DOXYGEN_HTML_COLORSTYLE AUTO_LIGHT)  # from 1.9.5: dark where the reader's browser is

  set(DOXYGEN_QUIET YES)
  set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)
  set(DOXYGEN_WARN_IF_UNDOC_ENUM_VAL YES)  # from 1.9.8
  set(DOXYGEN_WARN_IF_DOC_ERROR YES)
  set(DOXYGEN_WARN_NO_PARAMDOC NO)
  doxygen_add_docs(${name} ${ARGN})
endfunction()

set(documented ${PROJECT_SOURCE_DIR}/include/msae ${PROJECT_SOURCE_DIR}/README.md
               ${PROJECT_SOURCE_DIR}/CONTRIBUTING.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md)
msae_documentation(docs HTML ${documented})
add_custom_command(TARGET docs POST_BUILD
  COMMAND ${CMAKE_COMMAND} -E echo "The documentation is in ${PROJECT_BINARY_DIR}/docs/html/index.html" VERBATIM)

if(MSAE_BUILD_TESTS)
  enable_testing()
  set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
  # XML is the least that makes Doxygen read every comment to its end.
  msae_documentation(docs_check XML ${documented})
  add_test(NAME docs COMMAND Doxygen::doxygen ${CMAKE_CURRENT_BINARY_DIR}/Doxyfile.docs_check)
  msae_documentation(docs_undocumented XML ${PROJECT_SOURCE_DIR}/tests/docs/undocumented.h)
  add_test(NAME docs_can_fail
    COMMAND ${CMAKE_COMMAND} -D DOXYGEN=$<TARGET_FILE:Doxygen::doxygen>
            -D DOXYFILE=${CMAKE_CURRENT_BINARY_DIR}/Doxyfile.docs_undocumented
            -P ${PROJECT_SOURCE_DIR}/tests/docs/undocumented.cmake)
  set_tests_properties(docs docs_can_fail PROPERTIES LABELS docs TIMEOUT 120)
endif()
