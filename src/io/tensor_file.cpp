#include "io/tensor_file.h"

#include "io/safetensors.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::io {
namespace {

struct TypeName {
  torch::ScalarType type;
  const char* name;
};
constexpr TypeName type_names[] = {
    {torch::kFloat32, "F32"}, {torch::kFloat64, "F64"}, {torch::kInt64, "I64"}, {torch::kInt32, "I32"}};

torch::ScalarType type_of(const std::string& name, const std::filesystem::path& path) {
  for (const auto& known : type_names) {
    if (known.name == name) return known.type;
  }
  throw IoError(path.string() + ": holds a tensor of type " + name + "; F32, F64, I64 or I32 was expected");
}

}  // namespace

const char* dtype_name(torch::ScalarType type) {
  for (const auto& known : type_names) {
    if (known.type == type) return known.name;
  }
  TORCH_CHECK(false, "save_tensors: cannot write tensors of type ", type);
}

torch::ScalarType float_type(const std::string& dtype, const std::string& where) {
  if (dtype == "F32") return torch::kFloat32;
  if (dtype == "F64") return torch::kFloat64;
  if (dtype == "F16") return torch::kFloat16;
  if (dtype == "BF16") return torch::kBFloat16;
  throw IoError(where + " is " + dtype + ", expected F32, F64, F16 or BF16");
}

void save_tensors(const std::filesystem::path& path, const TensorFile& file) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  declarations.reserve(file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    declarations.push_back({name, dtype_name(tensor.scalar_type()), tensor.sizes().vec()});
  }
  files::AtomicFile out(path);
  SafetensorsWriter writer(out, declarations, file.metadata);
  for (const auto& [name, tensor] : file.tensors) writer.write(bytes_of(tensor.detach().cpu().contiguous()));
  writer.finish();
  out.commit();
}

TensorFile load_tensors(const std::filesystem::path& path) {
  const SafetensorsFile in(path);
  TensorFile file{{}, in.metadata()};
  for (const auto& [name, entry] : in.tensors()) {
    require_memory(entry.bytes, path.string() + ": tensor " + name);
    auto tensor = torch::empty(entry.shape, type_of(entry.dtype, path));
    in.read(entry, 0, bytes_of(tensor));
    file.tensors.emplace(name, std::move(tensor));
  }
  return file;
}

}  // namespace msae::io
