// CKNNA of embeddings against sparse codes of 4096 latents: cknna_benchmark DATA. For its memory run it under
// `/usr/bin/time -v`.
#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <vector>

#include "msae/data/source.h"
#include "msae/eval/cknna.h"

namespace {

torch::Tensor all_rows(const char* data) {
  const auto source = msae::data::open(data);
  const auto rows = torch::empty({source->rows(), source->dim()});
  source->read(0, source->rows(), {rows.mutable_data_ptr<float>(), static_cast<std::size_t>(rows.numel())});
  return rows;
}

/// relu of a random projection of the centred rows, minus a constant: about 2% of the latents are active.
torch::Tensor codes(const torch::Tensor& rows) {
  auto generator = at::detail::createCPUGenerator(42);
  const auto centred = rows - rows.mean(0);
  const auto projection = torch::empty({rows.size(1), 4096}).normal_(0, 1, generator);
  const auto latents = centred.mm(projection);
  return (latents - 2 * latents.std()).relu_();
}

void run(const char* data) {
  const auto rows = all_rows(data);
  const auto latents = codes(rows);
  const auto start = std::chrono::steady_clock::now();
  const double value = msae::eval::cknna(rows, latents);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << "CKNNA " << value << " of " << rows.sizes() << " and " << latents.sizes() << " with "
            << (latents > 0).sum(1).to(torch::kFloat64).mean().item<double>() << " active in "
            << seconds.count() << " s\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: cknna_benchmark FILE.h5:/PATH\n";
    return 2;
  }
  try {
    run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
