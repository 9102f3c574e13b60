// The only file that sees spdlog: its headers do not compile beside those that LibTorch brings.
#include "msae/core/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace msae::log {
namespace {

Level from_spdlog(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return Level::debug;
    case spdlog::level::info:
      return Level::info;
    case spdlog::level::warn:
      return Level::warning;
    default:
      return Level::error;
  }
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    default:
      return spdlog::level::off;
  }
}

/// stderr, or what the user put in its place; base_sink's mutex lets one message through at a time.
class Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void redirect(std::function<void(Level, std::string_view)> target) {
    const std::lock_guard lock(mutex_);
    target_ = std::move(target);
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (target_) {
      target_(from_spdlog(message.level), {message.payload.data(), message.payload.size()});
      return;
    }
    auto line = std::string("msae: ");
    if (message.level >= spdlog::level::warn) {
      const auto level = spdlog::level::to_string_view(message.level);
      line.append(level.data(), level.size()).append(": ");
    }
    line.append(message.payload.data(), message.payload.size()).append("\n");
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }

  std::function<void(Level, std::string_view)> target_;
};

/// A logger of our own, outside spdlog's registry: a program's own use of spdlog stays as it is.
struct Log {
  std::shared_ptr<Sink> sink = std::make_shared<Sink>();
  spdlog::logger logger{"msae", sink};

  Log() { logger.set_level(spdlog::level::warn); }
};

Log& instance() {
  static Log log;
  return log;
}

void write(spdlog::level::level_enum level, std::string_view message) {
  instance().logger.log(level, spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace

void set_level(Level level) {
  instance().logger.set_level(to_spdlog(level));
}

void set_sink(std::function<void(Level, std::string_view)> sink) {
  instance().sink->redirect(std::move(sink));
}

void debug(std::string_view message) {
  write(spdlog::level::debug, message);
}
void info(std::string_view message) {
  write(spdlog::level::info, message);
}
void warning(std::string_view message) {
  write(spdlog::level::warn, message);
}

}  // namespace msae::log
