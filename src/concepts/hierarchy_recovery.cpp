#include <set>

#include "concepts/unit.h"
#include "concepts/unsign.h"
#include "msae/concepts/hierarchy.h"

namespace msae::concepts {

HierarchyRecovery hierarchy_recovery(const torch::Tensor& dictionary, const std::vector<HierarchyNode>& nodes,
                                     const std::vector<bool>& in_tree, const torch::Tensor& truth,
                                     const std::vector<std::int32_t>& parent, double least_cosine) {
  const auto latents = static_cast<std::int64_t>(nodes.size());
  TORCH_CHECK(dictionary.dim() == 2 && truth.dim() == 2 && dictionary.size(1) == truth.size(1) &&
                  dictionary.size(0) == latents && in_tree.size() == nodes.size() &&
                  truth.size(0) == static_cast<std::int64_t>(parent.size()),
              "hierarchy_recovery: expected [latents, dim], ", latents, " nodes and [concepts, dim], got ",
              dictionary.sizes(), " and ", truth.sizes());
  const torch::NoGradGuard no_grad;
  const auto cosines = unit(dictionary.detach().to(torch::kCPU, torch::kFloat32))
                           .mm(unit(truth.to(torch::kCPU, torch::kFloat32)).t());
  const auto [best, place] = cosines.max(1);
  std::vector<std::int32_t> stands_for(nodes.size(), -1);
  std::set<std::int32_t> known;
  for (std::int64_t i = 0; i < latents; ++i) {
    if (!in_tree[unsign(i)] || best[i].item<double>() < least_cosine) continue;
    stands_for[unsign(i)] = static_cast<std::int32_t>(place[i].item<std::int64_t>());
    known.insert(stands_for[unsign(i)]);
  }
  const auto is_ancestor = [&](std::int32_t old, std::int32_t young) {
    while ((young = parent[unsign(young)]) >= 0) {
      if (young == old) return true;
    }
    return false;
  };
  HierarchyRecovery result;
  std::int64_t right = 0, ancestors = 0;
  std::set<std::int32_t> found;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].parent < 0) continue;
    const auto child = stands_for[i], older = stands_for[unsign(nodes[i].parent)];
    if (child < 0 || older < 0) continue;
    ++result.edges;
    if (is_ancestor(older, child)) ++ancestors;
    if (parent[unsign(child)] != older) continue;
    ++right;
    found.insert(child);
  }
  for (std::size_t c = 0; c < parent.size(); ++c) {
    if (parent[c] < 0) continue;
    ++result.truth;
    if (known.count(static_cast<std::int32_t>(c)) && known.count(parent[c])) ++result.possible;
  }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  result.precision = share(right, result.edges);
  result.ancestors = share(ancestors, result.edges);
  result.recall = share(static_cast<std::int64_t>(found.size()), result.possible);
  return result;
}

}  // namespace msae::concepts
