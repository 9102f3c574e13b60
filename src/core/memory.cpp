#include "msae/core/memory.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "core/memory_probe.h"
#include "msae/core/error.h"

namespace msae {
namespace {

namespace fs = std::filesystem;
constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();

/// The number that a file holds alone; none for "max" or a missing file.
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

/// The number behind `key` in a file of "key number" lines, in the file's own unit.
std::optional<std::uint64_t> number_behind(const std::string& key, const fs::path& file) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

/// How one version of control groups names its files.
struct GroupFiles {
  const char* limit;
  const char* use;
  const char* cache;  ///< the key of file pages that the kernel gives back on demand
};
constexpr GroupFiles version1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles version2{"memory.max", "memory.current", "inactive_file"};

std::uint64_t free_in_group(const fs::path& group, const GroupFiles& files) {
  const auto limit = number_in(group / files.limit);
  if (!limit) return unlimited;
  const auto use = number_in(group / files.use).value_or(0);
  const auto cache = number_behind(files.cache, group / "memory.stat").value_or(0);
  const auto taken = use - std::min(use, cache);
  return *limit - std::min(*limit, taken);
}

/// The least that is free in `group` and the groups around it. Inside a container the group's path may be the
/// host's: what is not there does not limit, and the mount's top then is the container's own group.
std::uint64_t free_up_to(const fs::path& mount, fs::path group, const GroupFiles& files) {
  auto least = free_in_group(mount, files);
  for (; !group.empty(); group = group.parent_path()) {
    least = std::min(least, free_in_group(mount / group, files));
  }
  return least;
}

/// One line of /proc/self/cgroup, "number:controllers:/path"; no controllers means version 2.
std::uint64_t free_by_line(const std::string& line, const fs::path& root) {
  const auto first = line.find(':');
  const auto second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return unlimited;
  const auto controllers = "," + line.substr(first + 1, second - first - 1) + ",";
  const auto path = fs::path(line.substr(second + 1)).relative_path();
  const auto mounts = root / "sys/fs/cgroup";
  if (controllers == ",,") {
    return std::min(free_up_to(mounts, path, version2), free_up_to(mounts / "unified", path, version2));
  }
  if (controllers.find(",memory,") == std::string::npos) return unlimited;
  return free_up_to(mounts / "memory", path, version1);
}

}  // namespace

std::uint64_t detail::available_memory(const fs::path& root) {
  const auto kilobytes = number_behind("MemAvailable:", root / "proc/meminfo");
  auto least = kilobytes ? saturating_product(*kilobytes, 1024) : unlimited;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) least = std::min(least, free_by_line(line, root));
  return least;
}

std::uint64_t available_memory() {
  return detail::available_memory("/");
}

void require_memory(std::uint64_t bytes, const std::string& what) {
  const auto available = available_memory();
  if (bytes <= available) return;
  throw Error(what + " needs " + human_bytes(bytes) + " of memory, but only " + human_bytes(available) +
              " are free");
}

std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
  return b != 0 && a > unlimited / b ? unlimited : a * b;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 999.95 would be shown as 1000.0 of the smaller unit.
  for (; value >= 999.95 && unit + 1 < units.size(); ++unit) value /= 1000;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, units[unit]);
  return text.data();
}

}  // namespace msae
