#include "io/pickle_calls.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/printable.h"
#include "data/half.h"
#include "msae/core/error.h"

namespace msae::io::pickle {
namespace {

using Arguments = std::vector<Reference>;

constexpr std::array<std::pair<const char*, const char*>, 10> storage_types{{{"FloatStorage", "F32"},
                                                                             {"DoubleStorage", "F64"},
                                                                             {"HalfStorage", "F16"},
                                                                             {"BFloat16Storage", "BF16"},
                                                                             {"LongStorage", "I64"},
                                                                             {"IntStorage", "I32"},
                                                                             {"ShortStorage", "I16"},
                                                                             {"CharStorage", "I8"},
                                                                             {"ByteStorage", "U8"},
                                                                             {"BoolStorage", "BOOL"}}};

std::string dtype_of(const std::string& global) {
  for (const auto& [name, dtype] : storage_types) {
    if (global == std::string("torch.") + name) return dtype;
  }
  return "";
}

template <class Kind>
const Kind* argument(const Arguments& arguments, std::size_t index) {
  return index < arguments.size() ? std::get_if<Kind>(&arguments[index]->is) : nullptr;
}

bool read_sizes(const Sequence* from, Shape& to) {
  constexpr std::size_t most_dimensions = 16;
  if (!from || from->items.size() > most_dimensions) return false;
  for (const auto* item : from->items) {
    const auto* size = std::get_if<std::int64_t>(&item->is);
    if (!size || *size < 0) return false;
    to.push_back(*size);
  }
  return true;
}

// Whether the last element of a view lies within its storage; one without elements needs none.
bool lies_within(const TensorView& view) {
  if (view.offset < 0 || view.shape.size() != view.strides.size()) return false;
  if (std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end()) return true;
  std::int64_t last = view.offset;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &step)) return false;
    if (__builtin_add_overflow(last, step, &last)) return false;
  }
  return last < view.storage.elements;
}

// (storage, offset, size, stride, requires_grad, hooks)
Value rebuild_tensor(const Arguments& arguments, const Refuse& refuse) {
  const auto* storage = argument<Storage>(arguments, 0);
  const auto* offset = argument<std::int64_t>(arguments, 1);
  TensorView view;
  if (!storage || !offset || !read_sizes(argument<Sequence>(arguments, 2), view.shape) ||
      !read_sizes(argument<Sequence>(arguments, 3), view.strides)) {
    refuse("makes a tensor of something else than a storage, its shape and strides");
  }
  view.storage = *storage;
  view.offset = *offset;
  if (!lies_within(view)) {
    refuse("has a tensor of shape " + to_string(view.shape) + " that does not lie within the " +
           std::to_string(storage->elements) + " elements of its storage");
  }
  return {std::move(view)};
}

Value rebuild_parameter(const Arguments& arguments, const Refuse& refuse) {
  const auto* tensor = argument<TensorView>(arguments, 0);
  if (!tensor) refuse("makes a parameter of something else than a tensor");
  return {*tensor};
}

// Text whose characters are bytes, as Python 3 pickles bytes in protocol 2.
Value encode(const Arguments& arguments, const Refuse& refuse) {
  const auto* text = argument<std::string>(arguments, 0);
  const auto* encoding = argument<std::string>(arguments, 1);
  if (!text || !encoding || *encoding != "latin1") {
    refuse("encodes text otherwise than as latin1");
  }
  Bytes bytes;
  for (std::size_t i = 0; i < text->size(); ++i) {
    auto letter = static_cast<unsigned>(static_cast<unsigned char>((*text)[i]));
    if (letter >= 0x80) {  // two bytes of UTF-8 are all that a character below 256 takes
      const auto next = i + 1 < text->size() ? static_cast<unsigned>((*text)[i + 1]) : 0u;
      if ((letter != 0xc2 && letter != 0xc3) || (next & 0xc0u) != 0x80) {
        refuse("holds bytes that are none");
      }
      letter = (letter << 6 | (next & 0x3fu)) & 0xffu;
      ++i;
    }
    bytes.data += static_cast<char>(letter);
  }
  return {std::move(bytes)};
}

Value numpy_type(const Arguments& arguments, const Refuse& refuse) {
  const auto* code = argument<std::string>(arguments, 0);
  if (!code) refuse("makes a numpy.dtype of something else than a name");
  return {NumpyType{*code}};
}

template <class Number>
Value number(const std::string& bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof(Number));
  if constexpr (std::is_floating_point_v<Number>) {
    return {static_cast<double>(value)};
  } else {
    return {static_cast<std::int64_t>(value)};
  }
}

