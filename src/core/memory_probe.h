/// \file
/// What available_memory() looks at, apart so that tests can hand it the files of another machine.
#pragma once

#include <cstdint>
#include <filesystem>

namespace msae::detail {

/// Free memory by the files below `root` ("/" on a live machine): /proc/meminfo, and the limit and use of
/// every control group (v1 and v2) from this process's own up to the top. The largest value when none of them
/// says anything.
std::uint64_t available_memory(const std::filesystem::path& root);

}  // namespace msae::detail
