#include "cli/thumbnail.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "core/file.h"
#include "data/shards.h"
#include "msae/core/error.h"
#include "msae/data/labels.h"

// Header-only libraries: their code is here alone.
// Zeroed memory, as some of what is read of a file that is cut would be shown as it was found.
#define STBI_MALLOC(size) std::calloc(1, size)
#define STBI_REALLOC(memory, size) std::realloc(memory, size)
#define STBI_FREE(memory) std::free(memory)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb_image.h>
#include <stb_image_write.h>

namespace msae::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t largest_picture = std::uint64_t{1} << 28;  // bytes of a file
constexpr std::int64_t most_pixels = 200'000'000;
constexpr int channels = 3, jpeg_quality = 80;

using Pixels = std::unique_ptr<unsigned char, void (*)(void*)>;

bool is_picture(const fs::path& file) {
  auto ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  static constexpr std::array endings{".jpg", ".jpeg", ".png", ".bmp", ".gif",
                                      ".tga", ".ppm",  ".pgm", ".webp"};
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

std::vector<std::string> pictures_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && is_picture(entry.path())) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end(), data::comes_before);
  return files;
}

std::vector<std::string> pictures_of_list(const fs::path& file) {
  auto lines = data::read_labels(file.string());
  for (auto& line : lines) {
    if (!line.empty() && !is_address(line) && fs::path(line).is_relative()) {
      line = (file.parent_path() / line).string();
    }
  }
  return lines;
}

std::string base64(const std::vector<unsigned char>& bytes) {
  static constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (k < left ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= left ? letters[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

// Each new pixel is the mean of those it takes the place of.
std::vector<unsigned char> shrunk(const unsigned char* from, int width, int height, int to_width,
                                  int to_height) {
  std::vector<unsigned char> to(static_cast<std::size_t>(to_width) * static_cast<std::size_t>(to_height) *
                                channels);
  auto* out = to.data();
  for (int y = 0; y < to_height; ++y) {
    const auto top = std::int64_t{y} * height / to_height;
    const auto bottom = std::max(top + 1, std::int64_t{y + 1} * height / to_height);
    for (int x = 0; x < to_width; ++x) {
      const auto left = std::int64_t{x} * width / to_width;
      const auto right = std::max(left + 1, std::int64_t{x + 1} * width / to_width);
      const auto area = (bottom - top) * (right - left);
      for (int c = 0; c < channels; ++c) {
        std::int64_t sum = area / 2;
        for (auto v = top; v < bottom; ++v) {
          for (auto u = left; u < right; ++u) sum += from[(v * width + u) * channels + c];
        }
        *out++ = static_cast<unsigned char>(sum / area);
      }
    }
  }
  return to;
}

std::vector<unsigned char> jpeg(const std::vector<unsigned char>& pixels, int width, int height) {
  std::vector<unsigned char> bytes;
  const auto append = [](void* to, void* from, int count) {
    const auto* first = static_cast<const unsigned char*>(from);
    static_cast<std::vector<unsigned char>*>(to)->insert(static_cast<std::vector<unsigned char>*>(to)->end(),
                                                         first, first + count);
  };
  stbi_write_jpg_to_func(append, &bytes, width, height, channels, pixels.data(), jpeg_quality);
  return bytes;
}

}  // namespace

bool is_address(const std::string& picture) {
  return picture.rfind("http://", 0) == 0 || picture.rfind("https://", 0) == 0;
}

Pictures find_pictures(const std::string& name, std::int64_t rows) {
  std::error_code ignored;
  const bool folder = fs::is_directory(name, ignored);
  Pictures pictures{folder ? pictures_in(name) : pictures_of_list(name)};
  if (static_cast<std::int64_t>(pictures.of.size()) == rows) return pictures;
  throw IoError("--images: " + name + (folder ? " holds " : " names ") + std::to_string(pictures.of.size()) +
                " pictures, but there are " + std::to_string(rows) + " rows");
}

std::optional<std::string> thumbnail(const std::string& file, int size) {
  std::string bytes;
  try {
    bytes = files::read_text(file, largest_picture);
  } catch (const IoError&) {
    return {};
  }
  const auto* begin = reinterpret_cast<const stbi_uc*>(bytes.data());
  const auto length = static_cast<int>(bytes.size());
  int width = 0, height = 0, kind = 0;
  if (!stbi_info_from_memory(begin, length, &width, &height, &kind) || width < 1 || height < 1 ||
      std::int64_t{width} * height > most_pixels) {
    return {};
  }
  const Pixels pixels(stbi_load_from_memory(begin, length, &width, &height, &kind, channels),
                      stbi_image_free);
  if (!pixels) return {};
  const auto scale = std::min(1.0, static_cast<double>(size) / std::max(width, height));
  const auto to_width = std::max(1, static_cast<int>(std::lround(width * scale)));
  const auto to_height = std::max(1, static_cast<int>(std::lround(height * scale)));
  return "data:image/jpeg;base64," +
         base64(jpeg(shrunk(pixels.get(), width, height, to_width, to_height), to_width, to_height));
}

}  // namespace msae::cli
