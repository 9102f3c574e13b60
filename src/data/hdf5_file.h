/// \file
/// A little RAII around the HDF5 C API: what embeddings, and the truth behind synthetic ones, need of it.
/// Works with HDF5 1.10, which has no type for float16: elements are read as the file holds them and
/// converted by half.h.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/half.h"
#include "data/hdf5_trouble.h"
#include "data/objection.h"

namespace msae::data::hdf5 {

/// Held around calls into HDF5, by everything below itself. The library is not thread-safe, so one lock
/// guards it across the process; and it prints its errors, which reach our users as exceptions alone.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
  H5E_auto2_t report_ = nullptr;
  void* report_data_ = nullptr;
};

/// Owns an identifier; negative means none.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept;
  Handle& operator=(Handle&& other) noexcept;
  ~Handle();

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

using Shape = std::vector<std::uint64_t>;

/// Of the chunks of a list that grows. As many as HDF5 keeps in memory for a data set.
constexpr std::uint64_t list_chunk_bytes = 1 << 20;

/// Elements of a floating-point type we can read: what they are, and whether their bytes are the wrong way
/// round here.
struct FloatType {
  Element element = Element::float32;
  bool swapped = false;
  std::size_t size() const { return size_of(element); }
};

struct DataSetInfo {
  std::string path;
  Shape shape;                        ///< empty for a scalar
  std::string type;                   ///< "float16", "int32", "string", ...
  std::optional<FloatType> floating;  ///< none when the elements are anything else
  bool is_link = false;  ///< into another file, which was not opened: all but the path is unknown
  /// "/train/embeddings [41599, 512] float16"
  std::string text() const;
};

using data::text;  // of a shape

/// The first data sets of a list, for messages; "no data set" for none.
std::string text(const std::vector<DataSetInfo>& data_sets);

/// Whether a file is there, and one of HDF5's.
bool is_hdf5(const std::filesystem::path& file);

class DataSet {
 public:
  DataSet(Handle handle, DataSetInfo info, std::string file);

  hid_t id() const { return handle_.get(); }
  const DataSetInfo& info() const { return info_; }
  std::string name() const { return file_ + ":" + info_.path; }

  /// Copies rows [first, first + count) along the first dimension as the file holds them. `out` has room for
  /// them. \throws msae::IoError
  void read_raw(std::uint64_t first, std::uint64_t count, std::byte* out) const;

  /// Of a virtual data set, the first of the data sets it is made of that cannot be opened; empty: none.
  const std::string& missing_part() const { return watch_.missing_part(); }

  /// Whether next to none of its elements were ever written.
  bool is_hollow() const;

  /// Where its rows lie one after the other in a file, for whoever reads them without HDF5.
  struct Place {
    std::string file;
    std::uint64_t begin = 0;  ///< byte of the first row
  };
  /// None where they are chunked, compressed, compact or in several files.
  std::optional<Place> place() const;

  /// Rows of a chunk; 1 where it is not chunked.
  std::uint64_t rows_of_chunk() const;

  /// Writes rows [first, first + count). \throws msae::IoError
  template <class T>
  void write_rows(std::uint64_t first, std::uint64_t count, std::span<const T> rows);

  /// Writes at the end of a list made by File::create_list. \throws msae::IoError
  template <class T>
  void append(std::span<const T> values);

 private:
  Handle select_rows(std::uint64_t first, std::uint64_t count) const;
  Handle memory_space(std::uint64_t count) const;

  Handle handle_;
  DataSetInfo info_;
  std::string file_;
  FileWatch watch_;
};

class File {
 public:
  /// For reading. \throws msae::IoError when there is no such file, or it is no whole HDF5 file
  static File open(const std::filesystem::path& path);
  /// For writing, replacing what is there. \param name for messages, where the path is a temporary one
  /// \throws msae::IoError
  static File create(const std::filesystem::path& path, const std::string& name = {});

  const std::string& name() const { return name_; }

  /// Every data set in every group, and every link into another file, in name order.
  std::vector<DataSetInfo> data_sets() const;

  /// \throws msae::IoError when `path` is a group or missing, listing the data sets that are there
  DataSet data_set(const std::string& path) const;

  /// A whole data set of numbers, converted to T: float, double, std::int32_t, std::int64_t or
  /// std::uint64_t.
  /// \throws msae::IoError also when its shape is not `shape`, if given
  template <class T>
  std::vector<T> read(const std::string& path, const std::optional<Shape>& shape = std::nullopt) const;

  /// A list of strings, of fixed or variable length. \throws msae::IoError
  std::vector<std::string> read_strings(const std::string& path) const;

  /// What write_attribute() wrote; empty where it did not. \throws msae::IoError when it is damaged
  std::string attribute(const std::string& name) const;

  /// Writes a whole data set, making the groups on its way. \throws msae::IoError
  template <class T>
  void write(const std::string& path, std::span<const T> values, const Shape& shape);
  void write_strings(const std::string& path, const std::vector<std::string>& values);

  /// A data set to be filled by rows. \throws msae::IoError
  template <class T>
  DataSet create_rows(const std::string& path, const Shape& shape);

  /// A list to be filled by append(), empty at first. It is kept in chunks of 1 MB, or of `most` values where
  /// they are fewer. \throws msae::IoError
  template <class T>
  DataSet create_list(const std::string& path, std::uint64_t most);

  /// An attribute of the file as a whole. \throws msae::IoError
  void write_attribute(const std::string& name, const std::string& value);

  /// Hands everything to the system: a full disk shows here, not in the destructor. \throws msae::IoError
  void flush();

 private:
  File(Handle handle, std::string name);
  /// \param chunk rows of a chunk of a data set that can grow; 0: it cannot, and is not chunked
  Handle create_data_set(const std::string& path, hid_t type, const Shape& shape, std::uint64_t chunk = 0);
  [[noreturn]] void fail_missing(const std::string& path) const;

  Handle handle_;
  std::string name_;
};

}  // namespace msae::data::hdf5
