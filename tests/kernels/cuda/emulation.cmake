# Kernels for CUDA compiled as plain C++, and their tests, for an emulation of the device.
set_source_files_properties(${msae_cuda_kernel_files} PROPERTIES LANGUAGE CXX)
add_library(cuda_emulation OBJECT
  kernels/cuda/emulation/emulation.cpp
  kernels/cuda/emulation/fiber.cpp
  ${msae_cuda_kernel_files})
set_target_properties(cuda_emulation PROPERTIES UNITY_BUILD OFF)
target_include_directories(cuda_emulation BEFORE PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/emulation)
target_include_directories(cuda_emulation PUBLIC ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_compile_options(cuda_emulation PUBLIC -Wno-unknown-pragmas)  # #pragma unroll
target_compile_options(cuda_emulation PUBLIC $<$<CONFIG:Debug>:-O1>)
target_link_libraries(cuda_emulation PRIVATE msae_settings)

# A program of them, and of the emulation's own tests.
function(cuda_emulation_program name)
  add_executable(${name} ${cuda_kernels_tests} kernels/cuda/emulation_faults_test.cpp kernels/cuda/emulation_test.cpp ${ARGN})
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  # Before src: its files are in the place of some there, and of CUDA's headers.
  target_include_directories(${name} BEFORE PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/kernels/cuda/emulation)
  target_link_libraries(${name} PRIVATE msae_kernels msae_settings ${hwy_library} Threads::Threads GTest::gtest)
endfunction()
cuda_emulation_program(cuda_emulation_tests)
target_link_libraries(cuda_emulation_tests PRIVATE cuda_emulation)  # its objects
add_test(NAME cuda_emulation COMMAND cuda_emulation_tests)
set_tests_properties(cuda_emulation PROPERTIES COST 60 TIMEOUT 900)
# Older sanitizers do not start where the kernel lays out memory more at random than they know of.
set(no_start "unexpected memory mapping")

# Sanitizers watch them, and find what is planted for them: wrong accesses where the build has such a sanitizer, else races,
# whose sanitizer bears no other. It looks at what is not the same for other factors or more often.
if(MSAE_SANITIZE)
  set(watched cuda_emulation_tests)
  set(planted bounds bounds_of_shared bounds_of_own alignment)
  set(report "AddressSanitizer: (heap|stack)-buffer-overflow|runtime error: .* misaligned address")
else()
  set(watched cuda_races_tests)
  set(planted race race_of_rounds race_of_lanes race_of_blocks)
  set(report "ThreadSanitizer: data race")
  cuda_emulation_program(cuda_races_tests $<TARGET_PROPERTY:cuda_emulation,SOURCES>)
  target_include_directories(cuda_races_tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(cuda_races_tests PRIVATE -Wno-unknown-pragmas -fsanitize=thread -O1 -g1)
  target_link_options(cuda_races_tests PRIVATE -fsanitize=thread)
  set(elsewhere *HalfThePrecision *InTurns *SameBits* *ListsAndMatrices CudaTraining.Is* CudaStep.Ranks*
      CudaStep.*EveryOption CudaSelect/1.* CudaSelect/0.*ManyLatents CudaBatchCuts.*EveryKindOfValues)
  list(JOIN elsewhere ":" elsewhere)
  add_test(NAME cuda_races COMMAND cuda_races_tests --gtest_filter=-${elsewhere})
  set_tests_properties(cuda_races PROPERTIES COST 60 TIMEOUT 900 ENVIRONMENT TSAN_OPTIONS=halt_on_error=1
                       SKIP_REGULAR_EXPRESSION "${no_start}")
endif()
foreach(fault ${planted})
  add_test(NAME cuda_planted_${fault} COMMAND ${watched} --planted ${fault})
  set_tests_properties(cuda_planted_${fault} PROPERTIES PASS_REGULAR_EXPRESSION "${report}"
                       SKIP_REGULAR_EXPRESSION "${no_start}" ENVIRONMENT TSAN_OPTIONS=halt_on_error=1)
endforeach()
