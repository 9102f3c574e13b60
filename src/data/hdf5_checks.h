/// \file
/// What HDF5 reports, as exceptions with its words in them.
#pragma once

#include <cstdint>
#include <string>

#include "data/hdf5_file.h"

namespace msae::data::hdf5 {

/// \throws msae::IoError when `status` tells of a failure: `what`, and HDF5's own words for it
void check(herr_t status, const std::string& what);
/// Owns `id` from here on. \throws msae::IoError likewise
Handle checked(hid_t id, Handle::Close close, const std::string& what);

/// The text that a function of HDF5 writes into a buffer, or tells the length of; empty where it fails.
template <class Get, class... Of>
std::string text_of(const Get& get, Of... of) {
  const auto length = get(of..., nullptr, 0);
  if (length <= 0) return {};
  std::string text(static_cast<std::size_t>(length), '\0');
  get(of..., text.data(), text.size() + 1);
  return text;
}

DataSetInfo describe(hid_t data_set, const std::string& path);
/// Elements in all.
std::uint64_t product(const Shape& shape);

}  // namespace msae::data::hdf5
