#include "io/torch_tensors.h"

#include "io/model_folder_parts.h"
#include "io/tensor_file.h"
#include "msae/core/error.h"

namespace msae::io {

void copy_stored(const TorchFile& file, const pickle::TensorView& stored, const std::string& name,
                 const torch::Tensor& target) {
  const auto type = float_type(stored.storage.dtype, file.path().string() + ": tensor " + name);
  auto bytes = file.read_all(stored.storage);
  const auto elements = torch::from_blob(bytes.data(), {stored.storage.elements}, type);
  target.copy_(elements.as_strided(stored.shape, stored.strides, stored.offset));
  if (all_finite(target)) return;
  throw IoError(file.path().string() + ": tensor " + name + " holds NaN, infinite or too large values");
}

}  // namespace msae::io
