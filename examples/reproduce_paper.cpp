// Trains the five kinds of autoencoder that "Interpreting CLIP with Hierarchical Sparse Autoencoders"
// compares, with its published settings, and prints its tables:
//
//   reproduce_paper TRAIN TEST FOLDER [EPOCHS]
//
// FOLDER gets a run per kind, and points.csv with every number. Called again it goes on where it stopped.
#include <msae/msae.h>

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
  options.epochs = epochs;
  train::Trainer trainer(sae, options);
  trainer.on_progress([&](const train::Progress& p) {
    std::cerr << kind.name << ": step " << p.step << " of " << p.steps << ", loss " << p.metrics.loss << "\n";
  });
  trainer.fit(rows, {.folder = folder + "/" + kind.name, .resume = true});
  return sae;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 4 && count != 5)
    throw std::invalid_argument("usage: reproduce_paper TRAIN TEST FOLDER [EPOCHS]");
  const auto train_rows = data::open(arguments[1]), test_rows = data::open(arguments[2]);
  const auto epochs = count == 5 ? std::stoll(arguments[4]) : 30;
  for (const auto& kind : kinds(8 * train_rows->dim())) {
    auto sae = trained(kind, *train_rows, arguments[3], epochs);
    for (const auto& point :
         eval::evaluate(sae, *test_rows, {.k = {8, 16, 32, 64, 128, 256, 512, 1024}}).points) {
      std::cout << kind.name << " " << point.label << ": " << point.active << " active, FVU " << point.fvu
                << "\n";
    }
  }
} catch (const std::exception& error) {
  std::cerr << "reproduce_paper: " << error.what() << "\n";
  return 1;
}
