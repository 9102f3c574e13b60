// The part of CUDA's header of this name that kernels and those who launch them use.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <tuple>
#include <type_traits>

#include "kernels/cuda/emulation/cuda_runtime_api.h"
#include "kernels/cuda/emulation/emulation.h"

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

inline constinit thread_local uint3 threadIdx{}, blockIdx{};
inline constinit thread_local dim3 blockDim{}, gridDim{};

// Threads that meet.

inline void __syncthreads() {
  emulation::sync_block();
}

inline void __syncwarp(unsigned mask = 0xffffffffu) {
  emulation::sync_warp(mask);
}

namespace emulation {

template <typename V>
concept Shuffled = std::is_arithmetic_v<V> &&(sizeof(V) == 4 || sizeof(V) == 8);

template <Shuffled V>
V exchange_value(const char* what, unsigned mask, V value, unsigned from) {
  using Bits = std::conditional_t<sizeof(V) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<V>(static_cast<Bits>(exchange(what, mask, std::bit_cast<Bits>(value), from)));
}

/// The `lane` of the caller's group of lanes, or the caller's own where that is not in it.
inline unsigned lane_of_group(int width, int lane, int own) {
  return static_cast<unsigned>(lane >= 0 && lane < width ? static_cast<int>(threadIdx.x) % 32 - own + lane
                                                         : static_cast<int>(threadIdx.x) % 32);
}

inline int own_lane(int width) {
  return static_cast<int>(threadIdx.x) % width;
}

}  // namespace emulation

template <emulation::Shuffled V>
V __shfl_sync(unsigned mask, V value, int lane, int width = 32) {
  const auto from = emulation::lane_of_group(width, lane & (width - 1), emulation::own_lane(width));
  return emulation::exchange_value("__shfl_sync", mask, value, from);
}

template <emulation::Shuffled V>
V __shfl_up_sync(unsigned mask, V value, unsigned step, int width = 32) {
  const auto own = emulation::own_lane(width);
  const auto from = emulation::lane_of_group(width, own - static_cast<int>(step), own);
  return emulation::exchange_value("__shfl_up_sync", mask, value, from);
}

template <emulation::Shuffled V>
V __shfl_down_sync(unsigned mask, V value, unsigned step, int width = 32) {
  const auto own = emulation::own_lane(width);
  const auto from = emulation::lane_of_group(width, own + static_cast<int>(step), own);
  return emulation::exchange_value("__shfl_down_sync", mask, value, from);
}

template <emulation::Shuffled V>
V __shfl_xor_sync(unsigned mask, V value, int bits, int width = 32) {
  const auto own = emulation::own_lane(width);
  const auto from = emulation::lane_of_group(width, own ^ bits, own);
  return emulation::exchange_value("__shfl_xor_sync", mask, value, from);
}

inline unsigned __ballot_sync(unsigned mask, int aye) {
  return emulation::vote("__ballot_sync", mask, aye != 0);
}

inline int __any_sync(unsigned mask, int aye) {
  return emulation::vote("__any_sync", mask, aye != 0) != 0;
}

inline int __all_sync(unsigned mask, int aye) {
  return emulation::vote("__all_sync", mask, aye != 0) == mask;
}

// Atomics order nothing. As on a GPU, std::uint64_t, which is an unsigned long, has none.

