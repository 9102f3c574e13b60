// What of hdf5_file.h writes.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "data/hdf5_checks.h"
#include "data/hdf5_file.h"
#include "data/hdf5_type.h"
#include "msae/core/error.h"

namespace msae::data::hdf5 {

template <class T>
void DataSet::write_rows(std::uint64_t first, std::uint64_t count, std::span<const T> rows) {
  const Session session;
  const Handle in_file = select_rows(first, count);
  const Handle in_memory = memory_space(count);
  check(H5Dwrite(handle_.get(), native_type<T>(), in_memory.get(), in_file.get(), H5P_DEFAULT, rows.data()),
        name() + " cannot be written");
}

template <class T>
void DataSet::append(std::span<const T> values) {
  if (values.empty()) return;
  const Session session;
  const auto before = info_.shape.at(0);
  info_.shape[0] += values.size();
  const hsize_t size = info_.shape[0];
  check(H5Dset_extent(handle_.get(), &size), name() + " cannot be written");
  write_rows(before, values.size(), values);
}

File File::create(const std::filesystem::path& path, const std::string& name) {
  const Session session;
  const auto shown = name.empty() ? path.string() : name;
  return {checked(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose,
                  shown + " cannot be created"),
          shown};
}

Handle File::create_data_set(const std::string& path, hid_t type, const Shape& shape, std::uint64_t chunk) {
  const Handle links{H5Pcreate(H5P_LINK_CREATE), H5Pclose};
  H5Pset_create_intermediate_group(links.get(), 1);
  const Handle layout{H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
  const std::vector<hsize_t> sizes(shape.begin(), shape.end());
  auto most = sizes;
  if (chunk > 0) {
    auto sizes_of_chunk = sizes;
    sizes_of_chunk.at(0) = chunk;
    most.at(0) = H5S_UNLIMITED;
    H5Pset_chunk(layout.get(), static_cast<int>(sizes.size()), sizes_of_chunk.data());
  }
  const Handle space{H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), most.data()), H5Sclose};
  return checked(
      H5Dcreate2(handle_.get(), path.c_str(), type, space.get(), links.get(), layout.get(), H5P_DEFAULT),
      H5Dclose, name_ + ":" + path + " cannot be created");
}

template <class T>
void File::write(const std::string& path, std::span<const T> values, const Shape& shape) {
  const Session session;
  if (values.size() != product(shape))
    throw IoError(name_ + ":" + path + ": the values do not fill " + text(shape));
  const Handle data = create_data_set(path, native_type<T>(), shape);
  check(H5Dwrite(data.get(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        name_ + ":" + path + " cannot be written");
}

void File::write_strings(const std::string& path, const std::vector<std::string>& values) {
  const Session session;
  const Handle type = string_type();
  std::vector<const char*> elements;
  elements.reserve(values.size());
  for (const auto& value : values) elements.push_back(value.c_str());
  const Handle data = create_data_set(path, type.get(), {values.size()});
  check(H5Dwrite(data.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                 static_cast<const void*>(elements.data())),
        name_ + ":" + path + " cannot be written");
}

template <class T>
DataSet File::create_rows(const std::string& path, const Shape& shape) {
  const Session session;
  Handle data = create_data_set(path, native_type<T>(), shape);
  DataSetInfo info = describe(data.get(), path);
  return {std::move(data), std::move(info), name_};
}

template <class T>
DataSet File::create_list(const std::string& path, std::uint64_t most) {
  const Session session;
  const auto chunk = std::clamp<std::uint64_t>(most, 1, list_chunk_bytes / sizeof(T));
  Handle data = create_data_set(path, native_type<T>(), {0}, chunk);
  DataSetInfo info = describe(data.get(), path);
  return {std::move(data), std::move(info), name_};
}

void File::write_attribute(const std::string& name, const std::string& value) {
  const Session session;
  const Handle type = string_type();
  const Handle space{H5Screate(H5S_SCALAR), H5Sclose};
  const auto what = name_ + ": the attribute " + name + " cannot be written";
  const Handle attribute =
      checked(H5Acreate2(handle_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose, what);
  const char* text = value.c_str();
  check(H5Awrite(attribute.get(), type.get(), static_cast<const void*>(&text)), what);
}

void File::flush() {
  const Session session;
  check(H5Fflush(handle_.get(), H5F_SCOPE_GLOBAL), name_ + " cannot be written to the end");
}

template void File::write(const std::string&, std::span<const float>, const Shape&);
template void File::write(const std::string&, std::span<const double>, const Shape&);
template void File::write(const std::string&, std::span<const std::int32_t>, const Shape&);
template void File::write(const std::string&, std::span<const std::int64_t>, const Shape&);
template void DataSet::write_rows(std::uint64_t, std::uint64_t, std::span<const float>);
template void DataSet::write_rows(std::uint64_t, std::uint64_t, std::span<const std::int64_t>);
template void DataSet::append(std::span<const float>);
template void DataSet::append(std::span<const std::int32_t>);
template DataSet File::create_rows<float>(const std::string&, const Shape&);
template DataSet File::create_rows<std::int64_t>(const std::string&, const Shape&);
template DataSet File::create_list<float>(const std::string&, std::uint64_t);
template DataSet File::create_list<std::int32_t>(const std::string&, std::uint64_t);

}  // namespace msae::data::hdf5
