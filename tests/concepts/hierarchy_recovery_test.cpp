// How much of a known hierarchy is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "concepts/small_codes.h"
#include "msae/concepts/hierarchy.h"
#include "msae/data/synthetic.h"
#include "support/error_of.h"

namespace msae::concepts {
namespace {

using test::error_of;
using testing::HasSubstr;

TEST(HierarchyRecovery, CountsEdgesByTheConceptsThatLatentsStandFor) {
  // truth: 0 - 1 - 2, and 3 - 4
  const auto truth = torch::eye(5) * 3;
  const std::vector<std::int32_t> parent{-1, 0, 1, -1, 3};
  auto dictionary = torch::zeros({7, 5});
  for (std::int64_t i = 0; i < 4; ++i) dictionary[i][i] = 0.1;
  dictionary[4][1] = 2;    // a second one for concept 1
  dictionary[5].fill_(1);  // for none: all cosines are 0.45
  dictionary[6][4] = 1;    // not in the tree
  std::vector<HierarchyNode> nodes(7);
  nodes[1].parent = 0;  // right
  nodes[2].parent = 0;  // an ancestor, but not the parent
  nodes[4].parent = 3;  // wrong
  nodes[5].parent = 0;  // does not count
  const std::vector<bool> in_tree{true, true, true, true, true, true, false};
  const auto found = hierarchy_recovery(dictionary, nodes, in_tree, truth, parent);
  EXPECT_EQ(found.edges, 3);
  EXPECT_NEAR(found.precision, 1.0 / 3, 1e-12);
  EXPECT_NEAR(found.ancestors, 2.0 / 3, 1e-12);
  EXPECT_EQ(found.possible, 2) << "no latent stands for concept 4";
  EXPECT_NEAR(found.recall, 0.5, 1e-12);
  EXPECT_EQ(found.truth, 3);

  nodes[4].parent = 0;  // both latents of concept 1 are right: one edge of the truth
  const auto twice = hierarchy_recovery(dictionary, nodes, in_tree, truth, parent);
  EXPECT_NEAR(twice.precision, 2.0 / 3, 1e-12);
  EXPECT_NEAR(twice.recall, 0.5, 1e-12);

  const auto loose = hierarchy_recovery(dictionary, nodes, in_tree, truth, parent, 0.4);
  EXPECT_EQ(loose.edges, 4) << "also of the latent that is a little of all";
  const auto strict = hierarchy_recovery(dictionary, nodes, std::vector<bool>(7), truth, parent);
  EXPECT_EQ(strict.edges, 0);
  EXPECT_EQ(strict.precision, 0);
  EXPECT_EQ(strict.recall, 0);
  EXPECT_EQ(strict.truth, 3);
  for (const auto& wrong : {torch::zeros({7, 4}), torch::zeros({6, 5}), torch::zeros({7})}) {
    EXPECT_THAT(error_of<c10::Error>([&] { hierarchy_recovery(wrong, nodes, in_tree, truth, parent); }),
                HasSubstr("expected [latents, dim], 7 nodes and [concepts, dim]"));
  }
}

/// The true concepts of rows of synthetic data.
struct TrueConcepts {
  torch::Tensor dictionary;
  Codes codes;
  std::vector<bool> in_tree;

  explicit TrueConcepts(const data::SyntheticHierarchy& data) {
    const auto& truth = data.truth();
    dictionary = torch::tensor(truth.dictionary).view({truth.concepts(), truth.dim});
    codes = {.rows = data.rows(), .latents = truth.concepts(), .begin = {0}, .latent = {}, .value = {}};
    for (std::int64_t row = 0; row < data.rows(); ++row) {
      const auto own = data.code(row);
      codes.latent.insert(codes.latent.end(), own.concepts.begin(), own.concepts.end());
      codes.value.insert(codes.value.end(), own.amplitudes.begin(), own.amplitudes.end());
      codes.begin.push_back(static_cast<std::int64_t>(codes.latent.size()));
    }
    mark();
  }

  /// What a sparse dictionary would rather have: a child that is on less than half of its parent's rows
  /// brings it along, and it does not fire there.
  void absorb(const std::vector<std::int32_t>& parent) {
    const auto all = test::dense_of(codes);
    const auto rows = (all != 0).sum(0);
    auto z = all.clone();
    for (std::size_t i = 0; i < parent.size(); ++i) {
      const auto child = static_cast<std::int64_t>(i);
      if (parent[i] < 0 || !(rows[child] * 2 < rows[parent[i]]).item<bool>()) continue;
      z.select(1, parent[i]).masked_fill_(all.select(1, child) != 0, 0);
      dictionary[child] += dictionary[parent[i]];  // which come first
    }
    codes = test::codes_of(z);
    mark();
  }

 private:
  void mark() {
    const auto columns = columns_of(codes);
    in_tree.clear();
    for (std::int64_t i = 0; i < codes.latents; ++i) in_tree.push_back(columns.rows_of(i).size() >= 20);
  }
};

TEST(Hierarchy, OfTheTruthIsTheTruth) {
  const data::SyntheticHierarchy data({.rows = 4000, .dim = 64, .concepts = 96, .depth = 3, .active = 8});
  const auto& truth = data.truth();
  const TrueConcepts concepts(data);
  const auto nodes = find_hierarchy(concepts.dictionary, concepts.codes);
  const auto found =
      hierarchy_recovery(concepts.dictionary, nodes, concepts.in_tree, concepts.dictionary, truth.parent);
  EXPECT_GE(found.possible, 60);
  EXPECT_GE(found.precision, 0.9) << "0.976 was measured";
  EXPECT_GE(found.recall, 0.9) << "0.976 was measured";
}

TEST(Hierarchy, OfTheTruthIsFoundWhereParentsAreAbsorbed) {
  const data::SyntheticHierarchy data({.rows = 4000, .dim = 64, .concepts = 96, .depth = 3, .active = 8});
  const auto& truth = data.truth();
  TrueConcepts concepts(data);
  const auto directions = concepts.dictionary.clone();
  concepts.absorb(truth.parent);
  const auto nodes = find_hierarchy(concepts.dictionary, concepts.codes);
  // Each latent stands for its own concept, whatever its direction has become.
  const auto found = hierarchy_recovery(directions, nodes, concepts.in_tree, directions, truth.parent);
  EXPECT_GE(found.edges, 60);
  EXPECT_GE(found.ancestors, 0.9) << "0.988 was measured";
  EXPECT_GE(found.precision, 0.5)
      << "0.622 was measured: a parent that rarely fires by itself is passed over";
}

}  // namespace
}  // namespace msae::concepts
