#include "data/shards.h"

#include <glob.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

#include "core/file.h"
#include "core/printable.h"
#include "data/format.h"
#include "msae/core/error.h"

namespace msae::data {
namespace {

namespace fs = std::filesystem;

/// One of the files, known again by its stamp.
struct Shard {
  Name name;
  std::int64_t first_row = 0;  ///< of all
  std::int64_t rows = 0;
  files::Stamp stamp;
};

class Shards final : public EmbeddingSource {
 public:
  Shards(std::vector<Shard> shards, std::int64_t dim, std::int64_t together, std::string name)
      : shards_(std::move(shards)), dim_(dim), together_(together), name_(std::move(name)) {}

  std::int64_t rows() const override { return shards_.back().first_row + shards_.back().rows; }
  std::int64_t dim() const override { return dim_; }
  std::string name() const override { return name_; }
  std::int64_t rows_together() const override { return together_; }
  std::string row_name(std::int64_t row) const override {
    const auto& shard = shards_[shard_of(row)];
    return "row " + std::to_string(row) + ", which is row " + std::to_string(row - shard.first_row) + " of " +
           shard.name.file + ",";
  }
  void expect(std::int64_t first, std::int64_t count) override {
    each(first, count,
         [](EmbeddingSource& source, std::int64_t begin, std::int64_t rows) { source.expect(begin, rows); });
  }

 private:
  struct Opened {
    std::size_t shard = 0;
    std::unique_ptr<EmbeddingSource> source;
  };

  std::size_t shard_of(std::int64_t row) const {
    const auto after =
        std::upper_bound(shards_.begin(), shards_.end(), row,
                         [](std::int64_t value, const Shard& s) { return value < s.first_row; });
    return static_cast<std::size_t>(after - shards_.begin()) - 1;
  }

  /// `visit` for each file's part of a range.
  template <class Visit>
  void each(std::int64_t first, std::int64_t count, const Visit& visit) {
    const auto end = first + count;
    for (auto index = shard_of(first); first < end; ++index) {
      const auto& shard = shards_[index];
      const auto rows = std::min(end, shard.first_row + shard.rows) - first;
      visit(opened(index), first - shard.first_row, rows);
      first += rows;
    }
  }

  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    each(first, count, [&](EmbeddingSource& source, std::int64_t begin, std::int64_t rows) {
      const auto values = static_cast<std::size_t>(rows * dim_);
      source.read_unchecked(begin, rows, out.first(values));
      out = out.subspan(values);
    });
  }

  /// The last one read stands first in the list.
  EmbeddingSource& opened(std::size_t index) {
    constexpr std::size_t most = 16;
    auto found =
        std::find_if(opened_.begin(), opened_.end(), [&](const Opened& o) { return o.shard == index; });
    if (found == opened_.end()) {
      auto source = open_again(shards_[index]);
      if (opened_.size() == most) opened_.pop_back();
      found = opened_.insert(opened_.end(), {index, std::move(source)});
    }
    std::rotate(opened_.begin(), found, found + 1);
    return *opened_.front().source;
  }

  static std::unique_ptr<EmbeddingSource> open_again(const Shard& shard) {
    if (files::File(shard.name.file).stamp() != shard.stamp) files::fail_changed(shard.name.file);
    return open_file(shard.name);
  }

  std::vector<Shard> shards_;
  std::int64_t dim_, together_;
  std::string name_;
  std::vector<Opened> opened_;
};

// Up and down the tree, by ".." or what matches it, there is no end of paths.
void refuse_ways_up(const std::string& pattern) {
  bool is_matched = false;
  for (const auto& part : fs::path(pattern)) {
    const auto name = part.string();
    const bool is_wild = name.find_first_of("*?[") != name.npos;
    is_matched = is_matched || is_wild;
    if (is_matched && (name == "." || name == ".." || (is_wild && name.starts_with('.')))) {
      throw IoError(pattern + R"(: hidden files are left aside, and "." and ".." after the first *, ? or [)");
    }
  }
}

std::vector<fs::path> matches(const std::string& pattern) {
  refuse_ways_up(pattern);
  glob_t found{};
  const auto is_serious = [](const char*, int error) { return error != ENOENT && error != ENOTDIR ? 1 : 0; };
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT | GLOB_NOESCAPE, is_serious, &found);
  std::vector<fs::path> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status != 0 && status != GLOB_NOMATCH) throw IoError(pattern + ": its folder cannot be read");
  if (paths.empty()) throw IoError(pattern + ": no file is called so");
  return paths;
}

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

/// What lies in a folder; others than files of embeddings are left aside.
std::vector<fs::path> members(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto& path = entry->path();
    if (!is_hidden(path) && format_by_ending(path) && !fs::is_directory(path)) files.push_back(path);
  }
  if (error) throw IoError(folder.string() + ": cannot be read: " + error.message());
  return files;
}

