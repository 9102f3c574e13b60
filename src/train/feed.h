// Where the batches of a training run come from: raw rows, on the device of the model.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "msae/data/batch_loader.h"
#include "msae/data/source.h"
#include "msae/models/sparse_autoencoder.h"

namespace msae::train {

/// Batches without end, epoch after epoch, in the order of data::BatchLoader.
class Feed {
 public:
  virtual ~Feed() = default;

  /// The next batch of raw embeddings [rows, dim] on the model's device and of its type. Good until the next
  /// call: what reads it has to be asked for by then, in the order of the calling thread's current stream.
  /// Rethrows what reading the source threw. Undefined when LoaderOptions::stop ended the wait.
  virtual torch::Tensor next() = 0;
  /// Goes on from batch `index` of `epoch`, as data::BatchLoader::seek().
  virtual void seek(std::int64_t epoch, std::int64_t index) = 0;
  virtual std::int64_t batches_per_epoch() const = 0;
};

/// Where a feed puts its batches.
struct FeedPlace {
  c10::Device device;
  torch::ScalarType type;

  static FeedPlace of(const models::SparseAutoencoder& model) {
    return {model.decoder.device(), model.decoder.scalar_type()};
  }
};

/// Batches out of the machine's memory, or the file: as they are for the CPU, else by make_streaming_feed().
/// Reads nothing before the first next(). \throws std::invalid_argument as data::BatchLoader
std::unique_ptr<Feed> make_host_feed(FeedPlace place, data::EmbeddingSource& source,
                                     const data::LoaderOptions& options);

/// Copies a batch to the device while the step before it is at work: two pinned buffers, two on the device,
/// and a thread that fills them in a stream of its own.
std::unique_ptr<Feed> make_streaming_feed(FeedPlace place, data::EmbeddingSource& source,
                                          const data::LoaderOptions& options);

/// All rows of a source, on a device.
struct ResidentRows {
  torch::Tensor values;  ///< [rows, dim] float32 or float16
  bool rounded = false;  ///< float16 that is not all the source says
};

/// Bytes that rows of that type, and an order of them, take on the device.
std::uint64_t resident_bytes(const data::EmbeddingSource& source, torch::ScalarType type);

/// Reads a source once, in pieces, each copied to the device while the next one is read.
/// \param type     kFloat32, or kFloat16; rows that float16 holds badly, too large or too small for it, are
///                 not taken: `values` is undefined then
/// \param progress called with the share done after each piece; may throw
/// \throws c10::OutOfMemoryError where the device has no room; what the source and `progress` throw
ResidentRows load_rows(data::EmbeddingSource& source, c10::Device device, torch::ScalarType type,
                       const std::function<void(double)>& progress);

/// When rows may be kept as float16, half the size.
enum class HalfRows {
  if_needed,  ///< where float32 has no room
  if_exact,   ///< ... and nothing is rounded
  always      ///< float32 is out of the question: the run began with rounded rows
};

/// All rows on a device, as float32 or else as float16, and a log line where they are rounded or not taken.
/// \param memory bytes that they may take
/// \return null where they do not fit
/// \throws what the source and `progress` throw
std::shared_ptr<const ResidentRows> rows_that_fit(data::EmbeddingSource& source, c10::Device device,
                                                  std::uint64_t memory, HalfRows half,
                                                  const std::function<void(double)>& progress);

/// Batches gathered on the device. The order of the epoch after the one at hand is drawn meanwhile, by a
/// thread of its own. \param rows of load_rows(), on the place's device
std::unique_ptr<Feed> make_resident_feed(FeedPlace place, std::shared_ptr<const ResidentRows> rows,
                                         const data::LoaderOptions& options);

}  // namespace msae::train
