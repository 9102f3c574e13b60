#include "io/tensor_file.h"

#include "io/crc32.h"
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

std::uint32_t checksum(const TensorFile& file) {
  std::uint32_t sum = 0;
  const auto add = [&](const std::string& text) {
    sum = crc32(std::as_bytes(std::span(text.c_str(), text.size() + 1)),
                sum);  // its end told from the next begin
  };
  for (const auto& [key, value] : file.metadata) add(key), add(value);
  for (const auto& [name, tensor] : file.tensors) {
    add(name), add(dtype_name(tensor.scalar_type())), add(to_string(tensor.sizes().vec()));
    const auto values = tensor.detach().cpu().contiguous();
    sum = crc32(bytes_of(values), sum);
  }
  return sum;
}

void write_tensors(files::AtomicFile& out, const TensorFile& file) {
  std::vector<SafetensorsWriter::Declaration> declarations;
  declarations.reserve(file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    declarations.push_back({name, dtype_name(tensor.scalar_type()), tensor.sizes().vec()});
  }
  SafetensorsWriter writer(out, declarations, file.metadata);
  for (const auto& [name, tensor] : file.tensors) writer.write(bytes_of(tensor.detach().cpu().contiguous()));
  writer.finish();
}

void save_tensors(const std::filesystem::path& path, const TensorFile& file) {
  files::AtomicFile out(path);
  write_tensors(out, file);
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
