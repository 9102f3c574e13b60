// A run that takes no time: rows [150, 12], a model of 32 latents, 20 steps.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "msae/data/synthetic.h"
#include "msae/train/trainer.h"

namespace msae::train {

inline data::SyntheticHierarchy make_data(std::int64_t count = 150) {
  return data::SyntheticHierarchy({.rows = count, .dim = 12, .concepts = 20, .active = 3});
}

inline models::SparseAutoencoder make_model(models::Activation activation = models::Matryoshka{{2, 8, 32}}) {
  return models::SparseAutoencoder({.dim = 12, .latents = 32, .activation = std::move(activation)});
}

inline TrainOptions brief() {
  return {.batch_size = 40, .epochs = 5};
}

// Lines of metrics.csv without the two columns of time.
inline std::vector<std::string> metrics(const std::filesystem::path& folder) {
  std::ifstream in(folder / "metrics.csv");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    for (int i = 0; i < 2; ++i) line.resize(line.rfind(','));
    lines.push_back(line);
  }
  return lines;
}

}  // namespace msae::train
