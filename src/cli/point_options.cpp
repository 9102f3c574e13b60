#include "cli/point_options.h"

#include <stdexcept>

#include "cli/numbers.h"

namespace msae::cli {

using models::OperatingPoint;

void add_point(CLI::App& command, PointArguments& arguments) {
  auto& a = arguments;
  auto* k = add_whole(command, "--k", a.k, "Keep the k largest positive latents [as trained]");
  auto* level =
      add_whole(command, "--level", a.level, "Keep those of a matryoshka level or prefix, counted from 1")
          ->excludes(k);
  command.add_flag("--all", a.all, "Keep every positive latent")->excludes(k)->excludes(level);
}

OperatingPoint point_of(const PointArguments& a, const models::SparseAutoencoder& model,
                        const std::string& name) {
  if (a.all) return OperatingPoint::all();
  if (a.k) return OperatingPoint::top(*a.k);
  if (!a.level) return OperatingPoint::trained();
  if (model.level_count() == 1) {
    throw std::invalid_argument("--level: is for models of several levels, and " + name + " is a " +
                                models::kind(model.activation()) + " model");
  }
  if (*a.level < 1 || *a.level > model.level_count()) {
    throw std::invalid_argument("--level: must be from 1 to " + std::to_string(model.level_count()) +
                                " for this model, not " + std::to_string(*a.level));
  }
  return OperatingPoint::level(*a.level - 1);
}

}  // namespace msae::cli
