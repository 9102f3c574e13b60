// The part of CUDA's header of this name that kernels use.
#pragma once

struct uint2 {
  unsigned x, y;
} __attribute__((aligned(8)));

struct uint3 {
  unsigned x, y, z;
};

struct uint4 {
  unsigned x, y, z, w;
} __attribute__((aligned(16)));

struct int2 {
  int x, y;
} __attribute__((aligned(8)));

struct int4 {
  int x, y, z, w;
} __attribute__((aligned(16)));

struct float2 {
  float x, y;
} __attribute__((aligned(8)));

struct float3 {
  float x, y, z;
};

struct float4 {
  float x, y, z, w;
} __attribute__((aligned(16)));

struct double2 {
  double x, y;
} __attribute__((aligned(16)));

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
      : x(width), y(height), z(depth) {}
};
