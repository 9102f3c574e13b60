#include "data/hdf5_trouble.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/printable.h"
#include "data/hdf5_checks.h"
#include "data/hdf5_file.h"

namespace msae::data::hdf5 {
namespace {

bool opens(hid_t file, const std::string& path) {
  return static_cast<bool>(Handle{H5Oopen(file, path.c_str(), H5P_DEFAULT), H5Oclose});
}

// Of the link that stands last in `path`; empty when that is no link, or leads somewhere.
std::string trouble_of_link(hid_t file, const std::string& path) {
  H5L_info_t link{};
  if (H5Lget_info(file, path.c_str(), &link, H5P_DEFAULT) < 0) return {};
  if ((link.type != H5L_TYPE_SOFT && link.type != H5L_TYPE_EXTERNAL) || opens(file, path)) return {};
  return path + " is a link to " + link_target(file, path, link.type) + ", which " +
         (link.type == H5L_TYPE_SOFT ? "is not there" : "cannot be opened");
}

// What a virtual data set is made of.
struct Part {
  std::string file, path;                      // as the data set names them
  std::optional<std::filesystem::path> place;  // of a file that has such a path; none where there is none
};

// But those in its own file, and those by a pattern: of these there are as many as there are.
std::vector<Part> parts_of(hid_t data_set) {
  const Handle layout{H5Dget_create_plist(data_set), H5Pclose};
  std::size_t count = 0;
  if (H5Pget_layout(layout.get()) != H5D_VIRTUAL) return {};
  if (H5Pget_virtual_count(layout.get(), &count) < 0) return {Part{"it", "the list of its parts", {}}};
  const auto folder = std::filesystem::path(text_of(H5Fget_name, data_set)).parent_path();
  std::vector<Part> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const auto text = [&](auto read) { return text_of(read, layout.get(), i); };
    Part part{text(H5Pget_virtual_filename), text(H5Pget_virtual_dsetname), {}};
    if (part.file == "." || part.file.find("%b") != part.file.npos) continue;
    for (const auto& place : {folder / part.file, std::filesystem::path(part.file)}) {
      if (part.place) break;
      const Handle opened{H5Fopen(place.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose};
      if (opened && opens(opened.get(), part.path)) part.place = place;
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

std::string link_target(hid_t file, const std::string& path, H5L_type_t type) {
  H5L_info_t link{};
  if (H5Lget_info(file, path.c_str(), &link, H5P_DEFAULT) < 0) return "somewhere";
  std::vector<char> value(link.u.val_size + 1, '\0');
  if (H5Lget_val(file, path.c_str(), value.data(), link.u.val_size, H5P_DEFAULT) < 0) return "somewhere";
  if (type == H5L_TYPE_SOFT) return printable(value.data());
  const char* other = nullptr;
  const char* object = nullptr;
  if (H5Lunpack_elink_val(value.data(), link.u.val_size, nullptr, &other, &object) < 0) return "somewhere";
  return printable(std::string(object) + " in " + other);
}

std::string broken_link(hid_t file, const std::string& path) {
  for (std::size_t end = path.find('/', 1); true; end = path.find('/', end + 1)) {
    auto trouble = trouble_of_link(file, path.substr(0, end));
    if (!trouble.empty() || end == std::string::npos) return trouble;
  }
}

std::string missing_filter(hid_t data_set) {
  const Handle layout{H5Dget_create_plist(data_set), H5Pclose};
  const int count = H5Pget_nfilters(layout.get());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    std::array<char, 64> name{};
    const auto id = H5Pget_filter2(layout.get(), static_cast<unsigned>(i), &flags, &values, nullptr,
                                   name.size() - 1, name.data(), nullptr);
    if (id < 0 || H5Zfilter_avail(id) > 0) continue;
    const std::string words = printable(name.data());
    return "filter " + std::to_string(id) + (words.empty() ? "" : " (" + words + ")");
  }
  return {};
}

bool is_hollow(hid_t data_set) {
  const Handle layout{H5Dget_create_plist(data_set), H5Pclose};
  if (H5Pget_layout(layout.get()) == H5D_VIRTUAL) return false;  // its elements lie in other files
  const Handle space{H5Dget_space(data_set), H5Sclose};
  const Handle type{H5Dget_type(data_set), H5Tclose};
  constexpr std::uint64_t ratio = 4096;
  const auto elements = static_cast<std::uint64_t>(H5Sget_simple_extent_npoints(space.get()));
  return elements / ratio * H5Tget_size(type.get()) > H5Dget_storage_size(data_set) ||
         (elements > 0 && H5Dget_storage_size(data_set) == 0);
}

FileWatch::FileWatch(hid_t data_set) {
  for (const auto& part : parts_of(data_set)) {
    const auto stamp = part.place ? files::stamp_of(*part.place) : std::nullopt;
    if (stamp) parts_.emplace(*part.place, *stamp);
    if (!part.place && missing_part_.empty())
      missing_part_ = printable(part.path) + " in " + printable(part.file);
  }
  const Handle file{H5Iget_file_id(data_set), H5Fclose};
  const Handle access{H5Fget_access_plist(file.get()), H5Pclose};
  void* descriptor = nullptr;
  const bool known = H5Pget_driver(access.get()) == H5FD_SEC2 &&
                     H5Fget_vfd_handle(file.get(), access.get(), &descriptor) >= 0;
  if (!known || descriptor == nullptr) return;
  descriptor_ = *static_cast<const int*>(descriptor);
  at_first_ = files::stamp_of(descriptor_);
}

bool FileWatch::has_changed() const {
  if (descriptor_ >= 0 && files::stamp_of(descriptor_) != at_first_) return true;
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const auto& part) { return files::stamp_of(part.first) != part.second; });
}

}  // namespace msae::data::hdf5
