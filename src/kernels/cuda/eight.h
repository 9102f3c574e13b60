// Factors in a kernel's hands: eight at a time, 16 or 32 bytes.
#pragma once

#include "kernels/cuda/factor.h"

namespace msae::kernels::cuda {

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(bfloat16 value) {
  return __bfloat162float(value);
}

template <typename F>
__device__ F from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline bfloat16 from_float<bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// Eight consecutive numbers as floats.
struct Eight {
  float v[group];
};

__device__ inline Eight zeros() {
  Eight all;
  for (int i = 0; i < group; ++i) all.v[i] = 0;
  return all;
}

/// Eight as they are in memory, on their way: what is fetched before it is needed takes less room so.
template <typename F>
struct Fetched;
template <>
struct Fetched<float> {
  float4 a, b;
};
template <>
struct Fetched<bfloat16> {
  uint4 words;
};

__device__ inline Fetched<float> fetch(const float* from) {
  const auto* four = reinterpret_cast<const float4*>(from);
  return {four[0], four[1]};
}
__device__ inline Fetched<bfloat16> fetch(const bfloat16* from) {
  return {*reinterpret_cast<const uint4*>(from)};
}

__device__ inline Eight eight(const Fetched<float>& all) {
  return {{all.a.x, all.a.y, all.a.z, all.a.w, all.b.x, all.b.y, all.b.z, all.b.w}};
}

// A bfloat16 is the upper half of a float.
__device__ inline Eight eight(const Fetched<bfloat16>& pairs) {
  Eight all;
  const unsigned word[] = {pairs.words.x, pairs.words.y, pairs.words.z, pairs.words.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    all.v[2 * i] = __uint_as_float(word[i] << 16);
    all.v[2 * i + 1] = __uint_as_float(word[i] & 0xffff0000u);
  }
  return all;
}

template <typename F>
__device__ Eight load(const F* from) {
  return eight(fetch(from));
}

__device__ inline void store(float* to, const Eight& all) {
  auto* four = reinterpret_cast<float4*>(to);
  four[0] = make_float4(all.v[0], all.v[1], all.v[2], all.v[3]);
  four[1] = make_float4(all.v[4], all.v[5], all.v[6], all.v[7]);
}

/// Two bfloat16 in a word.
__device__ inline unsigned pair_of(float low, float high) {
  return static_cast<unsigned>(__bfloat16_as_ushort(from_float<bfloat16>(low))) |
         static_cast<unsigned>(__bfloat16_as_ushort(from_float<bfloat16>(high))) << 16;
}

__device__ inline void store(bfloat16* to, const Eight& all) {
  const auto words = make_uint4(pair_of(all.v[0], all.v[1]), pair_of(all.v[2], all.v[3]),
                                pair_of(all.v[4], all.v[5]), pair_of(all.v[6], all.v[7]));
  __stwb(reinterpret_cast<uint4*>(to), words);  // an assignment becomes four stores
}

/// sum += factor * all
__device__ inline void add(Eight& sum, float factor, const Eight& all) {
#pragma unroll
  for (int i = 0; i < group; ++i) sum.v[i] = fmaf(factor, all.v[i], sum.v[i]);
}

__device__ inline float dot(const Eight& a, const Eight& b, float sum) {
#pragma unroll
  for (int i = 0; i < group; ++i) sum = fmaf(a.v[i], b.v[i], sum);
  return sum;
}

}  // namespace msae::kernels::cuda
