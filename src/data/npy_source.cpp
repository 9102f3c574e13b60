#include "data/npy_source.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <utility>

#include "core/file.h"
#include "core/printable.h"
#include "data/objection.h"
#include "data/raw_file.h"
#include "msae/core/error.h"
#include "msae/core/memory.h"

namespace msae::data {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

// Python's literals as NumPy prints them into a header, and no others.
class Literal {
 public:
  Literal(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  bool take(char expected) {
    skip_blanks();
    if (rest_.empty() || rest_[0] != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char expected) {
    if (!take(expected)) refuse();
  }
  std::string quoted() {
    const char quote = take('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const auto end = rest_.find(quote);
    if (end == std::string_view::npos) refuse();
    return std::string(advance(end + 1).substr(0, end));
  }
  bool flag() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (rest_.substr(0, word.size()) != word) continue;
      advance(word.size());
      return word == "True";
    }
    refuse();
  }
  std::vector<std::uint64_t> sizes() {
    std::vector<std::uint64_t> values;
    expect('(');
    while (!take(')')) {
      constexpr std::size_t most_dimensions = 64;
      if (values.size() == most_dimensions) refuse();
      values.push_back(whole_number());
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }
  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }
  [[noreturn]] void refuse() const {
    throw IoError(file_ + ": its NumPy header is damaged, or of a kind that embeddings do not have");
  }

 private:
  void skip_blanks() { advance(std::min(rest_.find_first_not_of(" \n\t"), rest_.size())); }
  std::string_view advance(std::size_t count) {
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::uint64_t whole_number() {
    skip_blanks();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) refuse();
    advance(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  std::string_view rest_;
  const std::string& file_;
};

// '<f4' and its like.
void set_type(NpyHeader& header, const std::string& descr) {
  constexpr std::array<std::pair<std::string_view, Element>, 3> types{
      {{"f2", Element::float16}, {"f4", Element::float32}, {"f8", Element::float64}}};
  constexpr char native = std::endian::native == std::endian::little ? '<' : '>';
  header.type = descr;
  for (const auto& [code, element] : types) {
    if (descr.size() != 3 || descr.substr(1) != code || (descr[0] != '<' && descr[0] != '>')) continue;
    header.type = name_of(element);
    header.element = element;
    header.swapped = descr[0] != native;
  }
}

bool has_header(const files::File& file) {
  std::array<char, magic.size()> begin{};
  if (file.size() < begin.size()) return false;
  file.read_at(0, std::as_writable_bytes(std::span(begin)));
  return std::string_view(begin.data(), begin.size()) == magic;
}

// Length and text of the header follow magic and version; rows begin after it.
std::pair<std::string, std::uint64_t> header_of(const files::File& file) {
  const auto name = file.path().string();
  std::array<unsigned char, 12> begin{};
  const auto there = std::min<std::uint64_t>(begin.size(), file.size());
  file.read_at(0, std::as_writable_bytes(std::span(begin)).first(static_cast<std::size_t>(there)));
  const auto version = begin[6];
  if (version < 1 || version > 3) {
    throw IoError(name + ": its NumPy header is of version " + std::to_string(version) +
                  ", but 1 to 3 are all that are known");
  }
  const std::uint64_t fixed = version == 1 ? 10 : 12;
  std::uint64_t length = begin[8] + 256u * begin[9];
  if (version > 1) length += 65536ull * begin[10] + 16777216ull * begin[11];
  constexpr std::uint64_t longest = 1'000'000;
  if (file.size() < fixed || length > file.size() - fixed || length > longest) {
    throw IoError(name + ": its NumPy header is " + std::to_string(length) +
                  " bytes long, but the file only " + std::to_string(file.size()) + ": is it truncated?");
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read_at(fixed, std::as_writable_bytes(std::span(text)));
  return {std::move(text), fixed + length};
}

RawLayout layout_by_header(const files::File& file) {
  const auto name = file.path().string();
  const auto [text, begin] = header_of(file);
  const auto header = parse_npy_header(text, name);
  const auto no = objection(header.shape, printable(header.type), header.element.has_value());
  if (!no.empty()) throw IoError(name + no);
  if (header.fortran_order) {
    throw IoError(name + " is in Fortran order; write it again row by row: numpy.save(FILE, " +
                  "numpy.ascontiguousarray(ARRAY))");
  }
  const auto bytes = header.shape[0] * header.shape[1] * size_of(*header.element);  // below 2^63, as was seen
  if (bytes > file.size() - begin) {
    throw IoError(name + " declares the shape " + data::text(header.shape) + ", which takes " +
                  std::to_string(bytes) + " bytes, but holds only " + std::to_string(file.size() - begin) +
                  " after its header: is it truncated?");
  }
  return {begin, static_cast<std::int64_t>(header.shape[0]), static_cast<std::int64_t>(header.shape[1]),
          *header.element, header.swapped};
}

// The last two numbers of NAME_ROWS_DIM.npy; empty where there are none.
std::vector<std::uint64_t> shape_by_name(const std::filesystem::path& file) {
  auto rest = file.stem().string();
  std::vector<std::uint64_t> shape;
  while (shape.size() < 2) {
    const auto underscore = rest.rfind('_');
    if (underscore == std::string::npos) return {};
    std::uint64_t value = 0;
    const char* const end = rest.data() + rest.size();
    const auto [last, error] = std::from_chars(rest.data() + underscore + 1, end, value);
    if (error != std::errc() || last != end) return {};
    shape.insert(shape.begin(), value);
    rest.resize(underscore);
  }
  return shape;
}

RawLayout layout_by_name(const files::File& file) {
  const auto name = file.path().string();
  const auto shape = shape_by_name(file.path());
  if (shape.empty()) {
    throw IoError(name +
                  ": has no NumPy header, and its name does not tell the shape of its float32 numbers, "
                  "as NAME_ROWS_DIM.npy does");
  }
  const auto no = objection(shape, "float32", true);
  if (!no.empty()) throw IoError(name + no);
  const auto bytes = shape[0] * shape[1] * sizeof(float);
  if (bytes != file.size()) {
    throw IoError(name + ": has no NumPy header, and its name tells of " + data::text(shape) +
                  " float32 numbers in " + std::to_string(bytes) + " bytes, but the file has " +
                  std::to_string(file.size()));
  }
  return {0, static_cast<std::int64_t>(shape[0]), static_cast<std::int64_t>(shape[1])};
}

RawLayout layout_of(const files::File& file) {
  return has_header(file) ? layout_by_header(file) : layout_by_name(file);
}

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& file) {
  Literal literal(text, file);
  NpyHeader header;
  bool has_type = false, has_order = false, has_shape = false;
  literal.expect('{');
  while (!literal.take('}')) {
    const auto key = literal.quoted();
    literal.expect(':');
    if (key == "descr" && !std::exchange(has_type, true)) {
      set_type(header, literal.quoted());
    } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
      header.fortran_order = literal.flag();
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      header.shape = literal.sizes();
    } else {
      literal.refuse();
    }
    if (!literal.take(',')) {
      literal.expect('}');
      break;
    }
  }
  if (!has_type || !has_order || !has_shape || !literal.at_end()) literal.refuse();
  return header;
}

std::unique_ptr<EmbeddingSource> open_npy(const std::filesystem::path& path) {
  files::File file(path);
  const auto layout = layout_of(file);
  return raw_file(std::move(file), path.string(), layout);
}

std::vector<Listing> list_npy(const std::filesystem::path& path) {
  const auto layout = layout_of(files::File(path));
  return {{"",
           {static_cast<std::uint64_t>(layout.rows), static_cast<std::uint64_t>(layout.dim)},
           name_of(layout.element),
           true}};
}

}  // namespace msae::data
