// What the device at hand can do at best, measured in the run that needs to know.
#pragma once

#include <cstdint>
#include <string>

#include "benchmarks/gpu/stage_work.h"
#include "msae/train/options.h"

namespace msae::gpu_benchmark {

struct Ceilings {
  std::string device;         ///< its name
  std::int64_t memory = 0;    ///< bytes
  std::int64_t cache = 0;     ///< bytes, of the second cache
  double copy = 0, read = 0;  ///< bytes a second of its memory, a copy's counted as read and as written
  double cache_read = 0;      ///< bytes a second of what lies in the second cache
  double float32 = 0;         ///< operations a second in large products of floats, by ordinary cores
  double tf32 = 0, bf16 = 0;  ///< the same by matrix units
};

/// Takes about a second.
Ceilings measure_ceilings();

/// What steps of that precision are held against.
DeviceRates rates_of(const Ceilings& ceilings, train::Precision precision);

}  // namespace msae::gpu_benchmark
