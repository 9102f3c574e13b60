// The model that the options of `msae train` ask for.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "cli/train_arguments.h"

namespace msae::cli {

/// An option that has no say in the chosen model.
struct DoesNotApply : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// It is a mistake better told than ignored. \throws DoesNotApply naming the option
void refuse_what_does_not_apply(const TrainArguments& arguments);

/// Size of the dictionary. \throws std::invalid_argument naming the option
std::int64_t latents_of(const TrainArguments& arguments, std::int64_t dim);

/// What --levels means, 'auto' filled in: latents kept, or sizes of prefixes.
std::vector<std::int64_t> levels_of(const TrainArguments& arguments, std::int64_t latents);

/// Whether there are levels, and weights of them.
bool has_levels(const TrainArguments& arguments);

/// \throws std::invalid_argument naming the option
models::SparseAutoencoderOptions model_of(const TrainArguments& arguments, std::int64_t dim,
                                          std::int64_t latents);

}  // namespace msae::cli
