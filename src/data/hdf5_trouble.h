/// \file
/// What HDF5 itself says obscurely: why an object is not there, and why its elements cannot be read.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "core/file.h"

namespace msae::data::hdf5 {

/// "/x in other.h5" for an external link, "/x" for a soft one; `path` must be one of the two.
std::string link_target(hid_t file, const std::string& path, H5L_type_t type);

/// "/a is a link to /x in other.h5, which is not there" for the first link on the way to `path` that leads
/// nowhere; empty where there is none.
std::string broken_link(hid_t file, const std::string& path);

/// "filter 32000 (lzf)" for the first filter of a data set that this HDF5 lacks; empty where it has them all.
std::string missing_filter(hid_t data_set);

/// Whether so little is stored that next to none of the declared elements were ever written. Compression
/// reaches about a thousandth.
bool is_hollow(hid_t data_set);

/// Watches over the file that a data set is in, and over those of the parts of a virtual one, while that is
/// open: beyond the end of a file that was cut since, HDF5 reads zeros.
class FileWatch {
 public:
  explicit FileWatch(hid_t data_set);
  /// Whether one of them was written to since then.
  bool has_changed() const;
  /// "/x in part_1.h5" for the first data set in another file that a virtual one is made of and that could
  /// not be opened, for which HDF5 would give zeros; empty where there is none.
  const std::string& missing_part() const { return missing_part_; }

 private:
  int descriptor_ = -1;  ///< HDF5's; none where it reads by other means than this
  std::optional<files::Stamp> at_first_;
  std::map<std::filesystem::path, files::Stamp> parts_;
  std::string missing_part_;
};

}  // namespace msae::data::hdf5
