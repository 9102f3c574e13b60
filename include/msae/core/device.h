/// \file
/// Choice of the device a model lives on.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "msae/core/export.h"

namespace msae {

/// The device of a name that users type.
/// \param name `auto` (the first CUDA device when this build and machine have one, else the CPU), `cpu`,
///             `cuda` (the first) or `cuda:N`
/// \return the device, which is there
/// \throws std::invalid_argument for any other text
/// \throws msae::Error when the named device is not there
MSAE_EXPORT c10::Device resolve_device(const std::string& name);

}  // namespace msae
