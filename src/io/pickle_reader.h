/// \file
/// Reads what torch.save pickles (protocol 2) without running anything: only values, and the few known calls
/// that make tensors and numpy numbers, become a tree. Torch-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "io/tensor_layout.h"

namespace msae::io::pickle {

struct Value;
using Reference = const Value*;  ///< into the Pickle that owns it

struct None {};
struct Bytes {
  std::string data;
};
struct Dict {
  std::vector<std::pair<Reference, Reference>> items;  ///< in their order
};
/// A tuple, or a list.
struct Sequence {
  std::vector<Reference> items;
  bool is_list = false;
};
/// A storage in the archive beside the pickle: the entry "data/KEY".
struct Storage {
  std::string dtype;  ///< as safetensors names it: "F32", "F64", "F16", "BF16", "I64", ...
  std::string key;
  std::int64_t elements = 0;
};
/// A view of a storage, within which it lies.
struct TensorView {
  Storage storage;
  std::int64_t offset = 0;  ///< of its first element in the storage, in elements
  Shape shape;
  Shape strides;  ///< in elements, one per dimension
};
/// A class or function that is named, one of the few that are known.
struct Global {
  std::string name;  ///< "torch._utils._rebuild_tensor_v2"
};
/// numpy.dtype of a single number.
struct NumpyType {
  std::string code;  ///< "f8", "i4", ...
  bool big_endian = false;
};

/// One value. Numpy's scalars are numbers like others.
struct Value {
  std::variant<None, bool, std::int64_t, double, std::string, Bytes, Dict, Sequence, Storage, TensorView,
               Global, NumpyType>
      is;
};

/// "a text", "a dict", ...: for messages.
std::string kind(const Value& value);

/// What is read at most. A pickle names tensors rather than holding them, so real ones are small.
struct Limits {
  std::size_t bytes = 16'000'000;
  std::size_t values = 1'000'000;
  std::size_t text = 32'000'000;  ///< bytes of it in all values
  std::size_t depth = 64;         ///< of containers that are open at once
};

/// A whole pickle and every value in it. Values may lie in several places, even in themselves: walk with a
/// limit.
class Pickle {
 public:
  /// \param text a pickle, from its first opcode to STOP
  /// \param file named in messages
  /// \throws msae::IoError for whatever is damaged, unknown or beyond the limits
  Pickle(std::string_view text, const std::string& file, const Limits& limits = {});

  const Value& root() const { return *root_; }

 private:
  friend class Machine;
  std::deque<Value> values_;
  Reference root_ = nullptr;
};

/// A dict's values by their names. Each reader throws msae::IoError "<file>: <key> is missing" or "<file>:
/// <key> must be a ..., not ...".
class Fields {
 public:
  /// \param prefix of keys in messages, e.g. "model.". `value` must outlive the object.
  Fields(const Value& value, std::string file, std::string prefix = "");

  bool has(const std::string& key) const { return find(key) != nullptr; }
  Fields dict(const std::string& key) const;
  const TensorView& tensor(const std::string& key) const;
  double number(const std::string& key) const;
  /// Names, for messages: "encoder, decoder".
  std::string names() const;

 private:
  Reference find(const std::string& key) const;
  const Value& at(const std::string& key) const;
  [[noreturn]] void refuse_kind(const std::string& key, const char* wanted) const;

  const Dict* dict_ = nullptr;
  std::string file_;
  std::string prefix_;
};

}  // namespace msae::io::pickle
