#include "msae/io/latents.h"

#include <gmock/gmock.h>

#include "core/atomic_file.h"
#include "data/hdf5_file.h"
#include "io/random_model.h"
#include "msae/core/error.h"
#include "msae/core/version.h"
#include "msae/data/views.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"
#include "support/tensors.h"

namespace msae::io {
namespace {

using models::OperatingPoint;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

/// What a file of latents holds, checked for being a CSR matrix.
struct Matrix {
  explicit Matrix(const std::filesystem::path& path) : file(data::hdf5::File::open(path)) {
    starts = file.read<std::int64_t>("/indptr");
    indices = file.read<std::int32_t>("/indices");
    values = file.read<float>("/values");
    shape = file.read<std::int64_t>("/shape", data::hdf5::Shape{2});
    EXPECT_EQ(starts.size(), static_cast<std::size_t>(shape[0]) + 1);
    EXPECT_EQ(starts.front(), 0);
    EXPECT_EQ(starts.back(), static_cast<std::int64_t>(values.size()));
    EXPECT_EQ(indices.size(), values.size());
    EXPECT_TRUE(std::is_sorted(starts.begin(), starts.end()));
  }

  torch::Tensor dense() const {
    auto matrix = torch::zeros({shape[0], shape[1]});
    for (std::int64_t row = 0; row < shape[0]; ++row) {
      std::int32_t before = -1;
      for (auto at = starts[static_cast<std::size_t>(row)]; at < starts[static_cast<std::size_t>(row) + 1];
           ++at) {
        const auto column = indices[static_cast<std::size_t>(at)];
        EXPECT_GT(column, before) << "columns ascend";
        EXPECT_NE(values[static_cast<std::size_t>(at)], 0);
        matrix[row][column] = values[static_cast<std::size_t>(at)];
        before = column;
      }
    }
    return matrix;
  }

  data::hdf5::File file;
  std::vector<std::int64_t> starts, shape;
  std::vector<std::int32_t> indices;
  std::vector<float> values;
};

/// Rows [rows, 12], of which the third is zero.
torch::Tensor some_rows(std::int64_t rows) {
  auto values = test::random_rows({rows, 12}, 9).to(torch::kFloat32);
  if (rows > 2) values[2].zero_();
  return values;
}

std::shared_ptr<data::EmbeddingSource> source_of(const torch::Tensor& rows) {
  const auto* values = rows.const_data_ptr<float>();
  return data::in_memory({values, values + rows.numel()}, rows.size(1), "rows");
}

std::vector<models::SparseAutoencoderOptions> every_kind() {
  using models::Ranking;
  std::vector<models::SparseAutoencoderOptions> models;
  const auto add = [&](models::Activation activation, Ranking ranking = Ranking::positive) {
    models.push_back({.dim = 12, .latents = 40, .activation = std::move(activation), .ranking = ranking});
  };
  add(models::Relu{});
  add(models::TopK{5});
  add(models::TopK{5}, Ranking::value);
  add(models::BatchTopK{5});
  add(models::BatchTopK{5}, Ranking::magnitude);
  add(models::JumpRelu{});
  add(models::Matryoshka{{2, 8, 40}});
  add(models::Matryoshka{{2, 8, 40}}, Ranking::magnitude);
  add(models::Matryoshka{.levels = {2, 8, 40}, .batch = true});
  add(models::PrefixMatryoshka{.k = 5, .sizes = {8, 40}});
  return models;
}

TEST(Latents, AreThoseOfEncodeForEveryKindAndPoint) {
  const test::TempDir folder;
  const auto rows = some_rows(23);
  bool any_negative = false;
  for (const auto& options : every_kind()) {
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      auto model = test::random_model(options, type);
      std::vector<OperatingPoint> points{OperatingPoint::trained(), OperatingPoint::all(),
                                         OperatingPoint::top(3)};
      points.push_back(OperatingPoint::level(model.level_count() - 1));
      for (const auto& point : points) {
        const auto done =
            write_latents(model, *source_of(rows), folder / "l.h5", {.point = point, .batch_size = 5});
        const torch::NoGradGuard no_grad;
        const auto expected = model.encode(rows.to(type), point).to(torch::kFloat32);
        const Matrix found(folder / "l.h5");
        EXPECT_CLOSE(found.dense(), expected, 1e-5)
            << models::kind(options.activation) << ", " << point.label();
        EXPECT_EQ(done.rows, 23);
        EXPECT_EQ(done.latents, 40);
        EXPECT_EQ(done.entries, (expected != 0).sum().item<std::int64_t>());
        any_negative = any_negative || expected.min().item<float>() < 0;
      }
    }
  }
  EXPECT_TRUE(any_negative);
}

TEST(Latents, AreThoseOfEveryCoding) {
  const test::TempDir folder;
  const auto rows = some_rows(23);
  for (const auto& options : every_kind()) {
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      auto model = test::random_model(options, type);
      for (const auto& point : {OperatingPoint::trained(), OperatingPoint::all(), OperatingPoint::top(3),
                                OperatingPoint::level(model.level_count() - 1)}) {
        for (const auto& coding :
             {models::Coding::refit(), models::Coding::pursuit(), models::Coding::pursuit(14)}) {
          SCOPED_TRACE(models::kind(options.activation) + ", " + point.label() + " by " + coding.name());
          write_latents(model, *source_of(rows), folder / "l.h5",
                        {.point = point, .coding = coding, .batch_size = 5});
          const torch::NoGradGuard no_grad;
          const auto expected = model.encode(rows.to(type), point, coding).to(torch::kFloat32);
          const Matrix found(folder / "l.h5");
          EXPECT_CLOSE(found.dense(), expected, 1e-3);
          EXPECT_EQ(found.file.attribute("codes"), coding.name());
        }
      }
    }
  }
}