Value half(const std::string& bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes.data(), sizeof(bits));
  return {static_cast<double>(data::half_to_float(bits))};
}

// (dtype, bytes)
Value numpy_scalar(const Arguments& arguments, const Refuse& refuse) {
  struct Reader {
    const char* code;
    std::size_t size;
    Value (*read)(const std::string&);
  };
  static constexpr Reader readers[] = {
      {"f8", 8, number<double>},       {"f4", 4, number<float>},         {"f2", 2, half},
      {"i8", 8, number<std::int64_t>}, {"i4", 4, number<std::int32_t>},  {"i2", 2, number<std::int16_t>},
      {"i1", 1, number<std::int8_t>},  {"u4", 4, number<std::uint32_t>}, {"u2", 2, number<std::uint16_t>},
      {"u1", 1, number<std::uint8_t>}};
  const auto* type = argument<NumpyType>(arguments, 0);
  const auto* bytes = argument<Bytes>(arguments, 1);
  if (!type || !bytes) refuse("makes a numpy number of something else than its bytes");
  for (const auto& reader : readers) {
    if (type->code != reader.code || bytes->data.size() != reader.size) continue;
    auto data = bytes->data;
    if (type->big_endian) std::reverse(data.begin(), data.end());
    return reader.read(data);
  }
  refuse("holds a numpy number of type " + named(type->code) + " in " + std::to_string(bytes->data.size()) +
         " bytes, which is not known");
}

Value ordered_dict(const Arguments& arguments, const Refuse& refuse) {
  if (!arguments.empty()) refuse("makes an OrderedDict of something");
  return {Dict{}};
}

using Function = Value (*)(const Arguments&, const Refuse&);

Function function_of(const std::string& global) {
  static constexpr std::array<std::pair<const char*, Function>, 7> functions{
      {{"collections.OrderedDict", ordered_dict},
       {"torch._utils._rebuild_tensor_v2", rebuild_tensor},
       {"torch._utils._rebuild_parameter", rebuild_parameter},
       {"numpy.core.multiarray.scalar", numpy_scalar},
       {"numpy._core.multiarray.scalar", numpy_scalar},
       {"numpy.dtype", numpy_type},
       {"_codecs.encode", encode}}};
  for (const auto& [name, function] : functions) {
    if (global == name) return function;
  }
  return nullptr;
}

}  // namespace

void Refuse::operator()(const std::string& what) const {
  throw IoError(file + ": its pickle " + what);
}

std::string named(const std::string& text) {
  constexpr std::size_t longest = 100;
  return printable(text.size() <= longest ? text : text.substr(0, longest) + "...");
}

bool is_known(const std::string& global) {
  return function_of(global) != nullptr || !dtype_of(global).empty();
}

std::string storage_type(const std::string& dtype) {
  for (const auto& [name, of] : storage_types) {
    if (dtype == of) return name;
  }
  return "";
}

Value call(const Global& function, const std::vector<Reference>& arguments, const Refuse& refuse) {
  const auto known = function_of(function.name);
  if (!known) refuse("calls " + named(function.name) + ", which is no function");
  return known(arguments, refuse);
}

void set_state(Value& object, const Value& state, const Refuse& refuse) {
  if (std::holds_alternative<Dict>(object.is)) return;
  auto* type = std::get_if<NumpyType>(&object.is);
  const auto* parts = std::get_if<Sequence>(&state.is);
  const auto* order = parts ? argument<std::string>(parts->items, 1) : nullptr;  // after the version
  if (!type || !order) refuse("sets the state of " + kind(object));
  type->big_endian = *order == ">";
}

Storage storage(const Value& id, const Refuse& refuse) {
  const auto* parts = std::get_if<Sequence>(&id.is);
  const auto* word = parts ? argument<std::string>(parts->items, 0) : nullptr;
  const auto* type = parts ? argument<Global>(parts->items, 1) : nullptr;
  const auto* key = parts ? argument<std::string>(parts->items, 2) : nullptr;
  const auto* elements = parts ? argument<std::int64_t>(parts->items, 4) : nullptr;
  if (!word || *word != "storage" || !type || !key || !elements || *elements < 0) {
    refuse("has a persistent id that is no storage");
  }
  auto dtype = dtype_of(type->name);
  if (dtype.empty()) refuse("has a storage of type " + named(type->name));
  return {std::move(dtype), *key, *elements};
}

}  // namespace msae::io::pickle
