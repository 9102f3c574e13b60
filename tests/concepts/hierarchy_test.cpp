#include "msae/concepts/hierarchy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "concepts/small_codes.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::place;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Rows are four entries of 1 or -1, so that their length is 2, and projections of sums of quarters are
/// exact: the twin below meets the same ties.
torch::Tensor exact_dictionary(std::int64_t latents, std::uint64_t seed) {
  constexpr std::int64_t dim = 10;
  data::Random random(seed);
  auto rows = torch::zeros({latents, dim});
  auto at = rows.accessor<float, 2>();
  for (std::int64_t i = 0; i < latents; ++i) {
    for (int left = 4; left > 0;) {
      auto& entry = at[i][static_cast<std::int64_t>(random.bits() % dim)];
      if (entry != 0) continue;
      entry = (random.bits() & 1) != 0 ? 1.0f : -1.0f;
      --left;
    }
  }
  return rows;
}

/// Some latents come with another one, of about half their number: what a hierarchy is made of.
Codes nested_codes(test::Drawn drawn) {
  auto dense = test::dense_of(test::random_codes(drawn));
  data::Random random(drawn.seed + 1);
  auto at = dense.accessor<float, 2>();
  for (std::int64_t row = 0; row < drawn.rows; ++row) {
    for (auto latent = drawn.latents - 1; latent > 0; --latent) {
      if (at[row][latent] != 0 && random.uniform() < 0.7) at[row][latent / 2] = 0.5f;
    }
  }
  return test::codes_of(dense);
}

/// The same from whole matrices in float64.
std::vector<HierarchyNode> plain_hierarchy(const torch::Tensor& dictionary, const Codes& codes,
                                           const HierarchyOptions& options) {
  const auto count = std::min(options.most_rows, codes.rows);
  std::vector<std::int64_t> sample;
  for (std::int64_t i = 0; i < count; ++i) sample.push_back(i * codes.rows / count);
  const auto z = test::dense_of(codes).index_select(0, torch::tensor(sample)).to(torch::kFloat64);
  const auto units = (dictionary / dictionary.norm(2, 1, true)).to(torch::kFloat64);
  const auto projections = z.mm(dictionary.to(torch::kFloat64)).mm(units.t());
  const auto active = z != 0;
  auto present = torch::zeros_like(active);
  for (std::int64_t latent = 0; latent < codes.latents; ++latent) {
    const auto own = projections.select(1, latent).masked_select(active.select(1, latent));
    if (own.numel() == 0) continue;
    const auto median = std::get<0>(own.sort())[own.numel() / 2];
    present.select(1, latent).copy_(projections.select(1, latent) >= median);
  }
  const auto number = [](const torch::Tensor& t) { return t.item<double>(); };
  const auto on = active.to(torch::kFloat64), there = present.to(torch::kFloat64);
  const auto rows_of = on.sum(0), present_rows = there.sum(0);
  const auto with_present = on.t().mm(there), with_active = on.t().mm(on);
  const auto in_tree = [&](std::int64_t latent) {
    return number(rows_of[latent]) >= static_cast<double>(options.fewest_rows);
  };
  std::vector<HierarchyNode> nodes(place(codes.latents));
  for (std::int64_t child = 0; child < codes.latents; ++child) {
    if (!in_tree(child)) continue;
    const auto own = number(rows_of[child]);
    std::int64_t best = -1;
    for (std::int64_t parent = 0; parent < codes.latents; ++parent) {
      if (parent == child || !in_tree(parent) || number(rows_of[parent]) <= options.broader * own) continue;
      const auto share = number(with_present[child][parent]) / own;
      const auto usual = number(present_rows[parent]) / static_cast<double>(count);
      if (share < options.present || share < options.lift * usual) continue;
      const bool fires = number(with_active[child][parent]) / own >= options.active;
      const auto alike = number(units[child].dot(units[parent]));
      if (alike < options.least_cosine || (!fires && alike < options.cosine)) continue;
      const auto fewer = best < 0 ? -1 : number(rows_of[parent] - rows_of[best]);
      const auto more = best < 0 ? 1 : number(with_present[child][parent] - with_present[child][best]);
      if (fewer < 0 || (fewer == 0 && more > 0)) best = parent;
    }
    if (best < 0) continue;
    auto& node = nodes[place(child)];
    node.parent = static_cast<std::int32_t>(best);
    node.present = number(with_present[child][best]) / own;
    node.active = number(with_active[child][best]) / own;
    node.lift = node.present / (number(present_rows[best]) / static_cast<double>(count));
    node.cosine = number(units[child].dot(units[best]));
  }
  for (auto& node : nodes) {
    for (auto up = node.parent; up >= 0; up = nodes[place(up)].parent) ++node.depth;
  }
  return nodes;
}

