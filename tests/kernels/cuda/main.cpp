// Runs the tests on the device. `--planted NAME` runs a kernel with a fault instead, for a sanitizer to find:
// tests of that name which are there where kernels are emulated.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <string>

int main(int argc, char** argv) {
  constexpr int skipped = 77;
  testing::InitGoogleTest(&argc, argv);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "no GPU is visible\n");
    return skipped;
  }
  if (argc == 3 && std::strcmp(argv[1], "--planted") == 0) {
    testing::GTEST_FLAG(also_run_disabled_tests) = true;
    testing::GTEST_FLAG(filter) = std::string("Planted.DISABLED_") + argv[2];
    const int status = RUN_ALL_TESTS();
    if (testing::UnitTest::GetInstance()->test_to_run_count() > 0) return status;
    std::fprintf(stderr, "no fault named %s can be planted here\n", argv[2]);
    return 2;
  }
  if (argc > 1) {
    std::fprintf(stderr, "unknown argument: %s\n", argv[1]);
    return 2;
  }
  return RUN_ALL_TESTS();
}
