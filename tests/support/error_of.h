// What a call says when it throws.
#pragma once

#include <exception>
#include <string>

namespace msae::test {

/// The message of the Exception that `function` throws; any other exception passes through and fails the
/// test.
template <class Exception = std::exception, class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Exception& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace msae::test