/// Every child is named by its parent, and leads up to a root.
void expect_forest(const std::vector<HierarchyNode>& nodes, const Codes& codes) {
  const auto columns = columns_of(codes);
  std::size_t children = 0, with_parent = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    children += nodes[i].children.size();
    with_parent += nodes[i].parent >= 0;
    std::size_t rows_before = place(codes.rows);
    for (const auto child : nodes[i].children) {
      EXPECT_EQ(nodes[place(child)].parent, static_cast<std::int32_t>(i));
      EXPECT_EQ(nodes[place(child)].depth, nodes[i].depth + 1);
      EXPECT_LE(columns.rows_of(child).size(), rows_before);
      rows_before = columns.rows_of(child).size();
    }
    std::size_t steps = 0;
    for (auto up = nodes[i].parent; up >= 0 && steps <= nodes.size(); up = nodes[place(up)].parent) ++steps;
    ASSERT_EQ(static_cast<std::size_t>(nodes[i].depth), steps) << "a circle above latent " << i;
  }
  EXPECT_EQ(children, with_parent);
}

std::size_t expect_same_forest(const std::vector<HierarchyNode>& found,
                               const std::vector<HierarchyNode>& plain) {
  EXPECT_EQ(found.size(), plain.size());
  std::size_t edges = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    SCOPED_TRACE("latent " + std::to_string(i));
    EXPECT_EQ(found[i].parent, plain[i].parent);
    EXPECT_EQ(found[i].depth, plain[i].depth);
    EXPECT_NEAR(found[i].present, plain[i].present, 1e-12);
    EXPECT_NEAR(found[i].active, plain[i].active, 1e-12);
    EXPECT_NEAR(found[i].lift, plain[i].lift, 1e-9);
    EXPECT_NEAR(found[i].cosine, plain[i].cosine, 1e-6);
    edges += plain[i].parent >= 0;
  }
  return edges;
}

TEST(Hierarchy, IsWhatWholeMatricesSay) {
  const std::vector<HierarchyOptions> every_option = {
      {.fewest_rows = 1},
      {},
      {.present = 0.3, .broader = 1.01, .lift = 1, .fewest_rows = 5},
      {.present = 0, .broader = 2, .lift = 1.1, .fewest_rows = 2, .most_rows = 50},
      {.present = 0.2, .lift = 1, .active = 0.4, .cosine = 0.1, .fewest_rows = 2},
      {.present = 0.2, .lift = 1, .active = 0, .cosine = 1, .fewest_rows = 2},
      {.present = 0.1, .lift = 1, .active = 1, .cosine = 0, .fewest_rows = 2},
      {.present = 0.1, .lift = 1, .active = 0.1, .least_cosine = -1, .fewest_rows = 2},
      {.present = 1, .lift = 1, .fewest_rows = 3, .most_rows = 7}};
  std::size_t edges = 0;
  for (const bool negative : {false, true}) {
    for (const auto& drawn : {test::Drawn{}, test::Drawn{.rows = 1, .latents = 9},
                              test::Drawn{.rows = 61, .latents = 13, .most = 5},
                              test::Drawn{.rows = 211, .latents = 34, .most = 8},
                              test::Drawn{.rows = 300, .latents = 3, .most = 3}}) {
      auto with_sign = drawn;
      with_sign.negative = negative;
      const auto codes = nested_codes(with_sign);
      const auto dictionary = exact_dictionary(drawn.latents, 3);
      for (const auto& options : every_option) {
        edges += expect_same_forest(find_hierarchy(dictionary, codes, options),
                                    plain_hierarchy(dictionary, codes, options));
      }
    }
  }
  EXPECT_GT(edges, 200u);
}

