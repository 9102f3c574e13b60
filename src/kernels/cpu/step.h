// A whole training step but for the optimiser: from a batch to the gradients of all parameters.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/cpu/executor.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/select.h"
#include "kernels/step_options.h"

namespace msae::kernels {

/// Dense products with one matrix, C [m, n] = A [m, k] B, on the caller's thread. All rows are contiguous.
template <typename T>
using TimesMatrix = std::function<void(std::int64_t m, const T* a, T* c)>;

/// What a library of dense products does.
template <typename T>
struct Product {
  /// Products with B [k, n], or with the transpose of [n, k] where told so, which has to stay while they are
  /// made.
  std::function<TimesMatrix<T>(bool transposed, std::int64_t n, std::int64_t k, const T* b)> by;
};

/// The parameters, or their gradients.
template <typename T>
struct Parameters {
  Matrix<T> encoder, decoder;  ///< [latents, dim], contiguous
  T* latent_bias = {};         ///< [latents]
  T* pre_bias = {};            ///< [dim]
};

/// What a step has learnt by the way.
struct StepReport {
  double loss = 0;           ///< factor included
  double residual = 0;       ///< sum of |x_1 - x|^2, of the first level
  double deviation = 0;      ///< sum of |x|^2
  std::int64_t active = 0;   ///< latents of the first level, all rows together
  std::int64_t entries = 0;  ///< latents of all levels
  std::int64_t levels = 0;   ///< that differ: those that keep all there is count as one
  std::vector<double>
      smallest;  ///< over_batch: each level's smallest pre-activation, infinite where it has none
};

/// The stages of a step, in order.
enum class Stage { prepare, product, select, decode, columns, decoder_gradient, encoder_gradient, count };
std::string_view name_of(Stage stage);

/// The step. It keeps its memory: after the first step of a size, the next one takes none unless more latents
/// are positive than ever before. Results do not depend on the executor.
template <typename T>
class NestedStep {
 public:
  /// \throws std::invalid_argument for levels that do not ascend, or too many of them
  NestedStep(std::int64_t latents, std::int64_t dim, StepOptions options, Product<T> product,
             const Executor& executor);
  NestedStep(const NestedStep&) = delete;
  NestedStep& operator=(const NestedStep&) = delete;
  ~NestedStep();

  /// \param batch      [rows, dim] in model space
  /// \param factor     of the loss
  /// \param dead       [latents], not 0 for those that auxk is for; null: there are none
  /// \param gradients  overwritten
  StepReport run(const Matrix<const T>& batch, double factor, const Parameters<const T>& parameters,
                 const std::uint8_t* dead, const Parameters<T>& gradients);

  /// Whether a latent was active in the last step, at any level: [latents].
  const std::uint8_t* fired() const { return fired_.data(); }

  /// Milliseconds of the stages of the last step.
  double milliseconds(Stage stage) const { return milliseconds_[static_cast<std::size_t>(stage)]; }
  /// Its memory, by name, in bytes.
  std::vector<std::pair<std::string_view, std::int64_t>> memory() const;

 private:
  struct Worker;
  struct BatchCut;

  void prepare(const Matrix<const T>& batch, const Parameters<const T>& parameters);
  void select(const Parameters<const T>& parameters, const std::uint8_t* dead);
  void select_block(std::int64_t first, std::int64_t last, const TimesMatrix<T>& by_encoder,
                    const T* latent_bias, const std::uint8_t* dead, Worker& worker);
  void cut_batch();
  BatchCut cut_in_bin(std::int64_t bin, std::int64_t keep);
  void join_levels();
  void weigh_rows(double factor);
  void decode_levels(const Parameters<const T>& parameters);
  void decode_auxiliary(double factor);
  void choose_dense();
  void sum_wide_level(const Parameters<const T>& parameters);
  void sort_columns();
  void wide_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients);
  void dense_encoder_gradients(const Parameters<T>& gradients);
  void decoder_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients);
  void encoder_gradients(const Parameters<const T>& parameters, const Parameters<T>& gradients);
  StepReport report() const;

  std::int64_t rows() const { return centred_.rows(); }
  std::int64_t chunks() const { return (rows() + chunk_rows - 1) / chunk_rows; }
  std::int64_t slots() const { return used_ + (auxiliary_ ? 1 : 0); }
  void for_chunks(const std::function<void(std::int64_t chunk, Worker&)>& work);
  void for_blocks(const std::function<void(std::int64_t first_row, std::int64_t last_row, Worker&)>& work);
  void for_strips(const std::function<void(std::int64_t first, std::int64_t last, Worker&)>& work);
  void for_chunk_ranges(const std::function<void(std::int64_t first, std::int64_t last)>& work);
  void for_latents(const std::function<void(std::int64_t first, std::int64_t last, Worker&)>& work);

  std::int64_t latents_, dim_;
  StepOptions options_;
  Product<T> product_;
  const Executor& executor_;

  std::vector<Worker> workers_;
  Buffer<T> input_;             ///< [rows, dim], the batch without pre_bias
  Sliced<T> centred_;           ///< input_ in slices
  Sliced<T> dictionary_;        ///< the decoder in slices
  std::vector<double> square_;  ///< [rows], |x|^2
  std::vector<ChunkEntries<T>> entries_, spare_, auxiliary_entries_;
  std::vector<ChunkColumns<T>> columns_;
  std::vector<ChunkColumns<T>>
      wide_columns_;    ///< of the widest level, where its gradients are dense products
  Buffer<T> wide_;      ///< [rows, dim], what the widest level adds to the one before, then its gradient
  Sliced<T> gradient_;  ///< [rows * slots, dim]
  Buffer<T> row_weight_, row_l1_, auxiliary_weight_, level_weight_;
  std::vector<double> error_, auxiliary_error_;  ///< [rows, used], [rows]
  Buffer<std::uint8_t> fired_;
  std::int64_t used_ = 0;
  std::int64_t counted_ = 0;  ///< rows with |x| > 0
  bool auxiliary_ = false;
  bool dense_decode_ = false, dense_decoder_gradient_ = false, dense_encoder_gradient_ = false;
  std::array<double, static_cast<std::size_t>(Stage::count)> milliseconds_ = {};
};

}  // namespace msae::kernels
