#include "msae/concepts/hierarchy.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "concepts/unit.h"
#include "concepts/unsign.h"
#include "msae/core/memory.h"
#include "ops/torch_executor.h"

namespace msae::concepts {
namespace {

// Fewer where there are many latents, as work is told of, and can be stopped, after each.
std::int64_t rows_at_a_time(std::size_t latents) {
  constexpr std::int64_t most_values = std::int64_t{1} << 22;
  return std::clamp<std::int64_t>(most_values / static_cast<std::int64_t>(latents), 64, 2048);
}

void refuse_number(const char* field, const char* wanted, double value) {
  throw std::invalid_argument(std::string(field) + ": must be " + wanted + ", not " + std::to_string(value));
}

/// Rows of the codes, evenly spaced, with the latents that have a place in the tree, by new numbers.
struct Sample {
  std::vector<std::int64_t> latents;          // [places], the old numbers
  std::vector<std::vector<std::int32_t>> of;  // [rows], places, ascending
  std::vector<std::int64_t> active;           // [places], rows
};

std::vector<std::int64_t> sampled_rows(const Codes& codes, std::int64_t most) {
  const auto count = std::min(most, codes.rows);
  std::vector<std::int64_t> rows(unsign(count));
  for (std::int64_t i = 0; i < count; ++i) rows[unsign(i)] = i * codes.rows / count;
  return rows;
}

Sample sample_of(const Codes& codes, const std::vector<std::int64_t>& rows, std::int64_t fewest) {
  std::vector<std::int64_t> active(unsign(codes.latents));
  for (const auto row : rows) {
    for (const auto latent : codes.latents_of(row)) ++active[unsign(latent)];
  }
  Sample sample;
  std::vector<std::int32_t> place(unsign(codes.latents), -1);
  for (std::int64_t latent = 0; latent < codes.latents; ++latent) {
    if (active[unsign(latent)] < std::max<std::int64_t>(fewest, 1)) continue;
    place[unsign(latent)] = static_cast<std::int32_t>(sample.latents.size());
    sample.latents.push_back(latent);
    sample.active.push_back(active[unsign(latent)]);
  }
  for (const auto row : rows) {
    auto& places = sample.of.emplace_back();
    for (const auto latent : codes.latents_of(row)) {
      if (place[unsign(latent)] >= 0) places.push_back(place[unsign(latent)]);
    }
  }
  return sample;
}

/// How much of each direction the rows' reconstructions have, batch by batch.
class Projections {
 public:
  Projections(const torch::Tensor& dictionary, const Codes& codes, const std::vector<std::int64_t>& rows,
              const Sample& sample)
      : dictionary_(dictionary.detach().to(torch::kCPU, torch::kFloat32).contiguous()),
        directions_(unit(dictionary_.index_select(0, torch::tensor(sample.latents))).t()),
        codes_(codes),
        rows_(rows) {}

  /// Calls `use(first, projections [count, places])`.
  template <typename Use>
  void for_each(const std::function<void(double)>& progress, Use use) const {
    const auto count = static_cast<std::int64_t>(rows_.size());
    const auto step = rows_at_a_time(static_cast<std::size_t>(directions_.size(1)));
    for (std::int64_t first = 0; first < count; first += step) {
      const auto last = std::min(first + step, count);
      use(first, reconstructions(first, last).mm(directions_));
      if (progress) progress(static_cast<double>(last) / static_cast<double>(count));
    }
  }

 private:
  torch::Tensor reconstructions(std::int64_t first, std::int64_t last) const {
    std::vector<std::int64_t> begin{0};
    std::vector<std::int64_t> latents;
    std::vector<float> values;
    for (auto i = first; i < last; ++i) {
      const auto row = rows_[unsign(i)];
      const auto of_row = codes_.latents_of(row);
      const auto values_of_row = codes_.values_of(row);
      latents.insert(latents.end(), of_row.begin(), of_row.end());
      values.insert(values.end(), values_of_row.begin(), values_of_row.end());
      begin.push_back(static_cast<std::int64_t>(latents.size()));
    }
    auto result = torch::zeros({last - first, dictionary_.size(1)});
    auto* out = result.mutable_data_ptr<float>();
    const auto* rows = dictionary_.const_data_ptr<float>();
    const auto dim = dictionary_.size(1);
    ops::torch_executor().run(last - first, [&](std::int64_t i, int) {
      for (auto e = begin[unsign(i)]; e < begin[unsign(i) + 1]; ++e) {
        const auto* from = rows + latents[unsign(e)] * dim;
        for (std::int64_t d = 0; d < dim; ++d) out[i * dim + d] += values[unsign(e)] * from[d];
      }
    });
    return result;
  }

