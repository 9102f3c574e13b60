/// \file
/// Where the library's few messages go. By default warnings and errors reach stderr; a program may raise the
/// level or take the messages over. Nothing is ever printed to stdout.
#pragma once

#include <functional>
#include <string_view>

#include "msae/core/export.h"

namespace msae::log {

enum class Level { debug, info, warning, error, off };

/// Messages below `level` are dropped. Default: warning.
MSAE_EXPORT void set_level(Level level);

/// Hands every message that passes the level to `sink`; an empty function restores the default (stderr).
/// The sink may be called from any thread, one call at a time.
MSAE_EXPORT void set_sink(std::function<void(Level, std::string_view)> sink);

MSAE_EXPORT void debug(std::string_view message);
MSAE_EXPORT void info(std::string_view message);
MSAE_EXPORT void warning(std::string_view message);

}  // namespace msae::log
