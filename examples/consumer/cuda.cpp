// Trains on a GPU. Built where msae was built with CUDA.
#include <msae/msae.h>
#include <msae/train/cuda.h>

#include <exception>
#include <iostream>

int main() try {
  msae::models::SparseAutoencoder sae({.dim = 64, .latents = 128, .activation = msae::models::TopK{4}});
  sae.to(msae::resolve_device("cuda"));
  msae::train::CudaTrainer trainer(sae, {.batch_size = 200, .steps = 20});
  msae::data::SyntheticHierarchy rows({.rows = 8000, .dim = 64, .concepts = 40, .active = 3});
  std::cout << "trained on the GPU, " << trainer.fit(rows).steps << " steps\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
