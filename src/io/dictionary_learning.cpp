#include <array>

#include "core/atomic_file.h"
#include "core/file.h"
#include "io/dictionary_learning_file.h"
#include "io/folded_model.h"
#include "io/model_folder_parts.h"
#include "io/model_format.h"
#include "io/torch_tensors.h"
#include "io/torch_writer.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;
using torch::Tensor;

std::int64_t first_k(const models::Activation& activation) {
  if (const auto* topk = std::get_if<models::TopK>(&activation)) return topk->k;
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) return batch->k;
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) return nested->levels.front();
  return std::get<models::PrefixMatryoshka>(activation).k;
}

// Buffers of the classes that keep the k largest.
void add_selection(TorchWriter& state, const SparseAutoencoder& model) {
  state.tensor("k", torch::scalar_tensor(first_k(model.activation()), torch::kInt32));
  state.tensor("threshold", model.threshold[0].to(torch::kFloat32));
}

// Weights as nn.Linear keeps them.
void add_linear_layers(TorchWriter& state, const SparseAutoencoder& model, const FoldedModel& folded) {
  const bool relu = std::holds_alternative<models::Relu>(model.activation());
  state.tensor(relu ? "bias" : "b_dec", folded.pre_bias);
  if (!relu) add_selection(state, model);
  state.transposed("decoder.weight", folded.decoder);
  state.tensor("encoder.weight", folded.encoder);
  state.tensor("encoder.bias", folded.latent_bias);
}

void add_matrices(TorchWriter& state, const FoldedModel& folded, const Tensor& latent_bias) {
  state.transposed("W_enc", folded.encoder);
  state.tensor("b_enc", latent_bias);
  state.tensor("W_dec", folded.decoder);
  state.tensor("b_dec", folded.pre_bias);
}

void add_weights(TorchWriter& state, const SparseAutoencoder& model, const FoldedModel& folded) {
  const auto type = folded.encoder.scalar_type();
  if (model.log_threshold.defined()) {  // its class does not subtract the bias from its input
    const auto bias = to_float64(folded.latent_bias) - encoded_centre(folded.pre_bias, folded.encoder);
    add_matrices(state, folded, bias.to(type));
    state.tensor("threshold", jump_thresholds(model).to(type));
  } else if (const auto* nested = std::get_if<models::PrefixMatryoshka>(&model.activation())) {
    add_matrices(state, folded, folded.latent_bias);
    add_selection(state, model);
    state.tensor("group_sizes", torch::tensor(group_sizes(nested->sizes), torch::kInt64));
  } else {
    add_linear_layers(state, model, folded);
  }
}

void read_dictionary_threshold(const TorchFile& file, const DictionaryLearningModel& found,
                               SparseAutoencoder& model) {
  if (!found.threshold) return;
  if (model.log_threshold.defined()) {
    const auto thresholds = torch::empty({found.latents}, torch::kFloat64);
    copy_stored(file, *found.threshold, "threshold", thresholds);
    model.log_threshold.copy_(log_thresholds(thresholds));
    return;
  }
  // Also that of a topk model, which does not use it, goes back into the file from here.
  copy_stored(file, *found.threshold, "threshold", model.threshold[0]);
  if (models::chooses_over_batch(found.activation) && model.threshold[0].item<double>() < 0) {
    log::warning(
        file.path().string() +
        ": has not learnt a threshold: as trained, this model keeps every positive latent; ask for a k");
  }
}

}  // namespace

void save_dictionary_learning(const SparseAutoencoder& model, const fs::path& folder) {
  const torch::NoGradGuard no_grad;
  require_plain(model, "dictionary_learning");
  const auto config = dictionary_config_text(model.activation(), model.dim(), model.latents());
  refuse_folder_of_another(folder, config_name);
  make_folder(folder);
  std::array<files::AtomicFile, 2> pair{files::AtomicFile(folder / dictionary_weights_name),
                                        files::AtomicFile(folder / dictionary_config_name)};
  TorchWriter state(pair[0]);
  state.pickle().begin_ordered_dict();
  add_weights(state, model, fold(model, stored_type(model)));
  state.pickle().end_dict();
  state.write();
  pair[1].write(config);
  files::commit_together(pair);
  warn_of_lost_parts(model, folder);
}

std::shared_ptr<SparseAutoencoder> load_dictionary_learning(const fs::path& folder) {
  const TorchFile file(folder / dictionary_weights_name);
  const auto json = folder / dictionary_config_name;
  const auto found = parse_dictionary_learning(file, files::read_text(json, max_config_bytes), json.string());
  const auto type = found.encoder.storage.dtype == "F64" ? torch::kFloat64 : torch::kFloat32;
  auto model = empty_model({.dim = found.dim, .latents = found.latents, .activation = found.activation}, type,
                           folder.string());
  copy_stored(file, found.encoder, "of the encoder", model->encoder);
  copy_stored(file, found.decoder, "of the decoder", model->decoder);
  copy_stored(file, found.latent_bias, "of latent biases", model->latent_bias);
  copy_stored(file, found.pre_bias, "of input biases", model->pre_bias);
  if (!found.centred_input) {
    model->latent_bias.copy_(to_float64(model->latent_bias) +
                             encoded_centre(model->pre_bias, model->encoder));
  }
  read_dictionary_threshold(file, found, *model);
  return model;
}

}  // namespace msae::io
