#include "data/hdf5_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>

#include "core/printable.h"
#include "data/hdf5_checks.h"
#include "data/hdf5_trouble.h"
#include "data/hdf5_type.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data::hdf5 {
namespace {

std::recursive_mutex& library_lock() {
  static std::recursive_mutex lock;
  return lock;
}

/// The system's words in one of HDF5's messages where it quotes them, else its first line: the rest is for
/// debugging.
std::string essence(const std::string& message) {
  constexpr std::string_view quote = "error message = '";
  if (const auto at = message.find(quote); at != std::string::npos) {
    const auto begin = at + quote.size();
    return message.substr(begin, message.find('\'', begin) - begin);
  }
  return message.substr(0, message.find('\n'));
}

/// HDF5's own words for the error it met first, in brackets: they tell a truncated file from an unknown
/// filter.
std::string reason() {
  std::string text;
  const auto keep_first = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 1;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  return text.empty() ? "" : " (HDF5 says: " + essence(text) + ")";
}

Shape shape_of(hid_t data_set) {
  const Handle space{H5Dget_space(data_set), H5Sclose};
  Shape shape(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space.get()))));
  std::vector<hsize_t> sizes(shape.size());
  H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
  std::copy(sizes.begin(), sizes.end(), shape.begin());
  return shape;
}

/// What stops us before HDF5 is asked, whose own words for it are obscure.
void check_readable(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw IoError(name + ": no such file");
  if (std::filesystem::is_directory(status)) throw IoError(name + " is a folder; name an HDF5 file");
  if (!std::filesystem::is_regular_file(status)) throw IoError(name + " is no regular file");
  errno = 0;
  if (!std::ifstream(path)) throw IoError(name + " cannot be read: " + std::strerror(errno));
}

/// The shape of a data set's chunks; empty where it has none.
std::vector<hsize_t> chunk_of(hid_t data_set, const DataSetInfo& info) {
  const Handle layout{H5Dget_create_plist(data_set), H5Pclose};
  if (H5Pget_layout(layout.get()) != H5D_CHUNKED) return {};
  std::vector<hsize_t> chunk(info.shape.size());
  H5Pget_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data());
  return chunk;
}

/// The chunk cache must hold every chunk that a row crosses, twice over where a block of rows ends within
/// chunks: else compressed chunks are unpacked again for every piece of them. Left alone where that would be
/// a good part of memory.
void fit_chunk_cache(hid_t data_set, hid_t access, const DataSetInfo& info) {
  const auto chunk = chunk_of(data_set, info);
  if (chunk.size() < 2) return;
  std::uint64_t across = 1;
  for (std::size_t i = 1; i < chunk.size(); ++i) {
    across = saturating_product(across, info.shape[i] / std::max<hsize_t>(1, chunk[i]) + 1);
  }
  const Handle type{H5Dget_type(data_set), H5Tclose};
  const auto chunk_bytes = saturating_product(product({chunk.begin(), chunk.end()}), H5Tget_size(type.get()));
  const auto bytes = saturating_product(2 * chunk_bytes, across);
  constexpr std::uint64_t default_bytes = 1 << 20;
  if (bytes <= default_bytes || bytes > available_memory() / 8) return;
  constexpr std::size_t slots = 12421;  // a prime, as HDF5 asks for
  H5Pset_chunk_cache(access, slots, bytes, H5D_CHUNK_CACHE_W0_DEFAULT);
}

struct Name {
  std::string path;  ///< without the leading slash
  H5L_type_t link;
};

/// Everything below a group; soft links aside, which lead to what is listed anyhow.
std::vector<Name> names_below(hid_t group) {
  std::vector<Name> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t* link, void* out) -> herr_t {
    try {
      if (link->type != H5L_TYPE_SOFT) static_cast<std::vector<Name>*>(out)->push_back({name, link->type});
      return 0;
    } catch (...) {  // no exception may cross C
      return -1;
    }
  };
  H5Lvisit(group, H5_INDEX_NAME, H5_ITER_INC, add, &names);
  return names;
}

/// Elements that cannot be read, for a filter that is not there or by HDF5's own words.
[[noreturn]] void fail_read(hid_t data_set, const std::string& what) {
  const auto words = reason();
  const auto filter = missing_filter(data_set);
  if (filter.empty()) throw IoError(what + words);
  throw IoError(what + ": they are packed by " + filter +
                ", which HDF5 lacks here; name the folder of its plugin in HDF5_PLUGIN_PATH, or repack the "
                "file where it can be read: h5repack -f GZIP=4 IN OUT");
}

}  // namespace

void check(herr_t status, const std::string& what) {
  if (status < 0) throw IoError(what + reason());
}

