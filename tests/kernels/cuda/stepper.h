// A model on the device and its step, as tests run them.
#pragma once

#include <memory>
#include <vector>

#include "kernels/cuda/reference.h"
#include "kernels/cuda/step.h"
#include "kernels/step_problem.h"

namespace msae::kernels::cuda::test {

using kernels::test::Problem;

inline Allocate device_memory() {
  return [](std::size_t bytes) {
    auto array = std::make_shared<DeviceArray<std::uint8_t>>(static_cast<std::int64_t>(bytes));
    return std::shared_ptr<void>(array, array->data());
  };
}

/// A parameter as it is trained.
struct Parameter {
  DeviceArray<float> value, first, second;

  explicit Parameter(const Table<float>& table)
      : value(values_of(table)), first(value.size(), 0.0f), second(value.size(), 0.0f) {}
  Trained trained() { return {value.data(), nullptr, first.data(), second.data()}; }
};

/// A model in training, for one problem's shapes.
struct Model {
  DeviceArray<float> mean, scale;
  Parameter encoder, decoder, latent_bias, pre_bias;
  DeviceArray<double> sums;
  DeviceArray<std::int64_t> last_active;

  explicit Model(const Problem<float>& problem)
      : mean(problem.dim(), 0.0f),
        scale(1, 1.0f),
        encoder(problem.encoder),
        decoder(problem.decoder),
        latent_bias(problem.latent_bias),
        pre_bias(problem.pre_bias),
        sums(5, 0.0),
        last_active(std::vector<std::int64_t>(static_cast<std::size_t>(problem.latents()))) {
    // Rows seen are a thousand; who has been silent for more than 500 of them is dead.
    std::vector<std::int64_t> last(static_cast<std::size_t>(problem.latents()), 1000);
    for (std::size_t j = 0; j < problem.dead.size(); ++j) last[j] = problem.dead[j] != 0 ? 499 : 500;
    last_active = DeviceArray<std::int64_t>(last);
  }

  RunMemory memory() {
    return {mean.data(),           scale.data(),       encoder.trained(), decoder.trained(),
            latent_bias.trained(), pre_bias.trained(), sums.data(),       last_active.data()};
  }
};

/// Parameters stay what they are, and gradients too: no step, no projection.
inline UpdateOptions no_update() {
  return {.before = Rows::as_they_are,
          .unit_after = false,
          .row_epsilon = 1e-7f,
          .clip = 0,
          .beta1 = 0.9f,
          .beta2 = 0.999f,
          .epsilon = 1e-8f,
          .dead_after = 500};
}

inline Scalars scalars_of(const Problem<float>& problem) {
  return {.factor = problem.factor,
          .loss_weight = 1,
          .decay = 1,
          .rate = 0,
          .correction = 1,
          .rows_seen = 1000 + problem.rows()};
}

inline Table<float> table_of(const float* from, std::int64_t rows, std::int64_t columns,
                             std::int64_t stride) {
  std::vector<float> values(static_cast<std::size_t>(rows * stride));
  require(cudaMemcpy(values.data(), from, values.size() * sizeof(float), cudaMemcpyDeviceToHost), "copy");
  Table<float> table(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) table(i, j) = values[static_cast<std::size_t>(i * stride + j)];
  }
  return table;
}

template <typename F>
class Stepper {
 public:
  explicit Stepper(const Problem<float>& problem, UpdateOptions update = no_update())
      : step_(static_cast<int>(problem.latents()), static_cast<int>(problem.dim()), problem.options, update,
              products_, device_memory()) {}

  void run(const Problem<float>& problem, Model& memory, const DenseLevels& dense) {
    step_.prepare(static_cast<int>(problem.rows()), dense);
    step_.refresh(stream, memory.memory());
    run(problem.batch, memory, dense, scalars_of(problem));
  }

  /// The next step: nobody has changed parameters since the last.
  void run(const Table<float>& batch, Model& memory, const DenseLevels& dense, const Scalars& scalars) {
    step_.prepare(static_cast<int>(batch.rows()), dense);
    const auto rows = values_of(batch);
    require(cudaMemcpy(step_.batch(), rows.data(), rows.size() * sizeof(float), cudaMemcpyHostToDevice),
            "copy");
    step_.set(stream, scalars);
    step_.enqueue(stream, memory.memory());
    synchronise();
  }

  NestedStep<F>& step() { return step_; }

 private:
  PlainProducts<F> products_;
  NestedStep<F> step_;
};

/// Which levels are matrices.
enum class Dense { none, all, odd, last };

inline DenseLevels dense_of(Dense which, std::size_t levels) {
  DenseLevels dense(levels);
  for (std::size_t l = 0; l < levels; ++l) {
    dense[l] = which == Dense::all || (which == Dense::odd && l % 2 == 1) ||
               (which == Dense::last && l + 1 == levels);
  }
  return dense;
}

}  // namespace msae::kernels::cuda::test
