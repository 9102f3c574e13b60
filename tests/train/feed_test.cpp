// Feeds give the batches that data::BatchLoader makes, wherever the rows are kept.
#include "train/feed.h"

#include <gmock/gmock.h>

#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/random.h"
#include "msae/core/error.h"
#include "support/error_of.h"
#include "train/row_order.h"
#include "train/test_device.h"

namespace msae::train {
namespace {

using test::error_of;

const FeedPlace as_float32{test_device(), torch::kFloat32};

// Row i is drawn from i alone.
class Drawn final : public data::EmbeddingSource {
 public:
  explicit Drawn(std::int64_t rows, std::int64_t dim = 3, double scale = 1)
      : rows_(rows), dim_(dim), scale_(scale) {}

  std::int64_t rows() const override { return rows_; }
  std::int64_t dim() const override { return dim_; }
  std::string name() const override { return "drawn"; }

  std::int64_t bad_row = -1;  ///< reading it fails

 private:
  void read_rows(std::int64_t first, std::int64_t count, std::span<float> out) override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (first + i == bad_row) throw IoError("the disk is gone");
      data::Random random(static_cast<std::uint64_t>(first + i));
      for (std::int64_t c = 0; c < dim_; ++c) {
        out[static_cast<std::size_t>(i * dim_ + c)] = static_cast<float>(scale_ * random.normal());
      }
    }
  }

  std::int64_t rows_, dim_;
  double scale_;
};

enum class Way { host, streaming, resident };

std::unique_ptr<Feed> make_feed(Way way, data::EmbeddingSource& source, const data::LoaderOptions& options,
                                FeedPlace place = as_float32, torch::ScalarType kept_as = torch::kFloat32) {
  if (way == Way::host) return make_host_feed(place, source, options);
  if (way == Way::streaming) return make_streaming_feed(place, source, options);
  auto rows = std::make_shared<ResidentRows>(load_rows(source, place.device, kept_as, {}));
  return make_resident_feed(place, rows, options);
}

std::vector<torch::Tensor> take(Feed& feed, std::int64_t count) {
  std::vector<torch::Tensor> batches;
  for (std::int64_t i = 0; i < count; ++i) batches.push_back(feed.next().clone());
  for (auto& batch : batches) batch = batch.cpu();
  return batches;
}

// The truth: what the loader hands out, as it is.
std::vector<torch::Tensor> loaded(data::EmbeddingSource& source, const data::LoaderOptions& options,
                                  std::int64_t count, std::int64_t epoch = 0, std::int64_t index = 0) {
  data::BatchLoader loader(source, options);
  loader.seek(epoch, index);
  std::vector<torch::Tensor> batches;
  for (std::int64_t i = 0; i < count; ++i) {
    auto batch = loader.next();
    batches.push_back(
        torch::from_blob(batch.values.data(), {batch.rows, source.dim()}, torch::kFloat32).clone());
  }
  return batches;
}

void expect_equal(const std::vector<torch::Tensor>& got, const std::vector<torch::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(torch::equal(got[i], expected[i])) << i;
}

class AnyFeed : public testing::TestWithParam<Way> {};

std::string name_of(const testing::TestParamInfo<Way>& way) {
  if (way.param == Way::host) return "Host";
  return way.param == Way::streaming ? "Streaming" : "Resident";
}

INSTANTIATE_TEST_SUITE_P(Ways, AnyFeed, testing::Values(Way::host, Way::streaming, Way::resident), name_of);

TEST_P(AnyFeed, GivesTheLoadersBatchesOverSeveralEpochs) {
  Drawn source(103);
  const data::LoaderOptions options{.batch_size = 10, .seed = 7};
  const auto feed = make_feed(GetParam(), source, options);
  EXPECT_EQ(feed->batches_per_epoch(), 11);
  expect_equal(take(*feed, 40), loaded(source, options, 40));  // every eleventh of 3 rows
}

TEST_P(AnyFeed, TakesOneRowAndABatchOfAllRows) {
  for (const std::int64_t rows : {1, 8}) {
    Drawn source(rows);
    const data::LoaderOptions options{.batch_size = rows};
    expect_equal(take(*make_feed(GetParam(), source, options), 5), loaded(source, options, 5));
    const data::LoaderOptions beyond{.batch_size = rows + 1};
    expect_equal(take(*make_feed(GetParam(), source, beyond), 2), loaded(source, beyond, 2));
  }
}

TEST_P(AnyFeed, GoesOnFromAnyPlace) {
  Drawn source(103);
  const data::LoaderOptions options{.batch_size = 10};
  const auto feed = make_feed(GetParam(), source, options);
  for (const auto& [epoch, index] : {std::pair<int, int>{2, 9}, {0, 0}, {5, 10}, {1, 25}}) {
    feed->seek(epoch, index);
    expect_equal(take(*feed, 13), loaded(source, options, 13, epoch, index));
  }
  feed->seek(4, 4);
  feed->seek(3, 3);
  expect_equal(take(*feed, 1), loaded(source, options, 1, 3, 3));
  EXPECT_THROW(feed->seek(0, -1), std::invalid_argument);
}

TEST_P(AnyFeed, KeepsThePublishedOrderAndThatOfTheFile) {
  Drawn source(50);
  const auto published = [] {  // anew for each, as copies would draw from one generator
    return data::LoaderOptions{.batch_size = 20, .epoch_seed = published_epoch_seeds(3, 16, 4)};
  };
  expect_equal(take(*make_feed(GetParam(), source, published()), 9), loaded(source, published(), 9));
  const data::LoaderOptions options{.batch_size = 20, .shuffle = false};
  expect_equal(take(*make_feed(GetParam(), source, options), 4), loaded(source, options, 4));
}

