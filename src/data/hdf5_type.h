/// \file
/// What HDF5's element types mean to us.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "data/hdf5_file.h"

namespace msae::data::hdf5 {

/// None unless elements are IEEE float16, float32 or float64.
std::optional<FloatType> float_type(hid_t type);

/// "float16", "int32", "uint8", "string", ...; for messages.
std::string type_name(hid_t type);

/// Strings of any length, UTF-8.
Handle string_type();

/// Fills `values`, as many as the data set of strings has elements. Negative on failure.
herr_t read_string_elements(hid_t data_set, std::vector<std::string>& values);

template <class T>
hid_t native_type() {
  if constexpr (std::is_same_v<T, float>) return H5T_NATIVE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return H5T_NATIVE_DOUBLE;
  if constexpr (std::is_same_v<T, std::int32_t>) return H5T_NATIVE_INT32;
  if constexpr (std::is_same_v<T, std::int64_t>) return H5T_NATIVE_INT64;
  if constexpr (std::is_same_v<T, std::uint64_t>) return H5T_NATIVE_UINT64;
}

}  // namespace msae::data::hdf5
