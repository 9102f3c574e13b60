#include "data/tensor_source.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <utility>

#include "core/file.h"
#include "core/printable.h"
#include "data/half.h"
#include "data/objection.h"
#include "data/raw_file.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "msae/core/error.h"

namespace msae::data {
namespace {

namespace fs = std::filesystem;
namespace pickle = io::pickle;

/// One tensor of a file, and where its elements begin if they lie in rows.
struct Tensor {
  Listing listing;
  std::optional<Element> element;
  std::uint64_t begin = 0;
  bool in_rows = true;
};

Tensor described(std::string name, const io::Shape& shape, const std::string& dtype) {
  Tensor tensor;
  tensor.element = element_of(dtype);
  auto& listing = tensor.listing;
  listing.path = std::move(name);
  listing.shape.assign(shape.begin(), shape.end());
  listing.type = tensor.element ? name_of(*tensor.element) : dtype;
  listing.usable = objection(listing.shape, listing.type, tensor.element.has_value()).empty();
  return tensor;
}

std::vector<Tensor> tensors_of(const io::SafetensorsFile& file) {
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : file.tensors()) {
    tensors.push_back(described(name, entry.shape, entry.dtype));
    tensors.back().begin = file.position(entry);
  }
  return tensors;
}

bool is_in_rows(const pickle::TensorView& view) {
  if (view.shape.size() != 2) return true;  // never read
  return (view.shape[1] == 1 || view.strides[1] == 1) &&
         (view.shape[0] == 1 || view.strides[0] == view.shape[1]);
}

void add(std::string name, const pickle::Value& value, const io::TorchFile& file,
         std::vector<Tensor>& tensors) {
  const auto* view = std::get_if<pickle::TensorView>(&value.is);
  if (!view) return;
  auto tensor = described(std::move(name), view->shape, view->storage.dtype);
  tensor.in_rows = is_in_rows(*view);
  if (tensor.listing.usable) {  // the storage is looked for only then
    const auto skipped = static_cast<std::uint64_t>(view->offset) * io::element_size(view->storage.dtype);
    tensor.begin = file.position(view->storage) + skipped;
  }
  tensors.push_back(std::move(tensor));
}

std::vector<Tensor> tensors_of(const io::TorchFile& file) {
  std::vector<Tensor> tensors;
  add("", file.root(), file, tensors);
  if (const auto* dict = std::get_if<pickle::Dict>(&file.root().is)) {
    for (const auto& [key, value] : dict->items) {
      if (const auto* name = std::get_if<std::string>(&key->is)) add(*name, *value, file, tensors);
    }
  }
  return tensors;
}

std::string text(const std::vector<Tensor>& tensors) {
  const auto one = [](const Tensor& tensor) {
    const auto& [path, shape, type, usable] = tensor.listing;
    return printable(path) + (path.empty() ? "" : " ") + data::text(shape) + " " + type;
  };
  return tensors.empty() ? "no tensor" : first_few(tensors, one);
}

/// What is called `name`, which users may write as a path.
Tensor named(const std::vector<Tensor>& tensors, const std::string& name, const std::string& file) {
  const auto without_slash = name.substr(name.starts_with('/') ? 1 : 0);
  for (const auto& wanted : {name, without_slash}) {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const Tensor& tensor) { return tensor.listing.path == wanted; });
    if (found != tensors.end() && !wanted.empty()) return *found;
  }
  throw IoError(file + ": " +
                (without_slash.empty() ? "a colon without a name" : "no tensor " + printable(without_slash)) +
                "; the file holds " + text(tensors));
}

Tensor only_candidate(const std::vector<Tensor>& tensors, const std::string& file) {
  std::vector<Tensor> candidates;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(candidates),
               [](const Tensor& tensor) { return tensor.listing.usable; });
  const auto in_rows = [](const Tensor& tensor) { return tensor.in_rows; };
  if (std::any_of(candidates.begin(), candidates.end(), in_rows))
    std::erase_if(candidates, std::not_fn(in_rows));
  if (candidates.empty() && tensors.size() == 1) return tensors.front();  // its trouble is worth telling
  if (candidates.empty()) {
    throw IoError(file + " holds no two-dimensional floating-point tensor; it holds " + text(tensors));
  }
  if (candidates.size() > 1) {
    throw IoError(file + " holds several tensors of embeddings: " + text(candidates) + "; name one, as in " +
                  file + ":" + candidates.front().listing.path);
  }
  return candidates.front();
}

std::unique_ptr<EmbeddingSource> open_tensor(const fs::path& path, const std::vector<Tensor>& tensors,
                                             const std::string& wanted) {
  const auto file = path.string();
  const auto tensor = wanted.empty() ? only_candidate(tensors, file) : named(tensors, wanted, file);
  const auto& [inside, shape, type, usable] = tensor.listing;
  const auto name = file + (inside.empty() ? "" : ":" + inside);
  const auto no = objection(shape, printable(type), tensor.element.has_value());
  if (!no.empty()) throw IoError(name + no);
  if (!tensor.in_rows) {
    throw IoError(name + ": its rows do not lie one after the other in the file; write it again from " +
                  "tensor.contiguous()");
  }
  return raw_file(files::File(path), name,
                  {tensor.begin, static_cast<std::int64_t>(shape[0]), static_cast<std::int64_t>(shape[1]),
                   *tensor.element, false});
}

std::vector<Listing> listings(std::vector<Tensor> tensors) {
  std::vector<Listing> listings;
  listings.reserve(tensors.size());
  for (auto& tensor : tensors) listings.push_back(std::move(tensor.listing));
  return listings;
}

}  // namespace

std::unique_ptr<EmbeddingSource> open_safetensors(const fs::path& file, const std::string& name) {
  return open_tensor(file, tensors_of(io::SafetensorsFile(file)), name);
}

std::vector<Listing> list_safetensors(const fs::path& file) {
  return listings(tensors_of(io::SafetensorsFile(file)));
}

std::unique_ptr<EmbeddingSource> open_torch(const fs::path& file, const std::string& name) {
  return open_tensor(file, tensors_of(io::TorchFile(file)), name);
}

std::vector<Listing> list_torch(const fs::path& file) {
  return listings(tensors_of(io::TorchFile(file)));
}

}  // namespace msae::data
