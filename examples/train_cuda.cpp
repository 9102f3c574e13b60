// Trains a Matryoshka SAE on a GPU, or on the CPU where there is none, saves it and says how fast it went:
//   train_cuda DATA FOLDER [float32|tf32|bf16]
#include <msae/msae.h>
#include <msae/train/cuda.h>

#include <iostream>
#include <map>
#include <string>

int main(int count, char** arguments) try {
  using msae::train::Precision;
  const std::map<std::string, Precision> precisions = {
      {"float32", Precision::full}, {"tf32", Precision::tf32}, {"bf16", Precision::bfloat16}};
  const auto precision = precisions.find(count == 4 ? arguments[3] : "float32");
  if (count < 3 || count > 4 || precision == precisions.end()) {
    throw std::invalid_argument("usage: train_cuda file.h5:/path FOLDER [float32|tf32|bf16]");
  }
  const auto rows = msae::data::open(arguments[1]);
  msae::models::SparseAutoencoder sae({.dim = rows->dim(),
                                       .latents = 8 * rows->dim(),
                                       .activation = msae::models::Matryoshka{.levels = {16, 64, 256}}});
  sae.to(msae::resolve_device("auto"));
  // Rows stay on the device where they fit; a step is one graph of launches.
  msae::train::CudaTrainer trainer(sae, {.epochs = 30, .fused = {.precision = precision->second}});
  trainer.on_progress(
      [](const auto& p) { std::cerr << p.step << "/" << p.steps << " loss " << p.metrics.loss << "\n"; });
  const auto result = trainer.fit(*rows);
  msae::io::save(sae, arguments[2]);
  std::cout << result.steps << " steps of " << result.step_milliseconds << " ms on " << sae.decoder.device()
            << "\n";
} catch (const std::exception& error) {
  std::cerr << "train_cuda: " << error.what() << "\n";
  return 1;
}
