// Microseconds that msae::lite takes for a row: lite_benchmark [DIM LATENTS K], 768 6144 64 unless said.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "io/model_config.h"
#include "io/model_files.h"
#include "io/safetensors.h"
#include "msae/lite/encoder.h"

namespace {

namespace fs = std::filesystem;

std::vector<float> random_numbers(std::size_t count, float deviation) {
  std::mt19937 generator(42);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> numbers(count);
  for (auto& number : numbers) number = normal(generator);
  return numbers;
}

void write_model(const msae::io::ModelConfig& config, const fs::path& folder) {
  const auto dim = static_cast<std::size_t>(config.dim), latents = static_cast<std::size_t>(config.latents);
  const std::vector<float> decoder = random_numbers(dim * latents, 0.1f), encoder = decoder,
                           biases(dim + latents);
  fs::create_directories(folder);
  msae::files::AtomicFile file(folder / msae::io::weights_name);
  msae::io::SafetensorsWriter writer(file, {{"W_dec", "F32", {config.latents, config.dim}},
                                            {"W_enc", "F32", {config.dim, config.latents}},
                                            {"b_dec", "F32", {config.dim}},
                                            {"b_enc", "F32", {config.latents}}});
  writer.write(std::as_bytes(std::span(decoder)));
  writer.write(std::as_bytes(std::span(encoder)));
  writer.write(std::as_bytes(std::span(biases)));
  writer.finish();
  file.commit();
  msae::files::write_file(folder / msae::io::config_name, msae::io::config_text(config));
}

/// The median of several runs, in microseconds.
template <typename Work>
double microseconds(int runs, const Work& work) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work(i);
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[static_cast<std::size_t>(runs / 2)];
}

void run(std::int64_t dim, std::int64_t latents, std::int64_t k, const fs::path& folder) {
  write_model({.dim = dim,
               .latents = latents,
               .activation = msae::models::TopK{k},
               .mean = std::vector<double>(static_cast<std::size_t>(dim))},
              folder);
  const msae::lite::Encoder model(folder);
  constexpr int block = 1000;
  const auto width = static_cast<std::size_t>(dim);
  const auto rows = random_numbers(block * width, 1);
  const auto row = [&](int i) {
    return std::span(rows).subspan(static_cast<std::size_t>(i % block) * width, width);
  };
  const auto encode = microseconds(501, [&](int i) { model.encode(row(i)); });
  const auto codes = model.encode_rows(rows);
  const auto decode = microseconds(501, [&](int i) { model.decode(codes[static_cast<std::size_t>(i)]); });
  const auto each = microseconds(5, [&](int) { model.encode_rows(rows); }) / block;
  const auto gigabytes = static_cast<double>(dim * latents) * sizeof(float) / encode / 1e3;
  std::cout << dim << " to " << latents << ", k=" << k << ", one thread\n"
            << "encode one row " << encode << " us (" << gigabytes << " GB/s of weights), decode it "
            << decode << " us, encode a row of " << block << " together " << each << " us\n";
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 1 && count != 4) throw std::invalid_argument("usage: lite_benchmark [DIM LATENTS K]");
  const auto size = [&](int i, std::int64_t otherwise) {
    return count == 4 ? std::stoll(arguments[i]) : otherwise;
  };
  const auto folder = fs::temp_directory_path() / ("msae_lite_benchmark_" + std::to_string(::getpid()));
  run(size(1, 768), size(2, 6144), size(3, 64), folder);
  fs::remove_all(folder);
} catch (const std::exception& error) {
  std::cerr << "lite_benchmark: " << error.what() << "\n";
  return 1;
}