/// The folder that clip-retrieval makes holds one of its images and one of its texts, which none can mean
/// both.
fs::path embeddings_folder(const fs::path& folder) {
  const auto images = folder / "img_emb", texts = folder / "text_emb";
  const bool has_images = fs::is_directory(images), has_texts = fs::is_directory(texts);
  if (has_images && has_texts) {
    throw IoError(folder.string() + " holds embeddings of images and of texts; name one of them: " +
                  images.string() + " or " + texts.string());
  }
  return has_images ? images : has_texts ? texts : folder;
}

/// "img_emb_12.npy" is one of "img_emb_": files of other such names would be other data.
std::string series_of(const fs::path& file) {
  const auto name = file.filename().string();
  return name.substr(0, name.find_first_of("0123456789"));
}

void require_one_kind(const std::vector<fs::path>& files, const std::string& text, bool is_folder) {
  const auto& first = files.front();
  for (const auto& file : files) {
    if (&format_of(file) != &format_of(first)) {
      throw IoError(text + ": " + first.filename().string() + " and " + file.filename().string() +
                    " are of different formats; name those of one by a pattern, as in \"" +
                    (first.parent_path() / ("*" + first.extension().string())).string() + "\"");
    }
    const auto of_file = series_of(file), of_first = series_of(first);
    const bool is_retrieval = of_first == "img_emb_" || of_first == "text_emb_";
    if (is_folder && of_file != of_first && is_retrieval) {
      throw IoError(text + ": " + first.filename().string() + " and " + file.filename().string() +
                    " hold different things; name those of one kind by a pattern, as in \"" +
                    (first.parent_path() / (of_first + "*" + first.extension().string())).string() + "\"");
    }
  }
}

}  // namespace

bool comes_before(const std::string& first, const std::string& second) {
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t a = 0, b = 0;
  // Digits without zeros in front: the longer number is the larger one.
  const auto number = [&](const std::string& text, std::size_t& at) {
    auto end = at;
    while (end < text.size() && is_digit(text[end])) ++end;
    while (at + 1 < end && text[at] == '0') ++at;
    auto digits = text.substr(at, end - at);
    at = end;
    return std::pair(digits.size(), std::move(digits));
  };
  while (a < first.size() && b < second.size()) {
    if (is_digit(first[a]) && is_digit(second[b])) {
      const auto one = number(first, a), other = number(second, b);
      if (one != other) return one < other;
    } else if (first[a] != second[b]) {
      return first[a] < second[b];
    } else {
      ++a, ++b;
    }
  }
  if (a < first.size() || b < second.size()) return b < second.size();
  return first < second;  // "1" and "01"
}

bool names_several(const std::string& file) {
  std::error_code error;
  return fs::is_directory(file, error) || is_pattern(file);
}

bool holds_embeddings(const std::string& folder) {
  std::error_code error;
  return !members(folder).empty() || fs::is_directory(fs::path(folder) / "img_emb", error) ||
         fs::is_directory(fs::path(folder) / "text_emb", error);
}

std::vector<fs::path> shards_of(const std::string& file) {
  std::error_code error;
  const bool is_folder = fs::is_directory(file, error);
  if (is_folder && fs::exists(fs::path(file) / "cfg.json", error)) {
    throw IoError(file + " is the folder of a model, not of embeddings");
  }
  auto files = is_folder ? members(file) : matches(file);
  if (files.empty()) files = members(embeddings_folder(file));
  if (files.empty())
    throw IoError(file + ": is a folder without a file of embeddings (.h5, .npy, .safetensors, .pt)");
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return comes_before(a.string(), b.string()); });
  require_one_kind(files, file, is_folder);
  return files;
}

std::unique_ptr<EmbeddingSource> open_shards(const Name& name, const std::string& text) {
  std::vector<Shard> shards;
  std::int64_t rows = 0, dim = 0, together = 1;
  for (const auto& path : shards_of(name.file)) {
    Shard shard{.name = {path.string(), name.path}, .first_row = rows, .stamp = files::File(path).stamp()};
    const auto source = open_file(shard.name);
    if (!shards.empty() && source->dim() != dim) {
      throw IoError(text + ": " + shards.front().name.file + " has rows of dim " + std::to_string(dim) +
                    ", but " + path.string() + " of dim " + std::to_string(source->dim()));
    }
    dim = source->dim();
    together = std::max(together, source->rows_together());
    shard.rows = source->rows();
    rows += shard.rows;
    shards.push_back(std::move(shard));
  }
  if (shards.size() == 1) return open_file(shards.front().name);
  return std::make_unique<Shards>(std::move(shards), dim, together, text);
}

}  // namespace msae::data
