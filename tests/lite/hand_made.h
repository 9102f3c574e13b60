/// \file
/// Models made of chosen numbers, and their folders, without LibTorch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "io/model_config.h"
#include "io/model_files.h"
#include "io/tensor_layout.h"
#include "lite/stored_as.h"
#include "support/files.h"

namespace msae::test {

/// What a model folder holds.
struct HandMade {
  io::ModelConfig config;
  std::vector<double> encoder;       ///< [dim, latents], W_enc
  std::vector<double> decoder;       ///< [latents, dim], W_dec
  std::vector<double> decoder_bias;  ///< [dim], b_dec
  std::vector<double> latent_bias;   ///< [latents], b_enc
  std::vector<double> threshold;     ///< [latents], of the kinds that have one
};

/// Multiples of 1/4 from -2 to 2: few enough for ties, and their sums are exact in float32.
inline std::vector<double> quarters(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (auto& number : numbers) number = (static_cast<double>(generator() % 17) - 8) / 4;
  return numbers;
}

/// Numbers from -2 to 2 that are hardly ever equal.
inline std::vector<double> fractions(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<double> numbers(static_cast<std::size_t>(count));
  for (auto& number : numbers) number = static_cast<float>(static_cast<double>(generator()) / 0x1p30 - 2);
  return numbers;
}

inline std::vector<float> floats(const std::vector<double>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Of quarters, unless rows are normalised: their numbers are not exact, and ties would be settled by
/// rounding.
inline HandMade hand_made(io::ModelConfig config, unsigned seed = 1) {
  const auto numbers = config.normalise_rows ? fractions : quarters;
  const auto dim = config.dim, latents = config.latents;
  config.scale = 0.5;
  config.mean = numbers(dim, seed + 1);
  HandMade model{config,
                 numbers(dim * latents, seed + 2),
                 numbers(dim * latents, seed + 3),
                 numbers(dim, seed + 4),
                 numbers(latents, seed + 5),
                 {}};
  if (!io::has_threshold(config)) return model;
  const bool own = std::holds_alternative<models::JumpRelu>(config.activation);
  model.threshold =
      own ? numbers(latents, seed + 6) : std::vector<double>(static_cast<std::size_t>(latents), 1.25);
  return model;
}

/// A safetensors file, without waiting for the disk.
inline std::string safetensors(const std::vector<std::pair<std::string, io::Shape>>& names,
                               const std::vector<const std::vector<double>*>& values,
                               const std::string& dtype) {
  auto header = nlohmann::json::object();
  std::string bytes;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto begin = bytes.size();
    for (const auto byte : stored_as(*values[i], dtype)) bytes += static_cast<char>(byte);
    header[names[i].first] = {
        {"dtype", dtype}, {"shape", names[i].second}, {"data_offsets", {begin, bytes.size()}}};
  }
  const auto text = header.dump();
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + bytes;
}

/// \param dtype as safetensors has it
inline void write_model(const HandMade& model, const std::filesystem::path& folder,
                        const std::string& dtype = "F32") {
  const auto dim = model.config.dim, latents = model.config.latents;
  std::vector<std::pair<std::string, io::Shape>> names{
      {"W_dec", {latents, dim}}, {"W_enc", {dim, latents}}, {"b_dec", {dim}}, {"b_enc", {latents}}};
  if (io::has_threshold(model.config)) names.push_back({"threshold", {latents}});
  overwrite(folder / io::weights_name, safetensors(names,
                                                   {&model.decoder, &model.encoder, &model.decoder_bias,
                                                    &model.latent_bias, &model.threshold},
                                                   dtype));
  overwrite(folder / io::config_name, io::config_text(model.config));
}

/// Every kind with every option of ranking, tied, normalise_rows and soft cap that it can have.
inline std::vector<io::ModelConfig> every_config(std::int64_t dim, std::int64_t latents) {
  const auto k = std::min<std::int64_t>(3, latents);
  auto levels = std::vector<std::int64_t>{1};
  if (latents > 3) levels.push_back(3);
  if (latents > 1) levels.push_back(latents);
  const std::vector<models::Activation> activations{models::Relu{},
                                                    models::TopK{1},
                                                    models::TopK{k},
                                                    models::TopK{latents},
                                                    models::BatchTopK{k},
                                                    models::Matryoshka{.levels = levels},
                                                    models::Matryoshka{.levels = levels, .batch = true},
                                                    models::JumpRelu{},
                                                    models::PrefixMatryoshka{.k = k, .sizes = levels}};
  std::vector<io::ModelConfig> all;
  for (const auto& activation : activations) {
    for (const auto ranking :
         {models::Ranking::positive, models::Ranking::value, models::Ranking::magnitude}) {
      if (std::holds_alternative<models::JumpRelu>(activation) && ranking != models::Ranking::positive) {
        continue;
      }
      for (const int bits : {0, 1, 2, 3, 4, 5, 6, 7}) {
        if ((bits & 2) != 0 && dim < 2) continue;
        io::ModelConfig config{.dim = dim, .latents = latents, .activation = activation};
        config.tied = (bits & 1) != 0;
        config.normalise_rows = (bits & 2) != 0;
        config.soft_cap = (bits & 4) != 0 ? 1.5 : 0;
        config.ranking = ranking;
        const auto* nested = std::get_if<models::Matryoshka>(&activation);
        if (nested && nested->batch) config.thresholds = {3, 1.25, -0.5};
        config.thresholds.resize(nested && nested->batch ? levels.size() : 0);
        all.push_back(config);
      }
    }
  }
  return all;
}

}  // namespace msae::test
