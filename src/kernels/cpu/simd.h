// What a file of vector code includes first, each time that Highway compiles it: once an instruction set, one
// of which is picked at run time. No include guard, on purpose.
#undef HWY_DISABLED_TARGETS
// Vectors of unknown size cannot stand in arrays.
#define HWY_DISABLED_TARGETS \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3 | HWY_AVX3_DL)
