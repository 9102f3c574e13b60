// How fast sources are read, beside what the disk and memory give: data_benchmark DATA..., named as users
// name them. Of every one, its pages dropped from the system's cache first ("cold") and again ("warm"):
//   the bytes of its files read by pread, 4 MB at a time, and
//   its rows read as float32 by one thread, about 4 MB at a time; NaN and Inf looked for, as always.
// GB/s are bytes of the files, in powers of ten.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/file.h"
#include "data/blocks.h"
#include "data/name.h"
#include "data/pool_order.h"
#include "msae/data/source.h"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t piece = 4 << 20;

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<fs::path> files_of(const std::string& data) {
  const fs::path file = msae::data::split_name(data).file;
  if (!fs::is_directory(file)) return {file};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(file)) files.push_back(entry.path());
  return files;
}

void drop(const std::vector<fs::path>& files) {
  for (const auto& path : files) {
    const msae::files::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ::fsync(file.number());  // what is not yet written stays in the cache
    ::posix_fadvise(file.number(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

void read_bytes(const std::vector<fs::path>& files) {
  std::vector<char> bytes(piece);
  for (const auto& path : files) {
    const msae::files::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    off_t at = 0;
    while (const auto got = ::pread(file.number(), bytes.data(), bytes.size(), at)) {
      if (got < 0) throw std::runtime_error(path.string() + ": cannot be read");
      at += got;
    }
  }
}

void read_rows(const std::string& data) {
  const auto source = msae::data::open(data);
  const auto step = msae::data::piece_rows(*source, source->rows());
  msae::data::for_each_block(source->rows(), source->dim(), step, {},
                             [&](std::int64_t first, std::int64_t count, std::span<float> out) {
                               if (first + count < source->rows()) {
                                 const auto next = first + count;
                                 source->expect(next, std::min(step, source->rows() - next));
                               }
                               source->read(first, count, out);
                             });
}

double copies_per_second() {
  std::vector<char> from(256 << 20, 1), to(from.size());
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    best = std::min(best, seconds([&] { std::memcpy(to.data(), from.data(), from.size()); }));
    from[0] = to[to.size() - 1];
  }
  return static_cast<double>(from.size()) / best;
}

void measure(const std::string& data) {
  const auto files = files_of(data);
  double bytes = 0;
  for (const auto& file : files) bytes += static_cast<double>(fs::file_size(file));
  const auto rate = [&](bool cold, const std::function<void()>& work) {
    std::vector<double> rates;
    for (int i = 0; i < 3; ++i) {
      if (cold) drop(files);
      rates.push_back(bytes / seconds(work) / 1e9);
    }
    std::sort(rates.begin(), rates.end());
    return rates[1];
  };
  const auto raw = [&] { read_bytes(files); };
  const auto rows = [&] { read_rows(data); };
  const double raw_cold = rate(true, raw), rows_cold = rate(true, rows);
  const double raw_warm = rate(false, raw), rows_warm = rate(false, rows);
  const auto named = msae::data::split_name(data);
  const auto label = fs::path(named.file).filename().string() + (named.path.empty() ? "" : ":" + named.path);
  std::printf("%-40s %6.2f  %8.2f %8.2f  %8.2f %8.2f\n", label.c_str(), bytes / 1e9, raw_cold, rows_cold,
              raw_warm, rows_warm);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** values) try {
  if (count < 2) throw std::invalid_argument("usage: data_benchmark DATA...");
  std::printf("memory copies %.1f GB/s\n%-40s %6s  %8s %8s  %8s %8s\n", copies_per_second() / 1e9,
              "GB/s, medians of three", "GB", "cold raw", "rows", "warm raw", "rows");
  for (int i = 1; i < count; ++i) measure(values[i]);
} catch (const std::exception& error) {
  std::cerr << "data_benchmark: " << error.what() << "\n";
  return 1;
}
