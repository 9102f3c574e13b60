#include "cli/stage_floors.h"

#include <algorithm>

namespace msae::cli {

std::optional<StageWork> stage_work(std::string_view stage, const StepSize& size) {
  constexpr double real = 4;   // float32
  constexpr double entry = 8;  // a value and where it belongs
  const auto n = static_cast<double>(size.entries), h = static_cast<double>(size.latents);
  const auto d = static_cast<double>(size.dim);
  const double batch = real * static_cast<double>(size.rows) * d;  // bytes of it
  const double pre = real * static_cast<double>(size.rows) * h;    // of all pre-activations
  const double matrix = real * h * d;                              // of encoder or decoder
  const double residuals = static_cast<double>(size.levels) * batch;
  const double product = 2 * n * d;  // flops of one over the entries alone

  if (stage == "prepare") return StageWork{0, 2 * batch + matrix};
  if (stage == "encoder product") {
    return StageWork{2 * static_cast<double>(size.rows) * d * h, batch + matrix + pre};
  }
  if (stage == "select") return StageWork{0, pre + entry * n};
  if (stage == "decode") return StageWork{product, entry * n + matrix + batch + residuals};
  if (stage == "columns") return StageWork{0, 2 * entry * n};
  // Reads the entries, the residuals and the decoder; writes the entries' gradients and the decoder's.
  if (stage == "ds + dW") return StageWork{2 * product, (entry + real) * n + residuals + 2 * matrix};
  if (stage == "dV") return StageWork{product, entry * n + batch + matrix};
  // For each matrix, reads the gradient, reads and writes the parameter and two moments; the pass before it
  // reads the gradients and a decoder, and writes the decoder's gradient.
  if (stage == "optimiser") return StageWork{0, 2 * 7 * matrix + 4 * matrix};
  return {};
}

double floor_ms(const StageWork& work, const MachineRates& rates) {
  return 1e3 * std::max(work.flops / rates.flops, work.bytes / rates.bytes);
}

}  // namespace msae::cli
