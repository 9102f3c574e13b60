/// \file
/// Where embeddings come from. A source is a matrix of rows that can be read in pieces; it holds none of
/// them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "msae/core/export.h"

namespace msae::data {

/// Embeddings [rows, dim], read as float32. One thread at a time may call read().
///
/// For a source of your own, override rows(), dim(), name() and the private read_rows(), which gets a range
/// that lies within the rows and an `out` that fits it, and need not look for NaN: read() does all that.
class MSAE_EXPORT EmbeddingSource {
 public:
  virtual ~EmbeddingSource() = default;

  /// Number of embeddings.
  virtual std::int64_t rows() const = 0;
  /// Length of an embedding.
  virtual std::int64_t dim() const = 0;
  /// How messages name the source, e.g. "cc3m.h5:/image".
  virtual std::string name() const = 0;
  /// The name without what views add to it, for machines: again something to open, where it was opened.
  virtual std::string origin() const { return name(); }
  /// The number of a row in the file it comes from: another one where a view leaves rows out (see views.h).
  virtual std::int64_t original_row(std::int64_t row) const { return row; }
  /// Rows of that file, those included that a view leaves out.
  virtual std::int64_t original_rows() const { return rows(); }
  /// How messages name a row: "row 17", and of several files also which of them it lies in.
  virtual std::string row_name(std::int64_t row) const;
  /// Rows that lie together in the file, such as those of a chunk of HDF5: reading is fastest in multiples of
  /// so many, beginning at a multiple.
  virtual std::int64_t rows_together() const { return 1; }
  /// What views have made of the file's rows, e.g. "unit rows"; empty for rows as they are.
  virtual std::string treatment() const { return {}; }

  /// Copies rows [first, first + count) into `out` [count, dim], row-major.
  /// \throws std::invalid_argument when the range or out.size() does not fit
  /// \throws msae::IoError when the file cannot be read, or a row holds NaN or Inf, naming the first such
  ///         row by its number in the file
  void read(std::int64_t first, std::int64_t count, std::span<float> out);

  /// As read(), but for rows that hold NaN or Inf, which are given as they are.
  void read_unchecked(std::int64_t first, std::int64_t count, std::span<float> out);

  /// A hint that rows [first, first + count), which lie within the rows, are about to be read: the disk may
  /// begin. Does nothing by itself.
  virtual void expect(std::int64_t first, std::int64_t count);

 private:
  virtual void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) = 0;
};

/// Opens what a user names. Elements are float16, bfloat16, float32 or float64; they are read as float32.
/// Nothing but the structure of files is read yet.
/// \param data "file.h5:/path", or "file.h5" when the file holds one two-dimensional floating-point data set,
///             contiguous or chunked;
///             "file.npy" of NumPy, in C order, or "NAME_ROWS_DIM.npy", a file of the published
///             implementation without a header: float32, its shape in its name; "file.safetensors:name" and
///             "file.pt:name" (a tensor, or a dict of tensors, of torch.save; no code in it is run), without
///             a name where they hold one such tensor; or several files of one kind as one, in the order of
///             their names, numbers in them by value: a folder ("shards" or "shards:/path"), or a pattern as
///             shells know it ("shards/img_emb_*.npy"). Of a folder, files of no such kind are left aside.
/// \return the rows of that data set
/// \throws msae::IoError when the file is missing, truncated or of no such format, or the data set is missing
///         (listing those there are), ambiguous, not two-dimensional, not floating point, or has no rows or
///         columns; or when files of a folder differ in kind or dimension
MSAE_EXPORT std::unique_ptr<EmbeddingSource> open(const std::string& data);

/// Rows that are already in memory, e.g. a tensor's data.
/// \param values [rows, dim], row-major
/// \param dim    length of a row
/// \param name   how messages name them
/// \return a source that owns them
/// \throws std::invalid_argument when `values` is empty or no multiple of `dim`
MSAE_EXPORT std::unique_ptr<EmbeddingSource> in_memory(std::vector<float> values, std::int64_t dim,
                                                       std::string name = "memory");

}  // namespace msae::data
