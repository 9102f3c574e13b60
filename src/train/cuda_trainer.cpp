#include "msae/train/cuda.h"
#include "train/choose_engine.h"

namespace msae::train {
namespace {

std::unique_ptr<Engine> make_any_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  if (!model.decoder.is_cuda()) return make_engine(model, options);
  return choose_engine(model, options, make_cuda_engine, cuda_obstacle(model, options));
}

}  // namespace

TrainerParts cuda_parts(const models::SparseAutoencoder& model) {
  TrainerParts parts;
  parts.engine = make_any_engine;
  if (const auto device = model.decoder.device(); device.is_cuda()) {
    parts.free_memory = [device] { return free_device_memory(device); };
  }
  return parts;
}

CudaTrainer::CudaTrainer(models::SparseAutoencoder& model, TrainOptions options)
    : Trainer(model, options, cuda_parts(model)) {}

}  // namespace msae::train
