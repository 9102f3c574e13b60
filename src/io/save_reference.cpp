#include <cmath>
#include <string>

#include "core/atomic_file.h"
#include "io/model_folder_parts.h"
#include "io/pickle_writer.h"
#include "io/reference_model.h"
#include "io/tensor_file.h"
#include "io/zip_writer.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

const std::string prefix = "archive/";  // PyTorch takes any

// The pickle first, which has to be the first entry, and which names the storages that follow.
class Checkpoint {
 public:
  explicit Checkpoint(files::AtomicFile& file) : file_(file) {}

  pickle::Writer& pickle() { return pickle_; }

  /// `strides` other than those of rows one after the other say how `values` look to who reads them.
  void tensor(const std::string& name, const Tensor& values, const Shape& shape, const Shape& strides) {
    auto stored = values.detach().cpu().contiguous();
    if (stored.is_floating_point()) {
      stored = stored.to(stored.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
      require_finite(stored, name, file_.target());
    }
    pickle_.text(name);
    const auto* dtype = dtype_name(stored.scalar_type());
    pickle_.tensor({{dtype, std::to_string(storages_.size()), stored.numel()}, 0, shape, strides});
    storages_.push_back(std::move(stored));
  }
  void tensor(const std::string& name, const Tensor& values) {
    const auto contiguous = values.contiguous();
    tensor(name, contiguous, contiguous.sizes().vec(), contiguous.strides().vec());
  }

  void write() {
    ZipWriter zip(file_);
    zip.add(prefix + "data.pkl", pickle_.finish());
    zip.add(prefix + "byteorder", "little");
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      zip.add(prefix + "data/" + std::to_string(i), bytes_of(storages_[i]));
    }
    zip.add(prefix + "version", "3\n");
    zip.finish();
  }

 private:
  files::AtomicFile& file_;
  pickle::Writer pickle_;
  std::vector<Tensor> storages_;
};

void add_state(Checkpoint& checkpoint, const SparseAutoencoder& model) {
  const auto dim = model.dim(), latents = model.latents();
  checkpoint.tensor("pre_bias", model.pre_bias);
  checkpoint.tensor("encoder", model.encoder, {dim, latents}, {1, dim});
  checkpoint.tensor("latent_bias", model.latent_bias);
  if (!model.options().tied) checkpoint.tensor("decoder", model.decoder);
  checkpoint.tensor("latents_activation_frequency", torch::zeros({latents}, torch::kInt64));
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
  Checkpoint checkpoint(file);
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
