/// \file
/// HDF5 files of every kind, written through the C API: also such as the library itself would never write.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace msae::test {

struct Storage {
  std::vector<hsize_t> chunk = {};  ///< empty: contiguous
  bool gzip = false;
  H5Z_filter_t filter = 0;  ///< one more, see ForeignFilter
};

/// A filter that exists while this lives, and changes nothing: elements written with it need a filter which
/// nobody else has.
class ForeignFilter {
 public:
  static constexpr H5Z_filter_t number = 32000;

  ForeignFilter() {
    const H5Z_class2_t filter{H5Z_CLASS_T_VERS, number, 1, 1, "lzf", nullptr, nullptr, unchanged};
    H5Zregister(&filter);
  }
  ForeignFilter(const ForeignFilter&) = delete;
  ForeignFilter& operator=(const ForeignFilter&) = delete;
  ~ForeignFilter() { H5Zunregister(number); }

 private:
  static std::size_t unchanged(unsigned, std::size_t, const unsigned*, std::size_t bytes, std::size_t*,
                               void**) {
    return bytes;
  }
};

/// An IEEE floating-point type of 2, 4 or 8 bytes. HDF5 1.10 has none of 2: h5py makes it like this.
inline hid_t float_type(std::size_t bytes, bool big_endian) {
  const hid_t type = H5Tcopy(bytes == 8 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE);
  if (bytes == 2) {
    H5Tset_fields(type, 15, 10, 5, 0, 10);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
  }
  H5Tset_order(type, big_endian ? H5T_ORDER_BE : H5T_ORDER_LE);
  return type;
}

/// An HDF5 file under construction, closed at the end of its scope.
class Hdf5File {
 public:
  explicit Hdf5File(const std::filesystem::path& path)
      : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;
  ~Hdf5File() { H5Fclose(file_); }

  hid_t id() const { return file_; }

  void group(const std::string& path) {
    H5Gclose(H5Gcreate2(file_, path.c_str(), with_groups(), H5P_DEFAULT, H5P_DEFAULT));
  }

  /// Zeros that have their place in the file and take no room on the disk.
  void zeros(const std::string& path, hid_t type, const std::vector<hsize_t>& shape) {
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
    H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    H5Dclose(H5Dcreate2(file_, path.c_str(), type, space, with_groups(), layout, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(layout);
  }

  /// `bytes`: elements of `type` as the file shall hold them; null leaves the data set without storage.
  void data_set(const std::string& path, hid_t type, const std::vector<hsize_t>& shape, const void* bytes,
                const Storage& storage = {}) {
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    if (!storage.chunk.empty())
      H5Pset_chunk(layout, static_cast<int>(storage.chunk.size()), storage.chunk.data());
    if (storage.gzip) H5Pset_deflate(layout, 6);
    if (storage.filter != 0) H5Pset_filter(layout, storage.filter, H5Z_FLAG_MANDATORY, 0, nullptr);
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t data = H5Dcreate2(file_, path.c_str(), type, space, with_groups(), layout, H5P_DEFAULT);
    if (bytes != nullptr) H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes);
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(layout);
  }

  void floats(const std::string& path, const std::vector<hsize_t>& shape, const std::vector<float>& values,
              const Storage& storage = {}) {
    data_set(path, H5T_NATIVE_FLOAT, shape, values.data(), storage);
  }

 private:
  static hid_t with_groups() {
    static const hid_t links = [] {
      const hid_t list = H5Pcreate(H5P_LINK_CREATE);
      H5Pset_create_intermediate_group(list, 1);
      return list;
    }();
    return links;
  }

  hid_t file_;
};

}  // namespace msae::test
