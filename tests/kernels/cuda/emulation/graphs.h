// Streams that record what they are given, as CUDA's do for graphs: arguments are what they are at the time
// of recording, memory is what it is at the time of the launch.
#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace emulation {

struct Graph {
  std::vector<std::function<void()>> work;
};

inline std::map<cudaStream_t, Graph> recordings;

/// Does it now, or records it where the stream does so.
inline void in_order(cudaStream_t stream, std::function<void()> work) {
  const auto recording = recordings.find(stream);
  if (recording == recordings.end()) return work();
  recording->second.work.push_back(std::move(work));
}

}  // namespace emulation

using cudaGraph_t = emulation::Graph*;
using cudaGraphExec_t = emulation::Graph*;
