/// \file
/// Published models as ours, and ours as published ones: the one place that says which of them we have.
#pragma once

#include <string>

#include "io/reference_name.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::io {

/// \param file named in messages \throws msae::IoError for a model that this library has not
models::SparseAutoencoderOptions options_of(const ReferenceModel& model, const std::string& file);

/// The other way. \throws std::invalid_argument for a kind that the published code has not
ReferenceModel reference_of(const models::SparseAutoencoder& model);

}  // namespace msae::io
