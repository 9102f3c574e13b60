#include "msae/data/views.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data/blocks.h"
#include "data/finite.h"
#include "data/holdout.h"
#include "msae/core/error.h"

namespace msae::data {
namespace {

using Source = std::shared_ptr<EmbeddingSource>;

EmbeddingSource& checked(const Source& source) {
  if (source) return *source;
  throw std::invalid_argument("source: must not be null");
}

/// What all views have in common: the source, and a name that tells what was made of it.
class View : public EmbeddingSource {
 public:
  View(Source source, const std::string& treatment) : source_(std::move(source)), treatment_(treatment) {
    const auto* below = dynamic_cast<const View*>(source_.get());
    if (below) treatment_ = below->treatment_ + ", " + treatment;
  }

  std::int64_t rows() const override { return source_->rows(); }
  std::int64_t dim() const override { return source_->dim(); }
  std::string name() const override { return origin() + " (" + treatment_ + ")"; }
  std::string origin() const override { return source_->origin(); }
  std::string treatment() const override { return treatment_; }
  std::int64_t original_row(std::int64_t row) const override { return source_->original_row(row); }
  std::int64_t original_rows() const override { return source_->original_rows(); }
  std::string row_name(std::int64_t row) const override { return source_->row_name(row); }
  std::int64_t rows_together() const override { return source_->rows_together(); }
  void expect(std::int64_t first, std::int64_t count) override { source_->expect(first, count); }

 protected:
  EmbeddingSource& source() const { return *source_; }

 private:
  Source source_;
  std::string treatment_;
};

class UnitRows final : public View {
 public:
  explicit UnitRows(Source source) : View(std::move(source), "unit rows") {}

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    source().read_unchecked(first, count, out);
    const auto width = static_cast<std::size_t>(dim());
    for (std::size_t at = 0; at < out.size(); at += width) normalise(out.subspan(at, width));
  }

  static void normalise(std::span<float> row) {
    double squares = 0;
    for (const double value : row) squares += value * value;
    if (squares == 0) return;
    const double norm = std::sqrt(squares);
    for (auto& value : row) value = static_cast<float>(static_cast<double>(value) / norm);
  }
};

/// Some of the source's rows, in their order.
class Subset : public View {
 public:
  using View::View;

  std::int64_t original_row(std::int64_t row) const override {
    return source().original_row(source_row(row));
  }
  std::string row_name(std::int64_t row) const override { return source().row_name(source_row(row)); }
  void expect(std::int64_t first, std::int64_t count) override {
    if (count < 1) return;
    const auto begin = source_row(first);
    source().expect(begin, source_row(first + count - 1) - begin + 1);
  }

 private:
  virtual std::int64_t source_row(std::int64_t row) const = 0;

  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    const auto end = first + count;
    for (auto next = first; first < end; first = next) {
      next = piece_end(first, end);
      const auto values = static_cast<std::size_t>((next - first) * dim());
      read_piece(first, next, out.first(values));
      out = out.subspan(values);
    }
  }

  /// Rows from `first` on that are worth one read of all that lies between them.
  std::int64_t piece_end(std::int64_t first, std::int64_t end) const {
    constexpr std::int64_t piece_bytes = 1 << 22;  // of the buffer
    constexpr std::int64_t gap_bytes = 1 << 18;    // that are read faster than skipped
    const auto row_bytes = dim() * static_cast<std::int64_t>(sizeof(float));
    const auto begin = source_row(first);
    auto last = begin;
    auto row = first + 1;
    for (; row < end; ++row) {
      const auto next = source_row(row);
      if ((next - begin + 1) * row_bytes > piece_bytes || (next - last - 1) * row_bytes > gap_bytes) break;
      last = next;
    }
    return row;
  }

  void read_piece(std::int64_t first, std::int64_t end, std::span<float> out) {
    const auto begin = source_row(first);
    const auto count = source_row(end - 1) - begin + 1;
    if (count == end - first) return source().read_unchecked(begin, count, out);
    const auto width = static_cast<std::size_t>(dim());
    buffer_.resize(std::max(buffer_.size(), static_cast<std::size_t>(count) * width));
    source().read_unchecked(begin, count, std::span(buffer_).first(static_cast<std::size_t>(count) * width));
    for (auto row = first; row < end; ++row) {
      const auto at = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(source_row(row) - begin) * width);
      std::copy_n(buffer_.begin() + at, width, out.begin());
      out = out.subspan(width);
    }
  }

  std::vector<float> buffer_;
};

class WithoutRows final : public Subset {
 public:
  /// \param left_out ascending, not empty
  WithoutRows(Source source, std::vector<std::int64_t> left_out)
      : Subset(std::move(source), std::to_string(left_out.size()) +
                                      (left_out.size() == 1 ? " bad row skipped" : " bad rows skipped")),
        left_out_(std::move(left_out)) {}

