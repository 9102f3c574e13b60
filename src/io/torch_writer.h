/// \file
/// Writes tensors as torch.save does.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "io/pickle_writer.h"

namespace msae::io {

/// The pickle first, which has to be the first entry, and which names the storages that follow. Holds a copy
/// of every tensor until they are written.
class TorchWriter {
 public:
  /// `file` must outlive the writer; the caller commits it.
  explicit TorchWriter(files::AtomicFile& file) : file_(file) {}

  /// For what is no tensor: dicts, numbers.
  pickle::Writer& pickle() { return pickle_; }

  /// A name, and the tensor of that name. Floats become float32, unless they are float64.
  /// `strides` other than those of rows one after the other say how `values` look to who reads them.
  /// \throws msae::IoError when it holds NaN or infinite values
  void tensor(const std::string& name, const torch::Tensor& values, const Shape& shape, const Shape& strides);
  void tensor(const std::string& name, const torch::Tensor& values);
  /// A matrix [rows, columns] that whoever reads the file sees as [columns, rows].
  void transposed(const std::string& name, const torch::Tensor& values);

  void write();

 private:
  files::AtomicFile& file_;
  pickle::Writer pickle_;
  std::vector<torch::Tensor> storages_;
};

}  // namespace msae::io
