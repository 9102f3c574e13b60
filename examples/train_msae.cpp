// Trains a Matryoshka SAE on embeddings, saves it and shows where it stands:  train_msae DATA FOLDER
#include <msae/msae.h>

#include <iostream>

int main(int count, char** arguments) try {
  if (count != 3) throw std::invalid_argument("usage: train_msae file.h5:/path FOLDER");
  const auto rows = msae::data::open(arguments[1]);
  msae::models::SparseAutoencoder sae({.dim = rows->dim(),
                                       .latents = 8 * rows->dim(),
                                       .activation = msae::models::Matryoshka{.levels = {16, 64, 256}}});
  msae::train::Trainer trainer(sae, {.epochs = 30});
  trainer.on_progress(
      [](const auto& p) { std::cerr << p.step << "/" << p.steps << " loss " << p.metrics.loss << "\n"; });
  trainer.fit(*rows);
  msae::io::save(sae, arguments[2]);
  for (const auto& point : msae::eval::evaluate(sae, *rows, {.k = {8, 32, 128}}).points) {
    std::cout << point.label << ": " << point.active << " active, FVU " << point.fvu << "\n";
  }
} catch (const std::exception& error) {
  std::cerr << "train_msae: " << error.what() << "\n";
  return 1;
}
