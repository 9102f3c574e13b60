// Trains a small dictionary on embeddings whose concepts are known, and says how many of them it found.
#include <msae/msae.h>

#include <exception>
#include <iostream>

int main() try {
  msae::data::SyntheticHierarchy rows({.rows = 8000, .dim = 64, .concepts = 40, .active = 3});
  msae::models::SparseAutoencoder sae(
      {.dim = rows.dim(), .latents = 128, .activation = msae::models::Matryoshka{.levels = {4, 8}}});
  msae::train::Trainer trainer(sae, {.batch_size = 200, .epochs = 20, .learning_rate = 0.005});
  trainer.fit(rows);

  const auto& truth = rows.truth();
  const auto dictionary = torch::tensor(truth.dictionary).reshape({truth.concepts(), truth.dim});
  const auto found = msae::eval::concept_recovery(sae.decoder, dictionary, truth.depth).front();
  std::cout << "msae " << msae::version() << ": " << found.concepts << " concepts, " << 100 * found.above
            << " % found within cosine 0.9 (at random " << 100 * found.random_above << " %)\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
