#include "msae/eval/pareto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

namespace msae::eval {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

ParetoPoint point(double active, double fvu) {
  return {.run = "run", .label = "point", .active = active, .fvu = fvu};
}

std::vector<ParetoPoint> points(const std::vector<std::pair<double, double>>& numbers) {
  std::vector<ParetoPoint> all;
  for (const auto& [active, fvu] : numbers) all.push_back(point(active, fvu));
  return all;
}

// Few values, so that many points share one of their numbers or both.
std::vector<ParetoPoint> random_points(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<ParetoPoint> all;
  for (unsigned i = 0; i < seed % 40; ++i) {
    all.push_back(point(std::pow(2, random() % 13), static_cast<double>(random() % 12) / 10));
  }
  return all;
}

// As the definition has it.
bool is_dominated(const ParetoPoint& p, const std::vector<ParetoPoint>& all) {
  return std::any_of(all.begin(), all.end(), [&](const ParetoPoint& other) {
    return other.active <= p.active && other.fvu <= p.fvu && (other.active < p.active || other.fvu < p.fvu);
  });
}

// The integral of the formula's curve, summed up in narrow strips.
double strips(const std::vector<ParetoPoint>& all) {
  std::vector<std::pair<double, double>> scaled, front;
  for (const auto& p : all) {
    const double x = std::max(3.0, std::log2(p.active));
    if (x <= 10) scaled.emplace_back(x, std::max(0.0, 1 - p.fvu));
  }
  std::sort(scaled.begin(), scaled.end());
  scaled.erase(std::unique(scaled.begin(), scaled.end()), scaled.end());
  for (const auto& a : scaled) {
    if (std::all_of(scaled.begin(), scaled.end(),
                    [&](const auto& b) { return a == b || b.first > a.first || b.second < a.second; })) {
      front.push_back(a);
    }
  }
  const auto curve = [&](double x) {
    for (std::size_t i = front.size(); i-- > 0;) {
      if (x < front[i].first) continue;
      if (i + 1 == front.size()) return front[i].second;
      const double share = (x - front[i].first) / (front[i + 1].first - front[i].first);
      return front[i].second + share * (front[i + 1].second - front[i].second);
    }
    return 0.0;
  };
  constexpr int count = 7000;  // corners of the curve lie between strips
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += curve(3 + 7 * (i + 0.5) / count);
  return sum / count;
}

TEST(ParetoFrontier, HasThePointsThatNoOtherIsBetterThan) {
  const ParetoFrontier frontier(
      points({{32, 0.2}, {8, 0.5}, {16, 0.5}, {8, 0.6}, {64, 0.3}, {128, 0.1}, {0, 1.5}}));
  EXPECT_THAT(frontier.frontier(), ElementsAre(6, 1, 0, 5));
  EXPECT_FALSE(frontier.dominated(0));
  EXPECT_TRUE(frontier.dominated(2)) << "as good by fewer latents";
  EXPECT_TRUE(frontier.dominated(3)) << "better by as many";
  EXPECT_TRUE(frontier.dominated(4));
  EXPECT_FALSE(frontier.dominated(6)) << "nothing is sparser than nothing";
  EXPECT_THROW(static_cast<void>(frontier.dominated(7)), std::out_of_range);
}

TEST(ParetoFrontier, OfEqualPointsNeitherDominates) {
  const ParetoFrontier frontier(points({{16, 0.3}, {8, 0.5}, {8, 0.5}, {16, 0.3}, {8, 0.5}, {16, 0.6}}));
  EXPECT_THAT(frontier.frontier(), ElementsAre(1, 2, 4, 0, 3));
  EXPECT_TRUE(frontier.dominated(5));
}

TEST(ParetoFrontier, NoNumbersAreNoPoints) {
  EXPECT_THAT(ParetoFrontier({}).frontier(), IsEmpty());
  const ParetoFrontier frontier(
      points({{nan, 0.1}, {1, nan}, {-1, 0.1}, {8, -0.1}, {infinity, 0.1}, {8, infinity}, {8, 0.5}}));
  EXPECT_THAT(frontier.frontier(), ElementsAre(6));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_TRUE(frontier.dominated(i)) << i;
  EXPECT_EQ(frontier.points().size(), 7);
}

TEST(ParetoFrontier, IsWhatComparingAllPairsGives) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    const auto all = random_points(seed);
    const ParetoFrontier frontier(all);
    std::size_t count = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(frontier.dominated(i), is_dominated(all[i], all)) << "seed " << seed << ", point " << i;
      count += !frontier.dominated(i);
    }
    EXPECT_EQ(frontier.frontier().size(), count);
    EXPECT_TRUE(std::is_sorted(frontier.frontier().begin(), frontier.frontier().end(),
                               [&](auto a, auto b) { return all[a].active < all[b].active; }));
  }
}