TEST(Latents, DoNotDependOnTheBatchSize) {
  const test::TempDir folder;
  auto model = test::random_model(models::Matryoshka{{2, 8, 40}});
  const auto source = source_of(some_rows(101));
  write_latents(model, *source, folder / "whole.h5", {.point = OperatingPoint::level(1)});
  const Matrix whole(folder / "whole.h5");
  for (const std::int64_t size : {1, 2, 7, 100, 101}) {
    write_latents(model, *source, folder / "parts.h5",
                  {.point = OperatingPoint::level(1), .batch_size = size});
    const Matrix parts(folder / "parts.h5");
    EXPECT_EQ(parts.starts, whole.starts) << size;
    EXPECT_EQ(parts.indices, whole.indices) << size;
    EXPECT_CLOSE(parts.dense(), whole.dense(), 1e-5);
  }
}

TEST(Latents, OfOneRowAndOfRowsWithoutAny) {
  const test::TempDir folder;
  auto model = test::random_model(models::Relu{});
  write_latents(model, *source_of(some_rows(1)), folder / "one.h5");
  EXPECT_THAT(Matrix(folder / "one.h5").shape, ElementsAre(1, 40));

  const auto rows = some_rows(4);
  const torch::NoGradGuard no_grad;
  model.latent_bias.sub_(model.pre_activations(model.normalise(rows))[1].max() +
                         1e-3);  // the second row has none
  write_latents(model, *source_of(rows), folder / "some.h5", {.batch_size = 1});
  const Matrix some(folder / "some.h5");
  EXPECT_EQ(some.starts[1], some.starts[2]);
  EXPECT_CLOSE(some.dense(), model.encode(rows), 1e-5);

  model.latent_bias.fill_(-1e6);
  EXPECT_EQ(write_latents(model, *source_of(rows), folder / "none.h5").entries, 0);
  EXPECT_THAT(Matrix(folder / "none.h5").starts, ElementsAre(0, 0, 0, 0, 0));
}

