#include "io/reference_checkpoint.h"

#include <cmath>

#include "msae/core/error.h"

namespace msae::io {
namespace {

ReferenceName told_name(const std::filesystem::path& file, const std::string& as) {
  const auto of_file = name_of_file(file);
  if (!as.empty()) return overridden(of_file.value_or(ReferenceName{}), name_as_told(as));
  if (of_file) return *of_file;
  throw IoError(file.string() +
                ": its name does not tell the model, as 4096_512_TopKReLU_64_UW_False_False_0.0_DATA.pth "
                "would; rename it, or say it: msae convert ... --as TopKReLU_64_UW");
}

const pickle::TensorView& tensor(const pickle::Fields& fields, const std::string& key, const Shape& shape,
                                 const std::string& file) {
  const auto& found = fields.tensor(key);
  if (found.shape != shape) {
    throw IoError(file + ": tensor " + key + " has the shape " + to_string(found.shape) + ", expected " +
                  to_string(shape));
  }
  return found;
}

double scale(const pickle::Fields& fields, const std::string& file) {
  const auto value = fields.number("scaling_factor");
  if (!(value > 0) || !std::isfinite(value)) throw IoError(file + ": scaling_factor must be positive");
  return value;
}

}  // namespace

ReferenceCheckpoint parse_reference(const pickle::Value& root, const std::filesystem::path& file,
                                    const std::string& as) {
  const auto where = file.string();
  const pickle::Fields all(root, where);
  const auto fields = all.dict("model");
  ReferenceCheckpoint found;
  found.encoder = fields.tensor("encoder");
  if (found.encoder.shape.size() != 2 || found.encoder.shape[0] < 1 || found.encoder.shape[1] < 1) {
    throw IoError(where + ": tensor encoder has the shape " + to_string(found.encoder.shape) +
                  ", expected [dim, latents]");
  }
  const auto dim = found.encoder.shape[0], latents = found.encoder.shape[1];
  const bool has_decoder = fields.has("decoder");
  found.model = reference_model(told_name(file, as), dim, latents, has_decoder, where);
  if (has_decoder) found.decoder = tensor(fields, "decoder", {latents, dim}, where);
  found.latent_bias = tensor(fields, "latent_bias", {latents}, where);
  found.pre_bias = tensor(fields, "pre_bias", {dim}, where);
  found.mean = tensor(all, "mean_center", {dim}, where);
  found.scale = scale(all, where);
  return found;
}

}  // namespace msae::io