Handle checked(hid_t id, Handle::Close close, const std::string& what) {
  if (id < 0) throw IoError(what + reason());
  return {id, close};
}

DataSetInfo describe(hid_t data_set, const std::string& path) {
  const Handle type{H5Dget_type(data_set), H5Tclose};
  return {path, shape_of(data_set), type_name(type.get()), float_type(type.get()), false};
}

std::uint64_t product(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, saturating_product);
}

Session::Session() : lock_(library_lock()) {
  H5Eget_auto2(H5E_DEFAULT, &report_, &report_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Session::~Session() {
  H5Eset_auto2(H5E_DEFAULT, report_, report_data_);
}

Handle::Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}

Handle& Handle::operator=(Handle&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(close_, other.close_);
  return *this;
}

Handle::~Handle() {
  if (id_ < 0) return;
  const Session session;
  close_(id_);
}

std::string text(const std::vector<DataSetInfo>& data_sets) {
  return data_sets.empty() ? "no data set"
                           : first_few(data_sets, [](const DataSetInfo& info) { return info.text(); });
}

std::string DataSetInfo::text() const {
  return printable(path) + " " + (is_link ? "" : hdf5::text(shape) + " ") + type;
}

bool is_hdf5(const std::filesystem::path& file) {
  const Session session;
  std::error_code error;
  return std::filesystem::is_regular_file(file, error) && H5Fis_hdf5(file.c_str()) > 0;
}

DataSet::DataSet(Handle handle, DataSetInfo info, std::string file)
    : handle_(std::move(handle)), info_(std::move(info)), file_(std::move(file)), watch_(handle_.get()) {}

Handle DataSet::select_rows(std::uint64_t first, std::uint64_t count) const {
  Handle space{H5Dget_space(handle_.get()), H5Sclose};
  std::vector<hsize_t> start(info_.shape.size(), 0);
  std::vector<hsize_t> size(info_.shape.begin(), info_.shape.end());
  start.at(0) = first;
  size.at(0) = count;
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr),
        name() + ": rows cannot be selected");
  return space;
}

Handle DataSet::memory_space(std::uint64_t count) const {
  std::vector<hsize_t> size(info_.shape.begin(), info_.shape.end());
  size.at(0) = count;
  return {H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), H5Sclose};
}

void DataSet::read_raw(std::uint64_t first, std::uint64_t count, std::byte* out) const {
  const Session session;
  const Handle type{H5Dget_type(handle_.get()), H5Tclose};
  const Handle in_file = select_rows(first, count);
  const Handle in_memory = memory_space(count);
  if (H5Dread(handle_.get(), type.get(), in_memory.get(), in_file.get(), H5P_DEFAULT, out) < 0) {
    fail_read(handle_.get(), name() + ": rows from " + std::to_string(first) + " on cannot be read");
  }
  if (watch_.has_changed()) files::fail_changed(name());
}

bool DataSet::is_hollow() const {
  const Session session;
  return hdf5::is_hollow(handle_.get());
}

std::optional<DataSet::Place> DataSet::place() const {
  const Session session;
  const Handle layout{H5Dget_create_plist(handle_.get()), H5Pclose};
  if (H5Pget_layout(layout.get()) != H5D_CONTIGUOUS || H5Pget_external_count(layout.get()) != 0) return {};
  const Handle file{H5Iget_file_id(handle_.get()), H5Fclose};
  const Handle access{H5Fget_access_plist(file.get()), H5Pclose};
  const Handle creation{H5Fget_create_plist(file.get()), H5Pclose};
  hsize_t user_block = 0;  // whose bytes H5Dget_offset counts in one version and leaves out in another
  const bool plain = H5Pget_driver(access.get()) == H5FD_SEC2 &&
                     H5Pget_userblock(creation.get(), &user_block) >= 0 && user_block == 0;
  const auto begin = H5Dget_offset(handle_.get());
  auto name = text_of(H5Fget_name, file.get());
  if (!plain || begin == HADDR_UNDEF || name.empty()) return {};
  return Place{std::move(name), begin};
}

std::uint64_t DataSet::rows_of_chunk() const {
  const Session session;
  const auto chunk = chunk_of(handle_.get(), info_);
  if (chunk.empty()) return 1;
  return std::max<hsize_t>(1, std::min<hsize_t>(chunk[0], info_.shape[0]));
}

File::File(Handle handle, std::string name) : handle_(std::move(handle)), name_(std::move(name)) {}