  torch::Tensor dictionary_, directions_;
  const Codes& codes_;
  const std::vector<std::int64_t>& rows_;
};

// [places], the median projection over the rows that each is active on.
std::vector<float> presence_thresholds(const Projections& projections, const Sample& sample,
                                       const std::function<void(double)>& progress) {
  std::vector<std::vector<float>> values(sample.latents.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i].reserve(unsign(sample.active[i]));
  projections.for_each(progress, [&](std::int64_t first, const torch::Tensor& projected) {
    const auto at = projected.accessor<float, 2>();
    for (std::int64_t i = 0; i < projected.size(0); ++i) {
      for (const auto place : sample.of[unsign(first + i)]) values[unsign(place)].push_back(at[i][place]);
    }
  });
  std::vector<float> thresholds;
  for (auto& own : values) {
    const auto middle = own.begin() + static_cast<std::ptrdiff_t>(own.size() / 2);
    std::nth_element(own.begin(), middle, own.end());
    thresholds.push_back(*middle);
  }
  return thresholds;
}

/// Of pairs of places, on how many rows.
struct Counts {
  std::int64_t places = 0;
  std::vector<std::int32_t> present;      // [child, parent]: child active, parent present
  std::vector<std::int32_t> active;       // [child, parent]: both active
  std::vector<std::int64_t> all_present;  // [places], on any row

  std::size_t at(std::int64_t child, std::int64_t parent) const { return unsign(child * places + parent); }
};

Counts count_pairs(const Projections& projections, const Sample& sample, const std::vector<float>& thresholds,
                   const std::function<void(double)>& progress) {
  const auto places = static_cast<std::int64_t>(sample.latents.size());
  const auto pairs = unsign(places * places);
  Counts counts{.places = places, .present = {}, .active = {}, .all_present = {}};
  counts.present.resize(pairs);
  counts.active.resize(pairs);
  counts.all_present.resize(unsign(places));
  const auto limits = torch::tensor(thresholds);
  constexpr std::int64_t slice = 512;  // parents of a task, so that no two add to one number
  projections.for_each(progress, [&](std::int64_t first, const torch::Tensor& projected) {
    const auto present = (projected >= limits).to(torch::kUInt8).contiguous();
    const auto* all = present.const_data_ptr<std::uint8_t>();
    ops::torch_executor().run((places + slice - 1) / slice, [&](std::int64_t task, int) {
      const auto begin = task * slice, end = std::min(begin + slice, places);
      for (std::int64_t i = 0; i < present.size(0); ++i) {
        const auto* row = all + i * places;
        for (auto p = begin; p < end; ++p) counts.all_present[unsign(p)] += row[p];
        const auto& of_row = sample.of[unsign(first + i)];
        for (const auto child : of_row) {
          auto* to = counts.present.data() + counts.at(child, 0);
          for (auto p = begin; p < end; ++p) to[p] += row[p];
          auto* both = counts.active.data() + counts.at(child, 0);
          for (auto p = std::lower_bound(of_row.begin(), of_row.end(), static_cast<std::int32_t>(begin));
               p != of_row.end() && *p < end; ++p) {
            ++both[*p];
          }
        }
      }
    });
  });
  return counts;
}

/// Finds the parents of places.
class Parents {
 public:
  /// \param units [latents, dim], float32
  Parents(const Sample& sample, const Counts& counts, const torch::Tensor& units, std::int64_t rows,
          const HierarchyOptions& options)
      : sample_(sample), counts_(counts), units_(units), rows_(rows), options_(options) {}

  /// The place of a place's parent, or -1.
  std::int64_t of(std::int64_t child) const {
    std::int64_t best = -1;
    for (std::int64_t p = 0; p < counts_.places; ++p) {
      if ((best < 0 || is_narrower(child, p, best)) && qualifies(child, p)) best = p;
    }
    return best;
  }

  HierarchyNode node(std::int64_t child, std::int64_t parent) const {
    HierarchyNode node;
    node.parent = static_cast<std::int32_t>(sample_.latents[unsign(parent)]);
    node.present = share(counts_.present, child, parent);
    node.active = share(counts_.active, child, parent);
    node.lift = node.present / usual(parent);
    node.cosine = cosine(child, parent);
    return node;
  }

 private:
  double rows_of(std::int64_t place) const { return static_cast<double>(sample_.active[unsign(place)]); }
  double share(const std::vector<std::int32_t>& count, std::int64_t child, std::int64_t parent) const {
    return count[counts_.at(child, parent)] / rows_of(child);
  }
  double usual(std::int64_t place) const {
    return static_cast<double>(counts_.all_present[unsign(place)]) / static_cast<double>(rows_);
  }

