#include "train/cuda_graph.h"

#include "kernels/cuda/launch.h"

namespace msae::train {

using kernels::cuda::require;

CudaGraph::~CudaGraph() {
  if (launches_) cudaGraphExecDestroy(launches_);
}

void CudaGraph::record(cudaStream_t stream, const std::function<void()>& enqueue) {
  // Of this thread alone: others bring the next batch meanwhile.
  require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  cudaGraph_t graph = nullptr;
  try {
    enqueue();
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    throw;
  }
  require(cudaStreamEndCapture(stream, &graph), "capture");
  const auto status = cudaGraphInstantiate(&launches_, graph, 0);
  cudaGraphDestroy(graph);
  require(status, "graph");
}

void CudaGraph::launch(cudaStream_t stream) const {
  require(cudaGraphLaunch(launches_, stream), "launch");
}

}  // namespace msae::train