TEST_P(AnyFeed, ConvertsToTheModelsType) {
  Drawn source(30);
  const data::LoaderOptions options{.batch_size = 20};
  auto expected = loaded(source, options, 3);
  for (auto& batch : expected) batch = batch.to(torch::kFloat64);
  expect_equal(take(*make_feed(GetParam(), source, options, {test_device(), torch::kFloat64}), 3), expected);
}

TEST_P(AnyFeed, TellsOfASourceThatFailsHalfway) {
  Drawn source(100'000, 100);  // more than one piece
  source.bad_row = 60'000;
  const auto run = [&] { take(*make_feed(GetParam(), source, {.batch_size = 1000}), 101); };
  EXPECT_EQ(error_of<IoError>(run), "the disk is gone");
  source.bad_row = -1;
  run();
}

TEST_P(AnyFeed, MayGoBeforeItsBatchesAreTaken) {
  Drawn source(103);
  for (const int taken : {0, 1, 2, 3}) take(*make_feed(GetParam(), source, {.batch_size = 10}), taken);
}

TEST(StreamingFeed, FailsAgainUntilItIsSoughtElsewhere) {
  Drawn source(40);
  source.bad_row = 20;
  const data::LoaderOptions options{.batch_size = 10, .shuffle = false, .memory = 1};
  const auto feed = make_feed(Way::streaming, source, options);
  take(*feed, 2);
  EXPECT_THROW(feed->next(), IoError);
  EXPECT_THROW(feed->next(), IoError);
  feed->seek(0, 3);
  source.bad_row = -1;
  expect_equal(take(*feed, 3), loaded(source, options, 3, 0, 3));
}

TEST(ResidentRows, AreReadInPiecesThatTellHowFarTheyAre) {
  Drawn source(100'000, 100);
  std::vector<double> shares;
  const auto rows = load_rows(source, test_device(), torch::kFloat32, [&](double s) { shares.push_back(s); });
  EXPECT_EQ(shares.size(), 3u);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1);
  std::vector<float> all(10'000'000);
  source.read(0, source.rows(), all);
  EXPECT_TRUE(torch::equal(rows.values.cpu(), torch::from_blob(all.data(), {100'000, 100}, torch::kFloat32)));
  EXPECT_FALSE(rows.rounded);
  struct Enough {};
  const auto stop = [](double) { throw Enough(); };
  EXPECT_THROW(load_rows(source, test_device(), torch::kFloat32, stop), Enough);
}

TEST(ResidentRows, OfHalfPrecisionAreRoundedOnce) {
  Drawn source(103);
  const data::LoaderOptions options{.batch_size = 10};
  const auto got = take(*make_feed(Way::resident, source, options, as_float32, torch::kFloat16), 33);
  auto expected = loaded(source, options, 33);
  for (auto& batch : expected) batch = batch.to(torch::kFloat16).to(torch::kFloat32);
  expect_equal(got, expected);
  EXPECT_TRUE(load_rows(source, test_device(), torch::kFloat16, {}).rounded);
}

TEST(ResidentRows, KnowWhatHalfPrecisionHoldsExactlyOrNotAtAll) {
  const auto exact = data::in_memory({1, -0.5f, 2048, 0.25f, 0, 3}, 2);
  const auto rows = load_rows(*exact, test_device(), torch::kFloat16, {});
  EXPECT_TRUE(rows.values.defined());
  EXPECT_FALSE(rows.rounded);
  for (const double scale : {1e-30, 1e-7, 1e5, 1e20}) {
    Drawn source(100, 3, scale);
    EXPECT_FALSE(load_rows(source, test_device(), torch::kFloat16, {}).values.defined()) << scale;
  }
}

TEST(ResidentRows, TakeTheTypeThatFits) {
  Drawn source(100, 4);
  const auto exact = data::in_memory(std::vector<float>(400, 0.5f), 4);
  const auto single = resident_bytes(source, torch::kFloat32), half = resident_bytes(source, torch::kFloat16);
  EXPECT_EQ(single, 100u * (4 * 4 + 8));
  EXPECT_EQ(half, 100u * (4 * 2 + 8));
  // The type that is taken; Undefined for none.
  const auto taken = [](data::EmbeddingSource& of, std::uint64_t memory, HalfRows when) {
    const auto rows = rows_that_fit(of, test_device(), memory, when, {});
    return rows ? rows->values.scalar_type() : torch::ScalarType::Undefined;
  };
  EXPECT_EQ(taken(source, single, HalfRows::if_needed), torch::kFloat32);
  EXPECT_EQ(taken(source, single, HalfRows::if_exact), torch::kFloat32);
  EXPECT_EQ(taken(source, single, HalfRows::always), torch::kFloat16);
  EXPECT_EQ(taken(source, single - 1, HalfRows::if_needed), torch::kFloat16);
  EXPECT_EQ(taken(source, single - 1, HalfRows::if_exact), torch::ScalarType::Undefined);
  EXPECT_EQ(taken(*exact, single - 1, HalfRows::if_exact), torch::kFloat16);
  EXPECT_EQ(taken(source, half - 1, HalfRows::if_needed), torch::ScalarType::Undefined);
}

}  // namespace
}  // namespace msae::train
