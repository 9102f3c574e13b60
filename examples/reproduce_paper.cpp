// Trains the five kinds of autoencoder that "Interpreting CLIP with Hierarchical Sparse Autoencoders"
// compares, with its published settings, and prints its tables:
//
//   reproduce_paper TRAIN TEST FOLDER [EPOCHS]
//
// FOLDER gets a run per kind. Called again it goes on where it stopped.
#include <msae/msae.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace msae;

struct Kind {
  std::string name;
  models::Activation activation;
};

std::vector<Kind> kinds(std::int64_t latents) {
  const auto levels = models::doubling_levels(64, latents);
  return {{"relu", models::Relu{}},
          {"topk", models::TopK{.k = 64}},
          {"batch-topk", models::BatchTopK{.k = 32}},
          {"matryoshka-uniform", models::Matryoshka{.levels = levels}},
          {"matryoshka-reverse",
           models::Matryoshka{.levels = levels, .weights = models::reverse_weights(levels.size())}}};
}

models::SparseAutoencoder trained(const Kind& kind, data::EmbeddingSource& rows, const std::string& folder,
                                  std::int64_t epochs) {
  models::SparseAutoencoder sae(train::published_model(rows.dim(), 8 * rows.dim(), kind.activation, 42));
  auto options = train::TrainOptions::published(kind.activation);
  options.batch_size = std::min(*options.batch_size, rows.rows());
  options.epochs = epochs;
  train::Trainer trainer(sae, options);
  trainer.on_progress([&](const train::Progress& p) {
    std::cerr << kind.name << ": step " << p.step << " of " << p.steps << ", loss " << p.metrics.loss << "\n";
  });
  trainer.fit(rows, {.folder = folder + "/" + kind.name, .resume = true});
  return sae;
}

// The paper's sections on the trade-off, the levels, CKNNA and activation magnitudes: a line per operating
// point.
void print_points(const std::string& name, const eval::Evaluation& evaluation) {
  std::cout << "\n"
            << name << ": decoder orthogonality " << std::defaultfloat << std::setprecision(4)
            << evaluation.decoder_orthogonality << "\n"
            << "point       active  sparsity  FVU     cosine  NMAE    CKNNA   magnitude  never active\n";
  for (const auto& p : evaluation.points) {
    std::cout << std::left << std::setw(10) << p.label << std::right << std::fixed << std::setprecision(1)
              << std::setw(8) << p.active << std::setprecision(4) << "  " << p.sparsity << "    " << p.fvu
              << "  " << p.cosine << "  " << p.nmae << "  " << p.cknna.value_or(0) << "  " << std::setw(9)
              << p.mean_magnitude << "  " << std::setw(12) << p.never_active << "\n";
  }
}

void print_progress_of_levels(const eval::Evaluation& evaluation) {
  std::cout << "progressive recovery:";
  for (const auto& step : eval::progressive_recovery(evaluation)) {
    if (std::isnan(step.gain)) {
      std::cout << " none, as all latents together are worse than no latents";
      break;
    }
    std::cout << "  " << step.label << " " << std::setprecision(1) << 100 * step.gain << " %";
  }
  std::cout << "\n" << std::flush;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 4 && count != 5)
    throw std::invalid_argument("usage: reproduce_paper TRAIN TEST FOLDER [EPOCHS]");
  const auto train_rows = data::open(arguments[1]), test_rows = data::open(arguments[2]);
  const auto epochs = count == 5 ? std::stoll(arguments[4]) : 30;
  eval::EvalOptions options{.cknna_rows = test_rows->rows()};
  const auto latents = 8 * train_rows->dim();
  for (std::int64_t k = 8; k <= 1024 && k < latents; k *= 2) options.k.push_back(k);

  std::vector<eval::ParetoPoint> points;
  for (const auto& kind : kinds(latents)) {
    auto sae = trained(kind, *train_rows, arguments[3], epochs);
    const auto evaluation = eval::evaluate(sae, *test_rows, options);
    print_points(kind.name, evaluation);
    print_progress_of_levels(evaluation);
    for (const auto& p : evaluation.points) points.push_back({kind.name, p.label, p.active, p.fvu});
  }
  std::cout << "\nThe frontier, hypervolume " << std::setprecision(4) << eval::hypervolume(points) << ":\n";
  const eval::ParetoFrontier all(points);
  for (const auto i : all.frontier()) std::cout << points[i].run << " " << points[i].label << "\n";
} catch (const std::exception& error) {
  std::cerr << "reproduce_paper: " << error.what() << "\n";
  return 1;
}