TEST(Hypervolume, IsTheAreaBelowTheCurve) {
  EXPECT_EQ(hypervolume({}), 0);
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, 0}})), 1);
  EXPECT_DOUBLE_EQ(hypervolume(points({{64, 0.25}})), 4 * 0.75 / 7);
  EXPECT_DOUBLE_EQ(hypervolume(points({{32, 0.2}, {8, 0.5}})), (2 * 0.65 + 5 * 0.8) / 7);
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, 0.5}, {8, 0.5}, {8, 0.6}, {16, 0.5}, {32, 0.2}, {64, 0.3}})),
                   (2 * 0.65 + 5 * 0.8) / 7)
      << "what lies on no front changes nothing";
}

TEST(Hypervolume, BeginsAt8AndEndsAt1024) {
  EXPECT_DOUBLE_EQ(hypervolume(points({{0, 0.4}})), 0.6);
  EXPECT_DOUBLE_EQ(hypervolume(points({{2, 0.4}, {4, 0.3}})), 0.7) << "the better of two moved to 8";
  EXPECT_EQ(hypervolume(points({{1024, 0.1}})), 0) << "of no width";
  EXPECT_EQ(hypervolume(points({{1025, 0.1}})), 0);
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, 0.5}, {2000, 0}})), 0.5);
}

TEST(Hypervolume, OfWhatExplainsNothingIsNothing) {
  EXPECT_EQ(hypervolume(points({{8, 1}, {16, 3}})), 0);
  EXPECT_EQ(hypervolume(points({{8, nan}, {nan, 0}, {8, -1}, {-8, 0}, {infinity, 0}, {8, infinity}})), 0);
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, nan}, {64, 0.25}})), 4 * 0.75 / 7);
}

TEST(Hypervolume, OfOneMorePointBelowTheLineIsLess) {
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, 0.8}, {32, 0.2}})), (2 * 0.5 + 5 * 0.8) / 7);
  EXPECT_DOUBLE_EQ(hypervolume(points({{8, 0.8}, {16, 0.7}, {32, 0.2}})), (0.25 + 0.55 + 5 * 0.8) / 7);
}

TEST(Hypervolume, IsTheSumOfNarrowStrips) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    const auto all = random_points(seed);
    EXPECT_NEAR(hypervolume(all), strips(all), 1e-9) << "seed " << seed;
  }
}

// Of models of the published implementation, as measured with it.
class PublishedModels : public testing::Test {
 protected:
  void SetUp() override {
    const char* golden = std::getenv("MSAE_GOLDEN");
    if (!golden) GTEST_SKIP() << "needs the published numbers";
    file = nlohmann::json::parse(std::ifstream(std::string(golden) + "/reference_quality.json"));
  }

  nlohmann::json file;
};

TEST_F(PublishedModels, HaveTheHypervolumeOfTheirFronts) {
  int fronts = 0;
  for (const auto& [models, views] : file.at("pareto").items()) {
    for (const auto& [view, measured] : views.items()) {
      std::vector<ParetoPoint> front;
      for (const auto& p : measured.at("front")) {
        front.push_back(point(p.at("active"), 1 - p.at("one_minus_fvu").get<double>()));
      }
      EXPECT_NEAR(hypervolume(front), measured.at("hypervolume"), 2e-6) << models << ", " << view;
      EXPECT_EQ(ParetoFrontier(front).frontier().size(), front.size());
      ++fronts;
    }
  }
  EXPECT_GE(fronts, 20);
}

TEST_F(PublishedModels, HaveTheHypervolumeOfAllTheirPoints) {
  int models = 0;
  for (const auto& [name, run] : file.at("runs").items()) {
    const auto found = file.at("pareto").find(name + ": one model, inference k");
    if (found == file.at("pareto").end()) continue;
    std::vector<ParetoPoint> all;
    for (const auto& [k, measured] : run.at("inference_k_own_stats").items()) {
      all.push_back(point(measured.at("active"), measured.at("centred").at("fvu")));
    }
    EXPECT_NEAR(hypervolume(all), found->at("centred, own statistics").at("hypervolume"), 2e-6) << name;
    ++models;
  }
  EXPECT_GE(models, 5);
}

}  // namespace
}  // namespace msae::eval
