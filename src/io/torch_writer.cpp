#include "io/torch_writer.h"

#include "io/model_folder_parts.h"
#include "io/tensor_file.h"
#include "io/zip_writer.h"

namespace msae::io {

using torch::Tensor;

namespace {

const std::string prefix = "archive/";  // PyTorch takes any

}  // namespace

void TorchWriter::tensor(const std::string& name, const Tensor& values, const Shape& shape,
                         const Shape& strides) {
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

void TorchWriter::tensor(const std::string& name, const Tensor& values) {
  const auto contiguous = values.contiguous();
  tensor(name, contiguous, contiguous.sizes().vec(), contiguous.strides().vec());
}

void TorchWriter::transposed(const std::string& name, const Tensor& values) {
  tensor(name, values, {values.size(1), values.size(0)}, {1, values.size(1)});
}

void TorchWriter::write() {
  ZipWriter zip(file_);
  zip.add(prefix + "data.pkl", pickle_.finish());
  zip.add(prefix + "byteorder", "little");
  for (std::size_t i = 0; i < storages_.size(); ++i) {
    zip.add(prefix + "data/" + std::to_string(i), bytes_of(storages_[i]));
  }
  zip.add(prefix + "version", "3\n");
  zip.finish();
}

}  // namespace msae::io
