#include "data/read_blocks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <thread>
#include <vector>

#include "data/blocks.h"
#include "data/handover.h"

namespace msae::data {
namespace {

class Reader {
 public:
  Reader(EmbeddingSource& source, std::int64_t step)
      : source_(source), step_(step), thread_([this] { read_all(); }) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    handover_.stop();
    thread_.join();
  }

  std::span<float> next() {
    handover_.wait_for_made();  // stopped by the destructor alone
    return blocks_[handover_.slot_to_take()];
  }
  void done() { handover_.taken(); }

 private:
  void read_all() {
    try {
      const auto rows = source_.rows();
      for (std::int64_t first = 0; first < rows && handover_.wait_for_room(); first += step_) {
        const auto count = std::min(step_, rows - first);
        auto& block = blocks_[handover_.slot_to_make()];
        block.resize(static_cast<std::size_t>(count * source_.dim()));
        source_.read(first, count, block);
        handover_.made();
      }
    } catch (...) {
      handover_.failed();
    }
  }

  EmbeddingSource& source_;
  std::int64_t step_;
  std::array<std::vector<float>, 2> blocks_;
  Handover handover_{2};  // of the blocks
  std::thread thread_;    // last: it uses all of the above
};

}  // namespace

void read_blocks(EmbeddingSource& source, std::int64_t step, const std::function<void(double)>& progress,
                 const std::function<void(std::int64_t first, std::span<float> values)>& visit) {
  const auto rows = source.rows();
  Reader reader(source, step);
  for (std::int64_t first = 0; first < rows; first += step) {
    visit(first, reader.next());
    reader.done();
    if (progress) progress(static_cast<double>(std::min(first + step, rows)) / static_cast<double>(rows));
  }
}

void read_blocks(EmbeddingSource& source, const std::function<void(double)>& progress,
                 const std::function<void(std::int64_t first, std::span<float> values)>& visit) {
  read_blocks(source, rows_of_block(source.dim()), progress, visit);
}

}  // namespace msae::data
