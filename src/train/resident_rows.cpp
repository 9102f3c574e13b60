#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "data/epoch_order.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"
#include "train/device_queue.h"
#include "train/feed.h"

namespace msae::train {
namespace {

// What float16 is taken to lose of rows that suit it, as a share of their norm: half a unit of its last of 11
// bits.
constexpr double half_rounding = 0x1p-11;

// Whether float16 holds rows as well as it can, by sums that stay on the device until asked.
class Rounding {
 public:
  explicit Rounding(c10::Device device)
      : lost_(torch::zeros({}, torch::TensorOptions(torch::kFloat64).device(device))),
        all_(torch::zeros_like(lost_)) {}

  // In float64, where no square of a float32 is infinite, or 0.
  void add(const torch::Tensor& rows, const torch::Tensor& kept) {
    const auto exact = rows.to(torch::kFloat64);
    lost_ += (kept.to(torch::kFloat64) - exact).square_().sum();
    all_ += exact.square().sum();
  }
  bool any() const { return lost_.item<double>() != 0; }
  bool is_small() const {  // not so where a value became infinite
    return lost_.item<double>() <= half_rounding * half_rounding * all_.item<double>();
  }

 private:
  torch::Tensor lost_, all_;
};

}  // namespace

std::uint64_t resident_bytes(const data::EmbeddingSource& source, torch::ScalarType type) {
  const auto rows = static_cast<std::uint64_t>(source.rows()), dim = static_cast<std::uint64_t>(source.dim());
  const auto of_order = sizeof(std::int64_t) / torch::elementSize(type);  // as so many coordinates more
  return saturating_product(rows, saturating_product(dim + of_order, torch::elementSize(type)));
}

ResidentRows load_rows(data::EmbeddingSource& source, c10::Device device, torch::ScalarType type,
                       const std::function<void(double)>& progress) {
  const torch::NoGradGuard no_grad;
  constexpr std::int64_t piece_values = std::int64_t{1} << 22;  // 16 MB between two looks at progress
  const auto rows = data::rows_for_batches(source), dim = source.dim();
  const auto step = std::min(rows, std::max<std::int64_t>(1, piece_values / dim));
  struct Buffer {
    torch::Tensor host;
    Mark copied;
  };
  const auto buffer = [&] { return Buffer{host_buffer(device, {step, dim}, torch::kFloat32), Mark(device)}; };
  std::array buffers{buffer(), buffer()};
  ResidentRows loaded{torch::empty({rows, dim}, torch::TensorOptions(type).device(device))};
  Rounding rounding(device);
  for (std::int64_t first = 0, piece = 0; first < rows; first += step, ++piece) {
    auto& [host, copied] = buffers[static_cast<std::size_t>(piece % 2)];
    const auto count = std::min(step, rows - first);
    copied.wait();
    source.read(first, count,
                std::span(host.mutable_data_ptr<float>(), static_cast<std::size_t>(count * dim)));
    const auto values = loaded.values.narrow(0, first, count);
    const auto read = host.narrow(0, 0, count);
    if (type == torch::kFloat32) {
      values.copy_(read, /*non_blocking=*/true);
    } else {
      const auto exact = read.to(device, /*non_blocking=*/true, /*copy=*/false);
      values.copy_(exact);
      rounding.add(exact, values);
    }
    copied.set(stream_in_use(device));
    if (progress) progress(static_cast<double>(first + count) / static_cast<double>(rows));
  }
  wait_for_device(device);  // whatever stream reads them later
  if (type == torch::kFloat32) return loaded;
  if (!rounding.is_small()) return {};
  loaded.rounded = rounding.any();
  return loaded;
}

std::shared_ptr<const ResidentRows> rows_that_fit(data::EmbeddingSource& source, c10::Device device,
                                                  std::uint64_t memory, HalfRows half,
                                                  const std::function<void(double)>& progress) {
  const auto place = " on " + device.str();
  const auto load = [&](torch::ScalarType type) -> std::shared_ptr<const ResidentRows> {
    if (resident_bytes(source, type) > memory) return nullptr;
    try {
      auto rows = load_rows(source, device, type, progress);
      const bool taken = rows.values.defined() && !(rows.rounded && half == HalfRows::if_exact);
      return taken ? std::make_shared<const ResidentRows>(std::move(rows)) : nullptr;
    } catch (const c10::OutOfMemoryError&) {  // what is free need not be in one piece
      return nullptr;
    }
  };
  const auto needed = human_bytes(resident_bytes(source, torch::kFloat32));
  const auto room = human_bytes(memory) + " of memory" + place;
  if (auto rows = half == HalfRows::always ? nullptr : load(torch::kFloat32)) return rows;
  const auto rows = load(torch::kFloat16);
  if (!rows) {
    log::info(source.name() + ": read from the host batch by batch, as its " + needed + " are not for the " +
              room + " that they may take");
  } else if (rows->rounded) {
    log::info(source.name() + ": kept" + place + " as float16, which rounds them: as float32 they need " +
              needed + ", and " + human_bytes(memory) + " are for them");
  }
  return rows;
}

}  // namespace msae::train
