#include "msae/concepts/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "concepts/expect_hits.h"
#include "concepts/small_codes.h"
#include "support/error_of.h"
#include "support/threads.h"

namespace msae::concepts {
namespace {

using test::error_of;
using test::expect_hits;
using test::place;
using test::random_codes;
using testing::HasSubstr;
using testing::IsEmpty;

/// [rows], by the formula in the header.
std::vector<double> plain_scores(const Codes& codes, const std::vector<float>& weights,
                                 const std::vector<QueryLatent>& query, Similarity similarity) {
  std::vector<double> a(place(codes.latents)), b, scores;
  for (const auto& [latent, value] : query) a[place(latent)] = value;
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    b.assign(a.size(), 0);
    for (std::size_t i = 0; i < codes.latents_of(row).size(); ++i) {
      b[place(codes.latents_of(row)[i])] = codes.values_of(row)[i];
    }
    double both = 0, of_a = 0, of_b = 0, apart = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double w = weights.empty() ? 1 : weights[i];
      both += w * a[i] * b[i];
      of_a += w * a[i] * a[i];
      of_b += w * b[i] * b[i];
      apart += w * std::abs(a[i] - b[i]);
    }
    const auto lengths = std::sqrt(of_a * of_b);
    scores.push_back(similarity == Similarity::manhattan ? -apart : lengths > 0 ? both / lengths : 0);
  }
  return scores;
}

/// A row, a latent alone, several with a negative one, none.
std::vector<std::vector<QueryLatent>> some_queries(const Codes& codes) {
  std::vector<std::vector<QueryLatent>> queries{{}, {{0, 1.5f}}};
  for (const std::int64_t row : {std::int64_t{0}, codes.rows / 2, codes.rows - 1}) {
    queries.push_back(query_of(codes, row));
  }
  if (codes.latents > 3) queries.push_back({{3, 0.5f}, {0, -1}, {2, 2}});
  if (codes.latents > 4) queries.push_back({{4, 1}});  // on no row
  return queries;
}

std::vector<float> some_weights(std::int64_t latents) {
  std::vector<float> weights;
  for (std::int64_t i = 0; i < latents; ++i)
    weights.push_back(static_cast<float>((i + 2) % 4) / 2);  // one is 0
  return weights;
}

void expect_searches(const Codes& codes, const std::vector<std::int64_t>& counts) {
  for (const auto& weights : {std::vector<float>{}, some_weights(codes.latents)}) {
    const LatentIndex index(codes, weights);
    EXPECT_EQ(index.rows(), codes.rows);
    for (const auto& query : some_queries(codes)) {
      for (const auto similarity : {Similarity::cosine, Similarity::manhattan}) {
        const auto scores = plain_scores(codes, weights, query, similarity);
        for (const auto count : counts) {
          expect_hits(index.search(query, count, similarity), scores, count,
                      similarity == Similarity::cosine ? 1e-6 : 0);
        }
      }
    }
  }
}

TEST(LatentIndex, FindsWhatLookingAtAllRowsFinds) {
  for (const bool negative : {false, true}) {
    for (const auto& drawn : {test::Drawn{}, test::Drawn{.rows = 1, .latents = 9},
                              test::Drawn{.rows = 53, .latents = 11, .most = 3},
                              test::Drawn{.rows = 211, .latents = 23, .most = 23}}) {
      auto with_sign = drawn;
      with_sign.negative = negative;
      expect_searches(random_codes(with_sign), {1, 2, 7, drawn.rows, 1000});
    }
  }
}

