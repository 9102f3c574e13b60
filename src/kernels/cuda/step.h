// A whole training step on the device: from a batch to the next parameters. Only the order of launches is
// decided here; nothing waits for the device, so that a step can be captured as a graph.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/cuda/optimiser.h"
#include "kernels/cuda/products.h"
#include "kernels/cuda/select.h"
#include "kernels/step_options.h"

namespace msae::kernels::cuda {

/// Gives memory of the device, aligned to 256 bytes, as long as the pointer lives.
using Allocate = std::function<std::shared_ptr<void>(std::size_t bytes)>;

/// Memory of the device that only grows.
template <typename V>
class DeviceBuffer {
 public:
  V* data() const { return static_cast<V*>(memory_.get()); }
  std::int64_t bytes() const { return capacity_ * static_cast<std::int64_t>(sizeof(V)); }
  /// Room for so many; what was there is lost if there was too little. Returns whether it has moved.
  bool reserve(std::int64_t count, const Allocate& allocate) {
    if (count <= capacity_) return false;
    memory_.reset();
    capacity_ = 0;  // should there be none
    memory_ = allocate(static_cast<std::size_t>(count) * sizeof(V));
    capacity_ = count;
    return true;
  }

 private:
  std::shared_ptr<void> memory_;
  std::int64_t capacity_ = 0;
};

/// What the optimiser does; see Optimise.
struct UpdateOptions {
  Rows before = Rows::project;
  bool unit_after = true;
  float row_epsilon = 0, clip = 0, beta1 = 0, beta2 = 0, epsilon = 0;
  std::int64_t dead_after = 0;
};

/// What a step reads and writes of the run's own memory, on the device. Gradients are the step's.
struct RunMemory {
  const float* mean = {};   ///< [dim], of the data
  const float* scale = {};  ///< [1]
  Trained encoder, decoder, latent_bias, pre_bias;
  double* sums = {};               ///< [5], see CountStep
  std::int64_t* last_active = {};  ///< [latents]
};

/// Which levels are matrices, [levels].
using DenseLevels = std::vector<bool>;

template <typename F>
class NestedStep {
 public:
  /// \param products must outlive the step
  /// \throws std::invalid_argument for levels that do not ascend, or too many of them, or of dimensions
  NestedStep(int latents, int dim, StepOptions options, UpdateOptions update, const Products<F>& products,
             Allocate allocate);

  /// The levels that are better computed as matrices.
  /// \param kept [levels], latents that each adds to a row on average; empty: as before training, when half of
  ///             all pre-activations are positive
  DenseLevels choose_dense(const std::vector<double>& kept = {}) const;

  /// Bytes that steps of so many rows take, with one after another of these choices.
  std::int64_t bytes(int rows, const std::vector<DenseLevels>& choices) const;

  /// Takes the memory that a step needs. Returns whether something has moved, in this call or one that has
  /// thrown: launches captured before are void.
  bool prepare(int rows, const DenseLevels& dense);

  /// Has to be called before the first step, and when parameters have been changed by others.
  void refresh(Stream stream, const RunMemory& run);

  /// What the next step depends on beyond its batch; copied before the call returns.
  void set(Stream stream, const Scalars& scalars);

  /// The step itself, as prepared.
  /// \param mark called after each stage, if set
  void enqueue(Stream stream, const RunMemory& run,
               const std::function<void(std::string_view stage)>& mark = {});

  /// Where the batch [rows, dim] goes before the step.
  float* batch() const { return raw_.data(); }
  /// [levels], latents that each level has added in the last step, all rows together.
  const unsigned long long* counts() const { return counts_.data(); }
  /// [levels], of models that choose over batches: the smallest value kept, infinite where there is none.
  const float* smallest() const { return smallest_.data(); }

  /// The gradients of the last step, before projection and clipping only until the optimiser has run: encoder
  /// and decoder [latents, padded(dim)].
  const float* encoder_gradient() const { return encoder_gradient_.data(); }
  const float* decoder_gradient() const { return decoder_gradient_.data(); }
  const float* latent_bias_gradient() const { return latent_bias_gradient_.data(); }
  const float* pre_bias_gradient() const { return pre_bias_gradient_.data(); }
  /// [rows], of the last step.
  const double* loss() const { return loss_.data(); }

  /// Its memory, by name, in bytes.
  std::vector<std::pair<std::string_view, std::int64_t>> memory() const;

 private:
  using Mark = std::function<void(std::string_view)>;

  int level_count() const { return static_cast<int>(options_.levels.size()); }
  bool auxiliary() const { return options_.auxk > 0 && options_.auxk_latents > 0; }
  bool listed() const { return levels_.dense < levels_.count || auxiliary(); }
  bool encoder_is_dense(const DenseLevels& dense) const;
  std::int64_t list_capacity(const DenseLevels& dense) const;
  int product_rows(int rows, int dense) const;
  template <typename Step, typename Visit>
  static void for_buffers(Step& step, int rows, const DenseLevels& dense, Visit visit);
  RowWeights weights() const;
  void select_latents(Stream stream, const RunMemory& run, const Mark& mark);
  void decode_levels(Stream stream, const RunMemory& run, const Mark& mark);
  void backward_dense(Stream stream, const Mark& mark);
  void backward_lists(Stream stream, const Mark& mark);
  void backward_sums(Stream stream, const Mark& mark);
  /// Whether products read the parameters themselves.
  bool factors_are_parameters() const { return sizeof(F) == sizeof(float) && dim_ % group == 0; }

  int latents_, dim_, rows_ = 0, product_rows_ = 0;
  StepOptions options_;
  UpdateOptions update_;
  const Products<F>& products_;
  Allocate allocate_;
  Levels levels_;
  std::int64_t capacity_ = 0;  ///< of a row's lists
  bool dense_encoder_ = false, moved_ = false;
  const F *encoder_ = {}, *decoder_ = {};  ///< factors of the step at hand

  DeviceBuffer<float> raw_, target_;
  DeviceBuffer<F> input_;
  DeviceBuffer<double> square_;
  DeviceBuffer<float> pre_;
  DeviceBuffer<std::uint32_t> begin_, latent_, kept_;
  DeviceBuffer<float> value_, sum_;
  DeviceBuffer<F> values_;
  DeviceBuffer<std::uint8_t> slot_;
  DeviceBuffer<float> added_, decode_room_;
  DeviceBuffer<F> gradient_;
  DeviceBuffer<double> loss_, residual_, widest_;
  DeviceBuffer<float> left_;
  DeviceBuffer<std::uint32_t> auxiliary_begin_, auxiliary_latent_, auxiliary_kept_;
  DeviceBuffer<float> auxiliary_value_;
  DeviceBuffer<std::uint8_t> dead_;
  DeviceBuffer<std::uint32_t> column_room_, column_begin_, column_place_;
  DeviceBuffer<float> column_value_;
  DeviceBuffer<F> product_, pre_gradient_;
  DeviceBuffer<float> sum_room_;
  DeviceBuffer<float> encoder_gradient_, decoder_gradient_, latent_bias_gradient_, pre_bias_gradient_;
  DeviceBuffer<F> encoder_factors_, decoder_factors_;
  DeviceBuffer<double> squares_;
  DeviceBuffer<int> fired_;
  DeviceBuffer<Totals> totals_;
  DeviceBuffer<Scalars> scalars_;
  DeviceBuffer<unsigned long long> counts_, cut_room_;
  DeviceBuffer<BatchCut> cuts_;
  DeviceBuffer<float> smallest_;
};

}  // namespace msae::kernels::cuda