// More latents than a task has, and more rows than are looked at at a time.
TEST(Hierarchy, OfManyLatentsIsTheSame) {
  const auto codes = nested_codes({.rows = 2300, .latents = 600, .most = 25});
  const auto dictionary = exact_dictionary(600, 4);
  const HierarchyOptions options{.present = 0.4, .lift = 1.2};
  const auto found = find_hierarchy(dictionary, codes, options);
  EXPECT_GT(expect_same_forest(found, plain_hierarchy(dictionary, codes, options)), 100u);
  expect_forest(found, codes);
  const test::Threads three(3);
  expect_same_forest(find_hierarchy(dictionary, codes, options), found);
}

TEST(Hierarchy, HasNoCircles) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const auto codes =
        test::random_codes({.rows = 90, .latents = 20, .most = 12, .negative = seed % 2 == 0, .seed = seed});
    const auto dictionary = test::random({20, 6}, seed);
    expect_forest(
        find_hierarchy(dictionary, codes, {.present = 0.05, .broader = 1.0001, .lift = 1, .fewest_rows = 1}),
        codes);
  }
}

/// Latents 0 to 6: an animal, a dog (which has the animal in its own direction: the animal does not fire with
/// it), a cat (with which it does), a puppy among dogs, one apart from all that is on every other row, one
/// that is nowhere and one on five rows.
struct HandMade {
  torch::Tensor dictionary = torch::zeros({7, 7});
  Codes codes;

  HandMade() {
    dictionary.fill_diagonal_(1);
    dictionary[1][0] = 1;
    auto z = torch::zeros({400, 7});
    const auto fires = [&](std::int64_t latent, std::int64_t first, std::int64_t last, double value) {
      z.select(1, latent).slice(0, first, last).fill_(value);
    };
    fires(0, 60, 200, 1);
    fires(1, 0, 60, 1.25);
    fires(2, 60, 120, 2);
    fires(3, 0, 30, 0.5);
    z.select(1, 4).slice(0, 1, 400, 2).fill_(1);
    fires(6, 0, 5, 1);
    codes = test::codes_of(z);
  }
};

