/// \file
/// Where the library's few messages go. By default warnings and errors reach stderr; a program may raise the
/// level or take the messages over. Nothing is ever printed to stdout.
#pragma once

#include <functional>
#include <string_view>

#include "msae/core/export.h"

namespace msae::log {

/// How much a message matters, ascending.
enum class Level {
  debug,    ///< for those who look for an error in msae itself
  info,     ///< what happened as it should, e.g. that a run goes on from step 500
  warning,  ///< what a user should know, though the work goes on
  error,    ///< what made a call fail; the library throws instead of logging it
  off       ///< as a level: no message at all
};

/// Messages below `level` are dropped. Default: warning.
MSAE_EXPORT void set_level(Level level);

/// Hands every message that passes the level to `sink`; an empty function restores the default (stderr).
/// The sink may be called from any thread, one call at a time.
MSAE_EXPORT void set_sink(std::function<void(Level, std::string_view)> sink);

/// Logs one line at Level::debug. Safe from any thread, as are the two below.
MSAE_EXPORT void debug(std::string_view message);
/// Logs one line at Level::info.
MSAE_EXPORT void info(std::string_view message);
/// Logs one line at Level::warning.
MSAE_EXPORT void warning(std::string_view message);

}  // namespace msae::log
