#include <cmath>
#include <string>

#include "core/atomic_file.h"
#include "io/reference_model.h"
#include "io/torch_writer.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;

void add_state(TorchWriter& checkpoint, const SparseAutoencoder& model) {
  checkpoint.tensor("pre_bias", model.pre_bias);
  checkpoint.transposed("encoder", model.encoder);
  checkpoint.tensor("latent_bias", model.latent_bias);
  if (!model.options().tied) checkpoint.tensor("decoder", model.decoder);
  checkpoint.tensor("latents_activation_frequency", torch::zeros({model.latents()}, torch::kInt64));
}

void warn_of_losses(const ReferenceModel& model, const fs::path& file) {
  if (model.over_batch || std::holds_alternative<models::BatchTopK>(model.activation)) {
    log::warning(file.string() +
                 ": does not hold what a model over batches has learnt as thresholds, for which it "
                 "has no place");
  }
  const auto what = untold(model);
  if (!what.empty()) log::warning(file.string() + ": does not hold " + what);
}

}  // namespace

std::string reference_name(const SparseAutoencoder& model) {
  return file_name(reference_of(model));
}

void save_reference(const SparseAutoencoder& model, const fs::path& path) {
  const torch::NoGradGuard no_grad;
  const auto reference = reference_of(model);
  files::AtomicFile file(path);
  TorchWriter checkpoint(file);
  auto& pickle = checkpoint.pickle();
  pickle.begin_dict();
  pickle.text("model");
  pickle.begin_ordered_dict();
  add_state(checkpoint, model);
  pickle.end_dict();
  checkpoint.tensor("mean_center", model.mean);
  pickle.text("scaling_factor");
  pickle.real(model.scale.item<double>());
  pickle.text("target_norm");  // a number of Python's own, which loads with weights_only=True too
  pickle.real(std::sqrt(static_cast<double>(model.dim())));
  pickle.end_dict();
  checkpoint.write();
  file.commit();
  warn_of_losses(reference, path);
}

}  // namespace msae::io