File File::open(const std::filesystem::path& path) {
  const Session session;
  check_readable(path);
  const std::string name = path.string();
  if (H5Fis_hdf5(name.c_str()) <= 0) throw IoError(name + " is not an HDF5 file");
  const Handle access{H5Pcreate(H5P_FILE_ACCESS), H5Pclose};
  // Some network file systems have no locks; reading needs none.
  H5Pset_file_locking(access.get(), true, true);
  // Rows are read once and far apart: reading around them for later would cost, not save.
  H5Pset_sieve_buf_size(access.get(), 0);
  return {checked(H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose,
                  name + " cannot be opened: it is damaged, incomplete or still being written"),
          name};
}

std::vector<DataSetInfo> File::data_sets() const {
  const Session session;
  std::vector<DataSetInfo> found;
  for (const auto& [name, link] : names_below(handle_.get())) {
    const auto path = "/" + name;
    if (link == H5L_TYPE_EXTERNAL) {  // told, not followed: what it leads to is not asked for
      found.push_back({path, {}, "link to " + link_target(handle_.get(), path, link), std::nullopt, true});
    }
    if (link != H5L_TYPE_HARD) continue;
    const Handle object{H5Oopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Oclose};
    if (object && H5Iget_type(object.get()) == H5I_DATASET) found.push_back(describe(object.get(), path));
  }
  return found;
}

void File::fail_missing(const std::string& path) const {
  throw IoError(name_ + ": " + path + "; the file holds " + text(data_sets()));
}

DataSet File::data_set(const std::string& path) const {
  const Session session;
  DataSetInfo info;
  const Handle access{H5Pcreate(H5P_DATASET_ACCESS), H5Pclose};
  {
    const Handle object{H5Oopen(handle_.get(), path.c_str(), H5P_DEFAULT), H5Oclose};
    if (!object) {
      const auto link = broken_link(handle_.get(), path);
      fail_missing(link.empty() ? "no data set " + path : link);
    }
    if (H5Iget_type(object.get()) == H5I_GROUP) fail_missing(path + " is a group, not a data set");
    if (H5Iget_type(object.get()) != H5I_DATASET) fail_missing(path + " is not a data set");
    info = describe(object.get(), path);
    fit_chunk_cache(object.get(), access.get(), info);
  }  // closed first: a data set opened twice keeps the cache of the first time
  Handle handle = checked(H5Dopen2(handle_.get(), path.c_str(), access.get()), H5Dclose,
                          name_ + ":" + path + " cannot be opened");
  return {std::move(handle), std::move(info), name_};
}

template <class T>
std::vector<T> File::read(const std::string& path, const std::optional<Shape>& shape) const {
  const Session session;
  const DataSet data = data_set(path);
  const auto& there = data.info().shape;
  if (shape && *shape != there) {
    throw IoError(data.name() + " has the shape " + text(there) + ", expected " + text(*shape));
  }
  require_memory(saturating_product(product(there), sizeof(T)), data.name());
  std::vector<T> values(product(there));
  if (H5Dread(data.id(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    fail_read(data.id(), data.name() + " cannot be read as numbers");
  }
  return values;
}

std::vector<std::string> File::read_strings(const std::string& path) const {
  const Session session;
  const DataSet data = data_set(path);
  if (data.info().type != "string") throw IoError(data.name() + " holds no strings but " + data.info().type);
  const auto count = product(data.info().shape);
  require_memory(saturating_product(count, sizeof(std::string)), data.name());
  std::vector<std::string> values(count);
  check(read_string_elements(data.id(), values), data.name() + " cannot be read");
  return values;
}

std::string File::attribute(const std::string& name) const {
  const Session session;
  if (H5Aexists(handle_.get(), name.c_str()) <= 0) return {};
  const auto what = name_ + ": the attribute " + name + " cannot be read";
  const Handle attribute = checked(H5Aopen(handle_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, what);
  const Handle type = checked(H5Aget_type(attribute.get()), H5Tclose, what);
  const Handle space = checked(H5Aget_space(attribute.get()), H5Sclose, what);
  if (H5Tis_variable_str(type.get()) <= 0 || H5Sget_simple_extent_npoints(space.get()) != 1) return {};
  char* text = nullptr;
  check(H5Aread(attribute.get(), type.get(), static_cast<void*>(&text)), what);
  const std::unique_ptr<char, herr_t (*)(void*)> owner(text, H5free_memory);
  return text ? text : "";
}

template std::vector<float> File::read(const std::string&, const std::optional<Shape>&) const;
template std::vector<double> File::read(const std::string&, const std::optional<Shape>&) const;
template std::vector<std::int32_t> File::read(const std::string&, const std::optional<Shape>&) const;
template std::vector<std::int64_t> File::read(const std::string&, const std::optional<Shape>&) const;
template std::vector<std::uint64_t> File::read(const std::string&, const std::optional<Shape>&) const;
}  // namespace msae::data::hdf5