TEST(LatentIndex, FindsRowsInEveryBlock) {
  expect_searches(random_codes({.rows = 65'536, .latents = 3, .most = 2, .negative = true}), {5});
  const auto codes = random_codes({.rows = 131'075, .latents = 4, .most = 3});
  expect_searches(codes, {1, 300});
  const LatentIndex index(codes);
  const auto all = index.search({{1, 1.0f}}, 1'000'000);
  ASSERT_EQ(all.size(), 131'075u);
  std::vector<std::int64_t> rows;
  for (const auto& hit : all) rows.push_back(hit.row);
  std::sort(rows.begin(), rows.end());
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], static_cast<std::int64_t>(i));
}

// Whatever the score is rounded to, it is rounded alike.
TEST(LatentIndex, ListsRowsThatAreAlikeInTheirOrder) {
  const auto once = random_codes({.rows = 9, .latents = 40, .most = 30, .seed = 5});
  const auto dense = test::dense_of(once) * 0.37;
  const LatentIndex index(test::codes_of(torch::cat({dense, dense, dense, dense})));
  for (std::int64_t row = 0; row < 9; ++row) {
    for (const auto similarity : {Similarity::cosine, Similarity::manhattan}) {
      const auto found = index.search(query_of(once, row), 36, similarity);
      for (std::size_t i = 0; i + 1 < found.size(); ++i) {
        if (found[i].row % 9 != found[i + 1].row % 9) continue;
        EXPECT_EQ(found[i].row + 9, found[i + 1].row);
        EXPECT_EQ(found[i].score, found[i + 1].score);
      }
    }
  }
}

TEST(LatentIndex, FindsARowByItself) {
  const auto codes = random_codes({.rows = 100, .latents = 60, .most = 20});
  const LatentIndex index(codes);
  for (std::int64_t row = 0; row < 100; row += 9) {
    if (codes.latents_of(row).empty()) continue;
    const auto found = index.search(query_of(codes, row), 1);
    EXPECT_NEAR(found[0].score, 1, 1e-6);
    EXPECT_EQ(index.search(query_of(codes, row), 1, Similarity::manhattan)[0].score, 0);
  }
}

TEST(LatentIndex, DoesNotMindTheScale) {
  const auto codes = random_codes({.rows = 53, .latents = 11});
  const auto scores = plain_scores(codes, {}, query_of(codes, 7), Similarity::cosine);
  for (const float size : {0x1p-80f, 0x1p80f}) {
    auto sized = codes;
    for (auto& value : sized.value) value *= size;
    expect_hits(LatentIndex(sized).search(query_of(sized, 7), 20), scores, 20, 1e-6);
  }
}

TEST(LatentIndex, IsTheSameWhateverTheThreads) {
  const auto codes = random_codes({.rows = 140'000, .latents = 12, .most = 4});
  const auto found = [&](int threads) {
    const test::Threads with(threads);
    const LatentIndex index(codes, some_weights(12));
    std::vector<std::pair<std::int64_t, float>> hits;
    for (const auto similarity : {Similarity::cosine, Similarity::manhattan}) {
      for (const auto& hit : index.search({{0, 1}, {2, 0.25f}}, 50, similarity))
        hits.emplace_back(hit.row, hit.score);
    }
    return hits;
  };
  const auto alone = found(1);
  EXPECT_EQ(alone.size(), 100u);
  EXPECT_EQ(found(2), alone);
  EXPECT_EQ(found(5), alone);
}

TEST(LatentIndex, MayBeSearchedBySeveralThreads) {
  const auto codes = random_codes({.rows = 300, .latents = 12, .most = 4});
  const LatentIndex index(codes);
  std::vector<std::vector<Hit>> found(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] { found[i] = index.search({{static_cast<std::int32_t>(i % 3), 1.0f}}, 9); });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < found.size(); ++i) {
    expect_hits(found[i],
                plain_scores(codes, {}, {{static_cast<std::int32_t>(i % 3), 1.0f}}, Similarity::cosine), 9,
                1e-6);
  }
}

TEST(LatentIndex, OfNoRowsFindsNone) {
  const LatentIndex index(test::codes_of(torch::zeros({0, 3})));
  EXPECT_THAT(index.search({{0, 1.0f}}, 5), IsEmpty());
  EXPECT_EQ(index.rows(), 0);
}

TEST(LatentIndex, TakesTheMemoryItSays) {
  const auto codes = random_codes({.rows = 70'000, .latents = 12, .most = 4});
  const auto expected = 6 * codes.latent.size() + 8 * 70'000 + 2 * 4 * 13u;
  EXPECT_EQ(LatentIndex(codes).bytes(), expected);
  EXPECT_EQ(LatentIndex(codes, some_weights(12)).bytes(), expected + 4 * 12);
}

TEST(LatentIndex, MayBeMoved) {
  const auto codes = random_codes({.rows = 20, .latents = 6});
  LatentIndex first(codes);
  LatentIndex second(std::move(first));
  LatentIndex third(test::codes_of(torch::ones({1, 1})));
  third = std::move(second);
  EXPECT_EQ(third.search({{0, 1.0f}}, 100).size(), 20u);
}

TEST(LatentIndex, RefusesTheImpossible) {
  const auto codes = random_codes({.rows = 20, .latents = 6});
  const LatentIndex index(codes);
  const auto said = [&](const std::vector<QueryLatent>& query, std::int64_t count = 1) {
    return error_of<std::invalid_argument>([&] { index.search(query, count); });
  };
  EXPECT_THAT(said({{0, 1}}, 0), HasSubstr("count: must be at least 1, not 0"));
  EXPECT_THAT(said({{6, 1}}), HasSubstr("query: there is no latent 6"));
  EXPECT_THAT(said({{-1, 1}}), HasSubstr("query: there is no latent -1"));
  EXPECT_THAT(said({{3, 1}, {0, 1}, {3, 2}}), HasSubstr("query: latent 3 is there twice"));
  for (const float value : {NAN, INFINITY})
    EXPECT_THAT(said({{0, value}}), HasSubstr("query: holds NaN or Inf"));

  const auto weighed = [&](std::vector<float> weights) {
    return error_of<std::invalid_argument>([&] { LatentIndex(codes, std::move(weights)); });
  };
  EXPECT_THAT(weighed({1, 1}), HasSubstr("weights: expected one for each of 6 latents, got 2"));
  for (const float weight : {-1.0f, NAN, INFINITY}) {
    EXPECT_THAT(weighed({1, 1, weight, 1, 1, 1}),
                HasSubstr("weights: must be finite and not negative, not "));
  }
  EXPECT_EQ(weighed({0, 0, 0, 0, 0, 0}), "no error");
}

TEST(QueryOf, IsTheRow) {
  const auto codes = test::codes_of(torch::tensor({{0.0, 0.0, 0.0}, {0.5, 0.0, -2.0}}));
  EXPECT_THAT(query_of(codes, 0), IsEmpty());
  const auto query = query_of(codes, 1);
  ASSERT_EQ(query.size(), 2u);
  EXPECT_EQ(query[0].latent, 0);
  EXPECT_EQ(query[0].value, 0.5f);
  EXPECT_EQ(query[1].latent, 2);
  EXPECT_EQ(query[1].value, -2);
  for (const std::int64_t row : {-1, 2}) {
    EXPECT_THAT(error_of<std::invalid_argument>([&] { query_of(codes, row); }),
                HasSubstr("row: must be from 0 to 1, not "));
  }
}

TEST(RarityWeights, AreSquaredLogarithms) {
  const auto codes =
      test::codes_of(torch::tensor({{1.0, 0.5, 0.0}, {1.0, 0.0, 0.0}, {1.0, 0.0, 0.0}, {-1.0, 0.0, 0.0}}));
  const auto weights = rarity_weights(codes);
  ASSERT_EQ(weights.size(), 3u);
  EXPECT_EQ(weights[0], 0) << "all rows have it";
  EXPECT_NEAR(weights[1], std::log(4.0) * std::log(4.0), 1e-6);
  EXPECT_EQ(weights[2], 0) << "no row has it";
}

}  // namespace
}  // namespace msae::concepts
