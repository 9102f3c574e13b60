/// \file
/// Choice of the device a model lives on.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "msae/core/export.h"

namespace msae {

/// `auto` (a CUDA device when this build and machine have one, else the CPU), `cpu`, `cuda` or `cuda:N`.
/// \throws std::invalid_argument for any other text
/// \throws msae::Error when the named device is not there
MSAE_EXPORT c10::Device resolve_device(const std::string& name);

}  // namespace msae