namespace emulation {

template <typename V>
concept Atomic = std::same_as<V, int> || std::same_as<V, unsigned> || std::same_as<V, unsigned long long>;

/// Puts what `change` makes of it in the value's place; returns the value.
template <typename V, typename Change>
V change_value(V* place, Change change) {
  auto value = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (
      !__atomic_compare_exchange_n(place, &value, change(value), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return value;
}

}  // namespace emulation

template <emulation::Atomic V>
V atomicAdd(V* place, std::type_identity_t<V> value) {
  return __atomic_fetch_add(place, value, __ATOMIC_RELAXED);
}

template <emulation::Atomic V>
V atomicMin(V* place, std::type_identity_t<V> value) {
  return emulation::change_value(place, [value](V old) { return value < old ? value : old; });
}

template <emulation::Atomic V>
V atomicMax(V* place, std::type_identity_t<V> value) {
  return emulation::change_value(place, [value](V old) { return value > old ? value : old; });
}

template <emulation::Atomic V>
V atomicOr(V* place, std::type_identity_t<V> value) {
  return __atomic_fetch_or(place, value, __ATOMIC_RELAXED);
}

template <emulation::Atomic V>
V atomicAnd(V* place, std::type_identity_t<V> value) {
  return __atomic_fetch_and(place, value, __ATOMIC_RELAXED);
}

template <emulation::Atomic V>
V atomicExch(V* place, std::type_identity_t<V> value) {
  return __atomic_exchange_n(place, value, __ATOMIC_RELAXED);
}

template <emulation::Atomic V>
V atomicCAS(V* place, std::type_identity_t<V> expected, std::type_identity_t<V> value) {
  __atomic_compare_exchange_n(place, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

// Numbers.

inline int __popc(unsigned bits) {
  return std::popcount(bits);
}
inline int __popcll(unsigned long long bits) {
  return std::popcount(bits);
}
inline int __clz(int bits) {
  return std::countl_zero(static_cast<unsigned>(bits));
}
inline int __clzll(long long bits) {
  return std::countl_zero(static_cast<unsigned long long>(bits));
}
inline int __ffs(int bits) {
  return __builtin_ffs(bits);
}
inline int __ffsll(long long bits) {
  return __builtin_ffsll(bits);
}

inline unsigned __float_as_uint(float value) {
  return std::bit_cast<unsigned>(value);
}
inline float __uint_as_float(unsigned bits) {
  return std::bit_cast<float>(bits);
}
inline int __float_as_int(float value) {
  return std::bit_cast<int>(value);
}
inline float __int_as_float(int bits) {
  return std::bit_cast<float>(bits);
}
inline long long __double_as_longlong(double value) {
  return std::bit_cast<long long>(value);
}
inline double __longlong_as_double(long long bits) {
  return std::bit_cast<double>(bits);
}

template <typename V>
V __ldg(const V* place) {
  return *place;
}

template <typename V>
void __stwb(V* place, V value) {
  *place = value;
}

inline float rsqrtf(float value) {
  return 1 / std::sqrt(value);
}
inline double rsqrt(double value) {
  return 1 / std::sqrt(value);
}

namespace emulation {

/// Two of a type, or of two that differ in their sign only.
template <typename A, typename B>
concept Compared = std::is_arithmetic_v<A> && std::is_arithmetic_v<B> && sizeof(A) == sizeof(B) &&
                   std::is_floating_point_v<A> == std::is_floating_point_v<B>;

}  // namespace emulation

// Of a NaN and a number these give the number.
template <typename A, typename B>
requires emulation::Compared<A, B>
auto min(A a, B b) {
  using Both = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<A>) return std::fmin(a, b);
  return static_cast<Both>(b) < static_cast<Both>(a) ? static_cast<Both>(b) : static_cast<Both>(a);
}

template <typename A, typename B>
requires emulation::Compared<A, B>
auto max(A a, B b) {
  using Both = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<A>) return std::fmax(a, b);
  return static_cast<Both>(a) < static_cast<Both>(b) ? static_cast<Both>(b) : static_cast<Both>(a);
}

inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
  return {x, y, z};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float3 make_float3(float x, float y, float z) {
  return {x, y, z};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline double2 make_double2(double x, double y) {
  return {x, y};
}

// Launches.

namespace emulation {

/// What a kernel may have of shared memory unasked, and when it has asked for more.
inline constexpr std::size_t shared_unasked = 48 * 1024, most_shared_asked = 227 * 1024;

inline std::map<const void*, std::size_t> shared_asked;

inline cudaError_t objection(const cudaLaunchConfig_t& config, const void* kernel) {
  const auto& grid = config.gridDim;
  const auto& block = config.blockDim;
  constexpr unsigned most_wide = 0x7fffffff, most_high = 65535;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > most_wide || grid.y > most_high ||
      grid.z > most_high || block.x == 0 || block.x > device_threads) {
    return cudaErrorInvalidConfiguration;
  }
  if (block.x % 32 != 0 || block.y != 1 || block.z != 1) {
    fail("blocks of %u x %u x %u threads are not emulated", block.x, block.y, block.z);
  }
  const auto asked = shared_asked.find(kernel);
  const auto granted = asked == shared_asked.end() ? shared_unasked : asked->second;
  return config.dynamicSmemBytes <= granted ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace emulation

template <typename... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int value) {
  const auto size = static_cast<std::size_t>(value);
  if (value < 0 || size > emulation::most_shared_asked) return emulation::keep(cudaErrorInvalidValue);
  emulation::shared_asked[reinterpret_cast<const void*>(kernel)] = size;
  return cudaSuccess;
}

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((!std::is_reference_v<Parameters> && ...), "the device cannot follow references to the host");
  const auto error = emulation::objection(*config, reinterpret_cast<const void*>(kernel));
  if (error != cudaSuccess) return emulation::keep(error);
  const std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  emulation::in_order(config->stream, [values, kernel, grid = config->gridDim, threads = config->blockDim.x,
                                       shared = config->dynamicSmemBytes] {
    emulation::run(grid, threads, shared, [&] { std::apply(kernel, values); });
  });
  return cudaSuccess;
}

template <typename T>
cudaError_t cudaMalloc(T** memory, std::size_t size) {
  void* bytes = nullptr;
  const auto error = cudaMalloc(&bytes, size);
  *memory = static_cast<T*>(bytes);
  return error;
}

template <typename T>
cudaError_t cudaMallocHost(T** memory, std::size_t size) {
  return cudaMalloc(memory, size);
}