TEST(Latents, MayBeMoreThanAChunk) {
  const test::TempDir folder;
  auto model = test::random_model(models::Relu{}, 12, 2000);
  const auto rows = some_rows(600);
  const auto done = write_latents(model, *source_of(rows), folder / "l.h5", {.batch_size = 97});
  EXPECT_GT(static_cast<std::uint64_t>(done.entries), 2 * data::hdf5::list_chunk_bytes / sizeof(float));
  const Matrix found(folder / "l.h5");
  const torch::NoGradGuard no_grad;
  const auto expected = model.encode(rows);
  const auto at = (expected > 0).nonzero();
  EXPECT_TRUE(torch::equal(torch::tensor(found.indices), at.select(1, 1).to(torch::kInt32)));
  EXPECT_CLOSE(torch::tensor(found.values), expected.masked_select(expected > 0), 1e-5);
}

TEST(Latents, SayWhereTheyComeFrom) {
  const test::TempDir folder;
  auto model = test::random_model(models::TopK{5});
  std::vector<std::string> labels;
  for (int row = 0; row < 20; ++row) labels.push_back("row \xc3\xa9" + std::to_string(row));
  const auto part = data::held_out(source_of(some_rows(20)), 0.25);
  write_latents(model, *part, folder / "l.h5",
                {.point = OperatingPoint::top(4), .run = "my run", .labels = labels});
  const Matrix found(folder / "l.h5");
  const auto numbers = found.file.read<std::int64_t>("/rows");
  const auto names = found.file.read_strings("/labels");
  ASSERT_EQ(numbers.size(), 5u);
  ASSERT_EQ(names.size(), 5u);
  for (std::size_t row = 0; row < 5; ++row) {
    EXPECT_EQ(numbers[row], part->original_row(static_cast<std::int64_t>(row)));
    EXPECT_EQ(names[row], labels[static_cast<std::size_t>(numbers[row])]);
  }
  const auto attribute = [&](const char* name) {
    const auto id = H5Fopen((folder / "l.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const auto open = H5Aopen(id, name, H5P_DEFAULT);
    const auto type = H5Aget_type(open);
    char* text = nullptr;
    EXPECT_GE(H5Aread(open, type, &text), 0);
    const std::string value = text ? text : "";
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(open);
    H5Fclose(id);
    return value;
  };
  EXPECT_EQ(attribute("run"), "my run");
  EXPECT_EQ(attribute("data"), "rows");
  EXPECT_EQ(attribute("view"), "the 25 % held out");
  EXPECT_EQ(attribute("point"), "k=4");
  EXPECT_EQ(attribute("codes"), "encoder");
  EXPECT_EQ(attribute("msae_version"), version());
}

TEST(Latents, OfAllRowsNeedNoNumbers) {
  const test::TempDir folder;
  auto model = test::random_model(models::TopK{5});
  write_latents(model, *data::unit_rows(source_of(some_rows(6))), folder / "l.h5");
  EXPECT_THAT(error_of<IoError>([&] { Matrix(folder / "l.h5").file.read<std::int64_t>("/rows"); }),
              HasSubstr("no data set /rows"));
}

TEST(Latents, RefuseWhatDoesNotFit) {
  const test::TempDir folder;
  auto model = test::random_model(models::Matryoshka{{2, 8, 40}});
  const auto source = source_of(some_rows(6));
  const auto said = [&](const LatentsOptions& options) {
    return error_of<std::invalid_argument>([&] { write_latents(model, *source, folder / "l.h5", options); });
  };
  EXPECT_THAT(said({.point = OperatingPoint::top(41)}),
              HasSubstr("k: must be from 1 to the number of latents, 40"));
  EXPECT_THAT(said({.point = OperatingPoint::top(0)}), HasSubstr("k: "));
  EXPECT_THAT(said({.point = OperatingPoint::level(3)}), HasSubstr("level: must be from 0 to 2, not 3"));
  EXPECT_THAT(said({.point = OperatingPoint::top(7), .coding = models::Coding::pursuit(6)}),
              HasSubstr("candidates: must be at least k, 7, or 0 for all, not 6"));
  EXPECT_THAT(said({.coding = {models::Coding::Kind::encoder, 6}}), HasSubstr("candidates: are for pursuit"));
  EXPECT_THAT(said({.batch_size = 0}), HasSubstr("batch_size: must be at least 1"));
  EXPECT_THAT(said({.labels = {"a", "b"}}), HasSubstr("labels: 2 labels for the 6 rows of rows"));
  auto narrow = test::random_model(models::TopK{2}, 5);
  EXPECT_THAT(error_of<std::invalid_argument>([&] { write_latents(narrow, *source, folder / "l.h5"); }),
              HasSubstr("rows has dimension 12 but the model's is 5"));
  EXPECT_EQ(test::files_in(folder.path()), 0u);
}

TEST(Latents, ThatOverflowAreRefused) {
  const test::TempDir folder;
  auto model = test::random_model(models::Relu{});
  model.scale.fill_(1e30);
  const auto source = source_of(some_rows(6) * 1e20);
  EXPECT_THAT(error_of<Error>([&] { write_latents(model, *source, folder / "l.h5"); }),
              HasSubstr("rows: latents overflow float32"));
  EXPECT_THAT(error_of<Error>([&] {
                write_latents(model, *source, folder / "l.h5", {.coding = models::Coding::pursuit()});
              }),
              HasSubstr("rows: latents overflow; are the rows on the scale"));
  EXPECT_EQ(test::files_in(folder.path()), 0u);
}

TEST(Latents, StoppedOrFailedLeaveTheOldFileAndNoOther) {
  const test::TempDir folder;
  files::write_file(folder / "l.h5", "old");
  auto model = test::random_model(models::TopK{5});
  const auto stop = [](double share) {
    if (share > 0.5) throw Error("enough");
  };
  const auto source = source_of(some_rows(50));
  EXPECT_EQ(error_of<Error>([&] { write_latents(model, *source, folder / "l.h5", {.batch_size = 5}, stop); }),
            "enough");
  auto bad = some_rows(50);
  bad[40][3] = NAN;
  EXPECT_THAT(
      error_of<IoError>([&] { write_latents(model, *source_of(bad), folder / "l.h5", {.batch_size = 5}); }),
      HasSubstr("row 40 holds NaN"));
  EXPECT_EQ(files::read_text(folder / "l.h5", 10), "old");
  EXPECT_EQ(test::files_in(folder.path()), 1u);
}

// HDF5 1.10 would crash at the end of this process had it once met the limit itself.
TEST(Latents, MeetNoSizeLimitUnprepared) {
  const test::TempDir folder;
  auto model = test::random_model(models::Relu{}, 12, 2000);
  const auto source = source_of(some_rows(300));
  const std::vector<std::string> labels(300, std::string(100, 'x'));
  int written = 0, refused = 0;
  for (rlim_t limit = 0; limit < 8'000'000; limit += 250'000) {
    const test::FileLimit limited(limit + 1000);
    const auto said = error_of<IoError>(
        [&] { write_latents(model, *source, folder / "l.h5", {.batch_size = 20, .labels = labels}); });
    if (said == "no error") {
      ++written;
      std::filesystem::remove(folder / "l.h5");
    } else {
      ++refused;
      EXPECT_THAT(said, testing::AllOf(HasSubstr("l.h5: cannot be written: "),
                                       HasSubstr(" are needed: File too large")));
    }
    EXPECT_EQ(test::files_in(folder.path()), 0u);
  }
  EXPECT_GT(written, 3);
  EXPECT_GT(refused, 8);
}

}  // namespace
}  // namespace msae::io