TEST(Hierarchy, IsFoundAlsoWhereAParentIsAbsorbed) {
  const HandMade made;
  std::vector<double> shares;
  const auto nodes = find_hierarchy(made.dictionary, made.codes, {.lift = 1.5},
                                    [&](double share) { shares.push_back(share); });
  std::vector<std::int32_t> parents, depths;
  for (const auto& node : nodes) {
    parents.push_back(node.parent);
    depths.push_back(node.depth);
  }
  EXPECT_THAT(parents, ElementsAre(-1, 0, 0, 1, -1, -1, -1));
  EXPECT_THAT(depths, ElementsAre(0, 1, 1, 2, 0, 0, 0));
  EXPECT_THAT(nodes[0].children, ElementsAre(1, 2));
  EXPECT_THAT(nodes[1].children, ElementsAre(3));
  EXPECT_THAT(nodes[4].children, IsEmpty());
  EXPECT_EQ(nodes[1].present, 1);
  EXPECT_EQ(nodes[1].active, 0) << "absorbed";
  EXPECT_EQ(nodes[2].active, 1);
  EXPECT_EQ(nodes[1].lift, 2);
  EXPECT_NEAR(nodes[1].cosine, std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(nodes[2].cosine, 0, 1e-6);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
}

TEST(Hierarchy, TellsWhatItIsAskedFor) {
  const HandMade made;
  const auto parents = [&](const HierarchyOptions& options) {
    std::vector<std::int32_t> found;
    for (const auto& node : find_hierarchy(made.dictionary, made.codes, options))
      found.push_back(node.parent);
    return found;
  };
  EXPECT_THAT(parents({.lift = 1.5, .fewest_rows = 61}), ElementsAre(-1, -1, -1, -1, -1, -1, -1));
  EXPECT_THAT(parents({.lift = 1.5, .fewest_rows = 31}), ElementsAre(-1, 0, 0, -1, -1, -1, -1));
  EXPECT_THAT(parents({.lift = 1.5, .fewest_rows = 5})[6], 3) << "the narrowest that is there";
  EXPECT_THAT(parents({.broader = 2.4, .lift = 1.5, .active = 0}), ElementsAre(-1, -1, -1, 0, -1, -1, -1))
      << "140 rows and 60, 30";
  EXPECT_THAT(parents({.lift = 1.5, .cosine = 0.8}), ElementsAre(-1, -1, 0, 1, -1, -1, -1))
      << "no absorption";
  EXPECT_THAT(parents({.lift = 2.1}), ElementsAre(-1, -1, -1, 1, -1, -1, -1));
  EXPECT_THAT(parents({.lift = 1.5, .most_rows = 40}), ElementsAre(-1, -1, -1, -1, -1, -1, -1))
      << "14 rows and fewer";
  EXPECT_THAT(parents({.lift = 1.5, .fewest_rows = 2, .most_rows = 41}),
              ElementsAre(-1, 0, 0, 1, -1, -1, -1));
}

TEST(Hierarchy, LooksAtRowsEvenlySpaced) {
  auto z = torch::zeros({1000, 2});
  z.select(1, 0).slice(0, 0, 1000, 10).fill_(1);  // of every ten the first
  z.select(1, 1).slice(0, 0, 1000, 20).fill_(1);
  const auto codes = test::codes_of(z);
  const auto nodes = find_hierarchy(torch::eye(2), codes, {.lift = 1, .most_rows = 100});
  EXPECT_EQ(nodes[1].parent, 0);
  EXPECT_EQ(nodes[1].lift, 1) << "it is on all rows that were looked at";
  EXPECT_EQ(find_hierarchy(torch::eye(2), codes, {.lift = 1})[1].lift, 10);
}

TEST(Hierarchy, OfNothingIsEmpty) {
  const auto none = find_hierarchy(torch::eye(3), test::codes_of(torch::zeros({0, 3})));
  EXPECT_EQ(none.size(), 3u);
  EXPECT_EQ(find_hierarchy(torch::eye(3), test::codes_of(torch::zeros({50, 3})))[1].parent, -1);
}

TEST(Hierarchy, RefusesTheImpossible) {
  const auto codes = test::random_codes({.rows = 50, .latents = 4});
  const auto said = [&](const HierarchyOptions& options) {
    return error_of<std::invalid_argument>([&] { find_hierarchy(torch::eye(4), codes, options); });
  };
  EXPECT_THAT(said({.present = 1.1}), HasSubstr("present: must be from 0 to 1, not 1.1"));
  EXPECT_THAT(said({.present = NAN}), HasSubstr("present: "));
  EXPECT_THAT(said({.broader = 1}), HasSubstr("broader: must be above 1, not 1"));
  EXPECT_THAT(said({.lift = 0.9}), HasSubstr("lift: must be at least 1, not 0.9"));
  EXPECT_THAT(said({.active = -0.1}), HasSubstr("active: must be from 0 to 1, not -0.1"));
  EXPECT_THAT(said({.cosine = 1.5}), HasSubstr("cosine: must be from -1 to 1, not 1.5"));
  EXPECT_THAT(said({.least_cosine = -2}), HasSubstr("least_cosine: must be from -1 to 1, not -2"));
  EXPECT_THAT(said({.fewest_rows = 0}), HasSubstr("fewest_rows: must be at least 1, not 0"));
  EXPECT_THAT(said({.most_rows = 0}), HasSubstr("most_rows: must be at least 1, not 0"));
  for (const auto& shape : {std::vector<std::int64_t>{3, 4}, {4}}) {
    EXPECT_THAT(error_of<c10::Error>([&] { find_hierarchy(torch::zeros(shape), codes); }),
                HasSubstr("expected a dictionary [4, dim]"));
  }
  const auto stop = [](double) { throw Error("enough"); };
  EXPECT_EQ(error_of<Error>([&] { find_hierarchy(torch::eye(4), codes, {.fewest_rows = 1}, stop); }),
            "enough");
}

}  // namespace
}  // namespace msae::concepts
