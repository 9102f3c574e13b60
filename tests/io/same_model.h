/// \file
/// Models that ought to be the same.
#pragma once

#include <gtest/gtest.h>

#include "io/model_config.h"
#include "io/model_folder_parts.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::test {

/// Bit for bit: parameters, statistics, thresholds that are used, and what cfg.json would say of them.
inline void expect_same(models::SparseAutoencoder& one, models::SparseAutoencoder& other) {
  EXPECT_EQ(io::config_text(io::config_of(one)), io::config_text(io::config_of(other)));
  for (auto* list : {"parameters", "buffers"}) {
    const bool parameters = std::string(list) == "parameters";
    const auto others = parameters ? other.named_parameters() : other.named_buffers();
    for (const auto& tensor : parameters ? one.named_parameters() : one.named_buffers()) {
      if (tensor.key() == "threshold" && !models::chooses_over_batch(one.activation())) continue;
      const auto& there = others[tensor.key()];
      EXPECT_EQ(there.scalar_type(), tensor->scalar_type()) << tensor.key();
      EXPECT_TRUE(there.equal(*tensor)) << tensor.key();
    }
  }
}

}  // namespace msae::test
