#include "data/raw_file.h"

#include <cstddef>
#include <span>
#include <utility>

#include "data/raw_rows.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

class RawFile final : public EmbeddingSource {
 public:
  RawFile(files::File file, std::string name, const RawLayout& layout)
      : file_(std::move(file)), name_(std::move(name)), layout_(layout) {}

  std::int64_t rows() const override { return layout_.rows; }
  std::int64_t dim() const override { return layout_.dim; }
  std::string name() const override { return name_; }
  void expect(std::int64_t first, std::int64_t count) override {
    file_.expect(layout_.begin + static_cast<std::uint64_t>(first) * row_bytes(),
                 static_cast<std::uint64_t>(count) * row_bytes());
  }

 private:
  std::uint64_t row_bytes() const {
    return static_cast<std::uint64_t>(layout_.dim) * size_of(layout_.element);
  }

  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    raw_.read(first, count, static_cast<std::size_t>(layout_.dim), layout_.element, layout_.swapped, out,
              [&](std::size_t start, std::size_t, std::span<std::byte> bytes) {
                file_.read_at(layout_.begin + start * row_bytes(), bytes);
              });
    file_.require_unchanged();
  }

  files::File file_;
  std::string name_;
  RawLayout layout_;
  RawRows raw_;
};

}  // namespace

std::unique_ptr<EmbeddingSource> raw_file(files::File file, std::string name, const RawLayout& layout) {
  const auto values =
      saturating_product(static_cast<std::uint64_t>(layout.rows), static_cast<std::uint64_t>(layout.dim));
  const auto bytes = saturating_product(values, size_of(layout.element));
  if (layout.begin > file.size() || bytes > file.size() - layout.begin) {
    throw IoError(name + ": its rows take " + std::to_string(bytes) + " bytes from byte " +
                  std::to_string(layout.begin) + " on, but the file is only " + std::to_string(file.size()) +
                  " bytes long: is it truncated?");
  }
  return std::make_unique<RawFile>(std::move(file), std::move(name), layout);
}

}  // namespace msae::data
