# Tests of msae::lite, and of what it is made of, without LibTorch; those that compare it with the library are in CMakeLists.txt.
add_executable(lite_tests
  lite/bad_input_test.cpp
  lite/coding_test.cpp
  lite/encoder_test.cpp
  lite/folder_errors_test.cpp
  lite/sae_lens_test.cpp
  models/active_set_test.cpp
  models/pursuit_cases_test.cpp
  models/pursuit_test.cpp)
target_include_directories(lite_tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(lite_tests PRIVATE MSAE_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/golden")
target_link_libraries(lite_tests PRIVATE msae_lite msae_settings nlohmann_json::nlohmann_json Eigen3::Eigen GTest::gmock
  GTest::gtest_main)
add_test(NAME lite COMMAND lite_tests)
set_tests_properties(lite PROPERTIES TIMEOUT 300)

# Built on request: ninja lite_benchmark.
add_executable(lite_benchmark EXCLUDE_FROM_ALL benchmarks/lite.cpp)
target_include_directories(lite_benchmark PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(lite_benchmark PRIVATE msae_lite msae_settings nlohmann_json::nlohmann_json)
