// Between an engine of our own kernels and autograd.
#pragma once

#include <memory>
#include <string>

#include "msae/core/export.h"
#include "msae/train/engine.h"

namespace msae::train {

using EngineMaker = std::unique_ptr<Engine> (*)(models::SparseAutoencoder&, const TrainOptions&);

/// The engine that TrainOptions::engine asks for.
/// \param fused    makes the one of our own
/// \param obstacle why that does not take the model; empty where it does
/// \throws std::invalid_argument as the makers, and where autograd has not the precision that is asked for
MSAE_EXPORT std::unique_ptr<Engine> choose_engine(models::SparseAutoencoder& model,
                                                  const TrainOptions& options, EngineMaker fused,
                                                  const std::string& obstacle);

}  // namespace msae::train
