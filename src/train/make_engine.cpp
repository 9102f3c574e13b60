#include "msae/train/engine.h"
#include "train/choose_engine.h"
#include "train/kernel_obstacle.h"
#include "train/precision.h"

namespace msae::train {

std::unique_ptr<Engine> choose_engine(models::SparseAutoencoder& model, const TrainOptions& options,
                                      EngineMaker fused, const std::string& obstacle) {
  const bool takes_fused =
      options.engine == EngineKind::fused || (options.engine == EngineKind::automatic && obstacle.empty());
  if (takes_fused) return fused(model, options);
  require_precision_of_autograd(model, options, obstacle);
  return make_autograd_engine(model, options);
}

std::unique_ptr<Engine> make_engine(models::SparseAutoencoder& model, const TrainOptions& options) {
  return choose_engine(model, options, make_fused_engine, fused_obstacle(model, options));
}

std::string fused_obstacle(const models::SparseAutoencoder& model, const TrainOptions& options) {
  const auto type = model.decoder.scalar_type();
  if (!model.decoder.is_cpu()) return "it runs on the CPU alone";
  if (options.fused.precision == Precision::tf32) return tf32_is_for_cuda;
  if (type != torch::kFloat32 && type != torch::kFloat64) return "it computes in float32 or float64";
  return kernel_obstacle(model, options);
}

}  // namespace msae::train