  std::int64_t rows() const override { return source().rows() - static_cast<std::int64_t>(left_out_.size()); }

 private:
  /// left_out_[i] - i rows lie before the i-th that is left out.
  std::int64_t source_row(std::int64_t row) const override {
    std::size_t low = 0, high = left_out_.size();
    while (low < high) {
      const auto middle = (low + high) / 2;
      if (left_out_[middle] - static_cast<std::int64_t>(middle) <= row) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return row + static_cast<std::int64_t>(low);
  }

  std::vector<std::int64_t> left_out_;
};

std::string percent(double share) {
  std::ostringstream text;
  text.precision(10);
  text << 100 * share << " %";
  return text.str();
}

class HeldOut final : public Subset {
 public:
  HeldOut(Source source, double share, const Holdout& split)
      : Subset(std::move(source), "the " + percent(share) + " held out"), split_(split) {}
  std::int64_t rows() const override { return split_.held_out_rows(); }

 private:
  std::int64_t source_row(std::int64_t row) const override { return split_.held_out_row(row); }
  Holdout split_;
};

class WithoutHeldOut final : public Subset {
 public:
  WithoutHeldOut(Source source, double share, const Holdout& split)
      : Subset(std::move(source), "without the " + percent(share) + " held out"), split_(split) {}
  std::int64_t rows() const override { return split_.kept_rows(); }

 private:
  std::int64_t source_row(std::int64_t row) const override { return split_.kept_row(row); }
  Holdout split_;
};

/// The first stratum has a row to train on whatever the share, so only one part can be empty.
Holdout split(const EmbeddingSource& source, double share) {
  const Holdout split(source.rows(), share);
  if (split.held_out_rows() > 0 && split.kept_rows() > 0) return split;
  throw IoError(source.name() + ": holding out " + percent(share) + " of its " +
                std::to_string(source.rows()) + " rows leaves none to evaluate on");
}

std::vector<std::int64_t> bad_rows(EmbeddingSource& source, const std::function<void(double)>& progress) {
  const auto width = static_cast<std::size_t>(source.dim());
  std::vector<std::int64_t> found;
  for_each_block(source.rows(), source.dim(), progress,
                 [&](std::int64_t first, std::int64_t count, std::span<float> values) {
                   source.read_unchecked(first, count, values);
                   if (all_finite(values)) return;
                   for (auto row = first; row < first + count; ++row, values = values.subspan(width)) {
                     if (!all_finite(values.first(width))) found.push_back(row);
                   }
                 });
  return found;
}

}  // namespace

Source unit_rows(Source source) {
  checked(source);
  return std::make_shared<UnitRows>(std::move(source));
}

GoodRows skip_bad_rows(Source source, const std::function<void(double)>& progress) {
  auto bad = bad_rows(checked(source), progress);
  if (bad.empty()) return {std::move(source)};
  const auto count = static_cast<std::int64_t>(bad.size());
  if (count == source->rows()) throw IoError(source->name() + ": every row holds NaN or Inf");
  const auto first = source->original_row(bad.front());
  return {std::make_shared<WithoutRows>(std::move(source), std::move(bad)), count, first};
}

Source held_out(Source source, double share) {
  const auto parts = split(checked(source), share);
  return std::make_shared<HeldOut>(std::move(source), share, parts);
}

Source without_held_out(Source source, double share) {
  const auto parts = split(checked(source), share);
  return std::make_shared<WithoutHeldOut>(std::move(source), share, parts);
}

void ReadOptions::validate() const {
  if (holdout == 0 || (holdout > 0 && holdout < 1)) return;
  std::ostringstream text;
  text << "holdout: must be a share between 0 and 1, like 0.1, not " << holdout;
  throw std::invalid_argument(text.str());
}

Prepared prepare(Source source, const ReadOptions& options, const std::function<void(double)>& progress) {
  options.validate();
  checked(source);
  Prepared result{.rows = std::move(source)};
  if (options.skip_bad_rows) {
    auto good = skip_bad_rows(result.rows, progress);
    result.rows = std::move(good.rows);
    result.skipped = good.skipped;
    result.first_skipped = good.first_skipped;
  }
  if (options.holdout > 0) {
    result.held_out = held_out(result.rows, options.holdout);
    result.rows = without_held_out(result.rows, options.holdout);
  }
  if (options.unit_rows) {
    result.rows = unit_rows(result.rows);
    if (result.held_out) result.held_out = unit_rows(result.held_out);
  }
  return result;
}

}  // namespace msae::data
