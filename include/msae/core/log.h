/// \file
/// Where the library's few messages go. By default warnings and errors reach stderr; a program may raise the
/// level or take the messages over. Nothing is ever printed to stdout.
#pragma once

#include <functional>
#include <string_view>

namespace msae::log {

enum class Level { debug, info, warning, error, off };

/// Messages below `level` are dropped. Default: warning.
void set_level(Level level);

/// Hands every message that passes the level to `sink`; an empty function restores the default (stderr).
/// The sink may be called from any thread, one call at a time.
void set_sink(std::function<void(Level, std::string_view)> sink);

void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);

}  // namespace msae::log