  double cosine(std::int64_t child, std::int64_t parent) const {
    const auto dim = units_.size(1);
    const auto* all = units_.const_data_ptr<float>();
    const auto* a = all + sample_.latents[unsign(child)] * dim;
    const auto* b = all + sample_.latents[unsign(parent)] * dim;
    double sum = 0;
    for (std::int64_t i = 0; i < dim; ++i) sum += double{a[i]} * b[i];
    return sum;
  }

  bool qualifies(std::int64_t child, std::int64_t p) const {
    if (p == child || rows_of(p) <= options_.broader * rows_of(child)) return false;
    const auto present = share(counts_.present, child, p);
    if (present < options_.present || present < options_.lift * usual(p)) return false;
    const auto alike = cosine(child, p);
    if (alike < options_.least_cosine) return false;
    return share(counts_.active, child, p) >= options_.active || alike >= options_.cosine;
  }

  bool is_narrower(std::int64_t child, std::int64_t a, std::int64_t b) const {
    if (rows_of(a) != rows_of(b)) return rows_of(a) < rows_of(b);
    return counts_.present[counts_.at(child, a)] > counts_.present[counts_.at(child, b)];
  }

  const Sample& sample_;
  const Counts& counts_;
  const torch::Tensor& units_;
  std::int64_t rows_;
  const HierarchyOptions& options_;
};

// Children and depths; a parent is active on more rows than its child.
void link(std::vector<HierarchyNode>& nodes, const Sample& sample) {
  std::vector<std::size_t> order(sample.latents.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return sample.active[a] > sample.active[b]; });
  for (const auto place : order) {
    const auto latent = sample.latents[place];
    auto& node = nodes[unsign(latent)];
    if (node.parent < 0) continue;
    auto& parent = nodes[unsign(node.parent)];
    node.depth = parent.depth + 1;
    parent.children.push_back(static_cast<std::int32_t>(latent));
  }
}

}  // namespace

void HierarchyOptions::validate() const {
  if (!(present >= 0 && present <= 1)) refuse_number("present", "from 0 to 1", present);
  if (!(broader > 1)) refuse_number("broader", "above 1", broader);
  if (!(lift >= 1)) refuse_number("lift", "at least 1", lift);
  if (!(active >= 0 && active <= 1)) refuse_number("active", "from 0 to 1", active);
  if (!(cosine >= -1 && cosine <= 1)) refuse_number("cosine", "from -1 to 1", cosine);
  if (!(least_cosine >= -1 && least_cosine <= 1)) {
    refuse_number("least_cosine", "from -1 to 1", least_cosine);
  }
  if (fewest_rows < 1) refuse_number("fewest_rows", "at least 1", static_cast<double>(fewest_rows));
  if (most_rows < 1) refuse_number("most_rows", "at least 1", static_cast<double>(most_rows));
}

std::vector<HierarchyNode> find_hierarchy(const torch::Tensor& dictionary, const Codes& codes,
                                          const HierarchyOptions& options,
                                          const std::function<void(double)>& progress) {
  options.validate();
  TORCH_CHECK(dictionary.dim() == 2 && dictionary.size(0) == codes.latents,
              "find_hierarchy: expected a dictionary [", codes.latents, ", dim], got ", dictionary.sizes());
  const torch::NoGradGuard no_grad;
  std::vector<HierarchyNode> nodes(unsign(codes.latents));
  const auto rows = sampled_rows(codes, options.most_rows);
  const auto sample = sample_of(codes, rows, options.fewest_rows);
  if (sample.latents.empty()) return nodes;
  const auto pairs = saturating_product(sample.latents.size(), sample.latents.size());
  require_memory(saturating_product(pairs, 2 * sizeof(std::int32_t)),
                 "the hierarchy of " + std::to_string(sample.latents.size()) + " latents");
  const auto half = [&](double from) -> std::function<void(double)> {
    if (!progress) return {};
    return [&progress, from](double share) { progress(from + share / 2); };
  };
  const Projections projections(dictionary, codes, rows, sample);
  const auto thresholds = presence_thresholds(projections, sample, half(0));
  const auto counts = count_pairs(projections, sample, thresholds, half(0.5));
  const auto units = unit(dictionary.detach().to(torch::kCPU, torch::kFloat32)).contiguous();
  const Parents parents(sample, counts, units, static_cast<std::int64_t>(rows.size()), options);
  ops::torch_executor().run(counts.places, [&](std::int64_t child, int) {
    const auto parent = parents.of(child);
    if (parent >= 0) nodes[unsign(sample.latents[unsign(child)])] = parents.node(child, parent);
  });
  link(nodes, sample);
  return nodes;
}

}  // namespace msae::concepts
