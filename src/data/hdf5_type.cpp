#include "data/hdf5_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace msae::data::hdf5 {
namespace {

/// Where IEEE 754 puts exponent and mantissa; the sign is the top bit.
struct Layout {
  Element element;
  std::size_t bytes, exponent_bits, mantissa_bits, bias;
};
constexpr std::array layouts{Layout{Element::float16, 2, 5, 10, 15}, Layout{Element::bfloat16, 2, 8, 7, 127},
                             Layout{Element::float32, 4, 8, 23, 127},
                             Layout{Element::float64, 8, 11, 52, 1023}};

bool has(hid_t type, const Layout& layout) {
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  return H5Tget_size(type) == layout.bytes && sign == 8 * layout.bytes - 1 && mantissa == 0 &&
         exponent == layout.mantissa_bits && mantissa_bits == layout.mantissa_bits &&
         exponent_bits == layout.exponent_bits && H5Tget_ebias(type) == layout.bias;
}

std::string float_name(hid_t type) {
  if (const auto known = float_type(type)) return name_of(known->element);
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  return "float of " + std::to_string(H5Tget_size(type)) + " bytes with " + std::to_string(exponent_bits) +
         " exponent bits";
}

}  // namespace

std::optional<FloatType> float_type(hid_t type) {
  if (H5Tget_class(type) != H5T_FLOAT) return std::nullopt;
  const auto order = H5Tget_order(type);
  if (order != H5T_ORDER_LE && order != H5T_ORDER_BE) return std::nullopt;
  const auto found =
      std::find_if(layouts.begin(), layouts.end(), [&](const Layout& layout) { return has(type, layout); });
  if (found == layouts.end()) return std::nullopt;
  return FloatType{found->element, (order == H5T_ORDER_BE) == (std::endian::native == std::endian::little)};
}

std::string type_name(hid_t type) {
  const auto bits = std::to_string(8 * H5Tget_size(type));
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      return float_name(type);
    case H5T_INTEGER:
      return (H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int") + bits;
    case H5T_STRING:
      return "string";
    case H5T_COMPOUND:
      return "compound";
    case H5T_ENUM:
      return "enumeration";
    case H5T_ARRAY:
      return "array";
    case H5T_VLEN:
      return "variable-length";
    default:
      return "opaque";
  }
}

Handle string_type() {
  Handle type{H5Tcopy(H5T_C_S1), H5Tclose};
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

herr_t read_string_elements(hid_t data_set, std::vector<std::string>& values) {
  const Handle type{H5Dget_type(data_set), H5Tclose};
  if (H5Tis_variable_str(type.get()) > 0) {
    std::vector<char*> elements(values.size(), nullptr);
    const herr_t status =
        H5Dread(data_set, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, static_cast<void*>(elements.data()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (status >= 0 && elements[i] != nullptr) values[i] = elements[i];
      H5free_memory(elements[i]);
    }
    return status;
  }
  const std::size_t width = H5Tget_size(type.get());
  std::vector<char> characters(width * values.size());
  const herr_t status = H5Dread(data_set, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, characters.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* begin = characters.data() + i * width;
    values[i].assign(begin, std::find(begin, begin + width, '\0'));
  }
  return status;
}

}  // namespace msae::data::hdf5
