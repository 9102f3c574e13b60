// What a sweep is to train: a file of training options of which any may be a list.
#pragma once

#include <string>
#include <vector>

#include "cli/train_arguments.h"

namespace msae::cli {

struct SweepRun {
  std::string name;  ///< of its folder, made of what varies: "topk-k32-seed1"
  TrainArguments arguments;
};

/// Every combination of the values in the file, model by model, where options that have no say in a model do
/// not multiply its runs.
/// \throws CLI::ConfigError naming file and line
/// \throws msae::IoError when the file cannot be read
std::vector<SweepRun> read_sweep(const std::string& file);

}  // namespace msae::cli
