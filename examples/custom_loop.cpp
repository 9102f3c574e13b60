// A training loop of one's own: a classifier that reads embeddings through a sparse autoencoder, both trained
// together by an optimiser of one's choice. The classes are the root concepts of made-up embeddings.
//   custom_loop [STEPS]
#include <msae/msae.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>

#include <cstdlib>
#include <exception>
#include <iostream>

namespace {

// Any torch::nn::Module may hold a SparseAutoencoder: its parameters and buffers come along.
struct ConceptClassifier : torch::nn::Module {
  ConceptClassifier(msae::models::SparseAutoencoderOptions options, std::int64_t classes)
      : sae(register_module("sae", std::make_shared<msae::models::SparseAutoencoder>(options))),
        head(register_module("head", torch::nn::Linear(options.latents, classes))) {}

  torch::Tensor forward(const torch::Tensor& embeddings) { return head(sae->encode(embeddings)); }

  std::shared_ptr<msae::models::SparseAutoencoder> sae;
  torch::nn::Linear head;
};

// The class of a row: its first concept, which is a root.
torch::Tensor classes(const msae::data::SyntheticHierarchy& rows) {
  auto labels = torch::zeros({rows.rows()}, torch::kInt64);
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    const auto concepts = rows.code(row).concepts;
    if (!concepts.empty()) labels[row] = concepts.front();
  }
  return labels;
}

void run(int steps) {
  msae::data::SyntheticHierarchy rows({.rows = 2000, .dim = 32, .concepts = 30, .depth = 2, .active = 4});
  auto embeddings = torch::empty({rows.rows(), rows.dim()});
  rows.read(0, rows.rows(), {embeddings.data_ptr<float>(), static_cast<std::size_t>(embeddings.numel())});
  const auto labels = classes(rows);

  ConceptClassifier model({.dim = rows.dim(), .latents = 128, .activation = msae::models::TopK{8}}, 30);
  const msae::train::TrainOptions options;
  msae::train::set_statistics(*model.sae, msae::data::statistics(rows), options.scaling);
  torch::optim::Adam optimiser(model.parameters(), 1e-2);
  for (int step = 0; step < steps; ++step) {
    const auto batch = torch::randint(rows.rows(), {256}, torch::kInt64);
    const auto x = embeddings.index_select(0, batch);
    const auto wrong = torch::nn::functional::cross_entropy(model.forward(x), labels.index_select(0, batch));
    const auto loss = msae::train::training_loss(*model.sae, x, options) + 0.1 * wrong;
    optimiser.zero_grad();
    loss.backward();
    optimiser.step();
  }
  const torch::NoGradGuard no_grad;
  const auto right = model.forward(embeddings).argmax(1).eq(labels).to(torch::kFloat32).mean();
  const auto point = msae::eval::evaluate(*model.sae, rows).points.front();
  std::cout << "FVU " << point.fvu << " with " << point.active << " active, " << 100 * right.item<double>()
            << " % of the rows classified\n";
}

}  // namespace

int main(int count, char** values) try {
  run(count > 1 ? std::stoi(values[1]) : 200);
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
