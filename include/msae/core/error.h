/// \file
/// What the library throws. Impossible options are std::invalid_argument (naming the field and the value),
/// tensors of the wrong shape c10::Error; everything about files, memory and the machine is one of the two
/// below.
#pragma once

#include <stdexcept>
#include <string>

#include "msae/core/export.h"

namespace msae {

/// A failure that is neither a wrong option nor a wrong file: not enough memory, no such device, a training
/// that diverged. what() is one plain sentence for the user.
class MSAE_EXPORT Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file or folder that is missing, malformed, of the wrong shape or not writable. The message names the
/// file, the data set inside it where there is one, and what was expected.
class MSAE_EXPORT IoError : public Error {
 public:
  using Error::Error;
};

}  // namespace msae
