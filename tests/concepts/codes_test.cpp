#include "msae/concepts/codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "concepts/small_codes.h"
#include "data/hdf5_file.h"
#include "io/random_model.h"
#include "models/every_model.h"
#include "msae/core/error.h"
#include "msae/io/latents.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"
#include "support/tensors.h"

namespace msae::concepts {
namespace {

using models::OperatingPoint;
using test::codes_of;
using test::dense_of;
using test::error_of;
using test::place;
using testing::HasSubstr;

std::unique_ptr<data::EmbeddingSource> source_of_rows(const torch::Tensor& rows) {
  const auto* values = rows.const_data_ptr<float>();
  return data::in_memory({values, values + rows.numel()}, rows.size(1), "rows");
}

/// [rows, 12], of which the third is zero.
torch::Tensor rows_to_encode(std::int64_t rows) {
  auto values = test::random_rows({rows, 12}, 9).to(torch::kFloat32);
  if (rows > 2) values[2].zero_();
  return values;
}

void expect_well_formed(const Codes& codes) {
  ASSERT_EQ(static_cast<std::int64_t>(codes.begin.size()), codes.rows + 1);
  EXPECT_EQ(codes.begin.front(), 0);
  EXPECT_EQ(codes.begin.back(), static_cast<std::int64_t>(codes.latent.size()));
  EXPECT_EQ(codes.latent.size(), codes.value.size());
  EXPECT_EQ(std::count(codes.value.begin(), codes.value.end(), 0.0f), 0);
  for (std::int64_t row = 0; row < codes.rows; ++row) {
    const auto latents = codes.latents_of(row);
    EXPECT_EQ(latents.size(), codes.values_of(row).size());
    EXPECT_TRUE(
        std::is_sorted(latents.begin(), latents.end(), [](auto a, auto b) { return a <= b; }));  // strictly
  }
}

void expect_same_codes(const Codes& a, const Codes& b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.latents, b.latents);
  EXPECT_EQ(a.begin, b.begin);
  EXPECT_EQ(a.latent, b.latent);
  EXPECT_EQ(a.value, b.value);
}

TEST(Codes, AreTheLatentsOfTheModelAtEveryPoint) {
  const auto rows = rows_to_encode(23);
  bool any_negative = false, any_empty = false;
  for (const auto& options : test::some_models(12, 40)) {
    auto model = test::random_model(options);
    for (const auto point : {OperatingPoint::trained(), OperatingPoint::all(), OperatingPoint::top(1),
                             OperatingPoint::top(7), OperatingPoint::top(40), OperatingPoint::level(0),
                             OperatingPoint::level(model.level_count() - 1)}) {
      SCOPED_TRACE(test::name(options) + ", " + point.label());
      const auto codes = encode(model, *source_of_rows(rows), point);
      expect_well_formed(codes);
      const torch::NoGradGuard no_grad;
      const auto expected = model.encode(rows, point);
      EXPECT_TRUE(torch::equal(dense_of(codes) != 0, expected != 0));
      EXPECT_CLOSE(dense_of(codes), expected, 1e-5);
      any_negative = any_negative || expected.min().item<float>() < 0;
      any_empty = any_empty || (expected == 0).all(1).any().item<bool>();
    }
  }
  EXPECT_TRUE(any_negative);
  EXPECT_TRUE(any_empty);
}

TEST(Codes, AreThoseOfEveryCodingAndAFileSaysWhich) {
  const test::TempDir folder;
  const auto rows = rows_to_encode(23);
  for (const auto& activation : test::every_activation(40)) {
    auto model = test::random_model(activation);
    for (const auto& coding : {models::Coding::encoder(), models::Coding::refit(), models::Coding::pursuit(),
                               models::Coding::pursuit(15)}) {
      for (const auto point : {OperatingPoint::trained(), OperatingPoint::all(), OperatingPoint::top(5),
                               OperatingPoint::level(model.level_count() - 1)}) {
        SCOPED_TRACE(models::kind(activation) + ", " + point.label() + " by " + coding.name());
        const auto codes = encode(model, *source_of_rows(rows), point, coding);
        expect_well_formed(codes);
        const torch::NoGradGuard no_grad;
        const auto expected = model.encode(rows, point, coding);
        EXPECT_TRUE(torch::equal(dense_of(codes) != 0, expected != 0));
        EXPECT_CLOSE(dense_of(codes), expected, 1e-3);
      }
      io::write_latents(model, *source_of_rows(rows), folder / "l.h5", {.coding = coding});
      EXPECT_EQ(coding_of_codes(folder / "l.h5").name(), coding.name());
      expect_same_codes(read_codes(folder / "l.h5"), encode(model, *source_of_rows(rows), {}, coding));
    }
  }
}

TEST(Codes, OfAFileThatSaysNothingAreTheEncoders) {
  const test::TempDir folder;
  test::Hdf5File(folder / "old.h5").floats("/values", {1}, {2});
  EXPECT_EQ(coding_of_codes(folder / "old.h5").name(), "encoder");
  {
    auto file = data::hdf5::File::create(folder / "new.h5", "new.h5");
    file.write_attribute("codes", "guessed");
  }
  EXPECT_THAT(error_of<IoError>([&] { coding_of_codes(folder / "new.h5"); }),
              HasSubstr("new.h5: holds codes of a kind that this version does not know, 'guessed'"));
}

TEST(Codes, OfManyRowsOfAnyTypeAndOfOne) {
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    auto model = test::random_model(models::BatchTopK{5}, 12, 40, type);
    for (const std::int64_t count : {1, 4096, 9001}) {
      const auto rows = rows_to_encode(count);
      std::vector<double> shares;
      const auto codes = encode(model, *source_of_rows(rows), OperatingPoint::trained(), {},
                                [&](double share) { shares.push_back(share); });
      expect_well_formed(codes);
      EXPECT_EQ(codes.rows, count);
      EXPECT_EQ(codes.latents, 40);
      const torch::NoGradGuard no_grad;
      EXPECT_CLOSE(dense_of(codes), model.encode(rows.to(type)).to(torch::kFloat32), 1e-5);
      ASSERT_FALSE(shares.empty());
      EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
      EXPECT_EQ(shares.back(), 1);
    }
  }
}

TEST(Codes, RefuseWhatDoesNotFitOrOverflows) {
  auto model = test::random_model(models::Matryoshka{{2, 8, 40}});
  const auto source = source_of_rows(rows_to_encode(6));
  const auto said = [&](OperatingPoint point) {
    return error_of<std::invalid_argument>([&] { encode(model, *source, point); });
  };
  EXPECT_THAT(said(OperatingPoint::top(41)), HasSubstr("k: must be from 1 to the number of latents, 40"));
  EXPECT_THAT(said(OperatingPoint::top(0)), HasSubstr("k: "));
  EXPECT_THAT(said(OperatingPoint::level(3)), HasSubstr("level: must be from 0 to 2, not 3"));
  EXPECT_THAT(
      error_of<std::invalid_argument>([&] { encode(model, *source, {}, models::Coding::pursuit(1)); }),
      HasSubstr("candidates: must be at least k, 2, or 0 for all, not 1"));
  auto narrow = test::random_model(models::TopK{2}, 5);
  EXPECT_THAT(error_of<std::invalid_argument>([&] { encode(narrow, *source, {}); }),
              HasSubstr("rows has dimension 12 but the model's is 5"));
  auto bad = rows_to_encode(6);
  bad[4][3] = NAN;
  EXPECT_THAT(error_of<IoError>([&] { encode(model, *source_of_rows(bad), {}); }),
              HasSubstr("row 4 holds NaN"));
  model.scale.fill_(1e30);
  EXPECT_THAT(error_of<Error>([&] { encode(model, *source_of_rows(rows_to_encode(6) * 1e20), {}); }),
              HasSubstr("overflow"));
  EXPECT_EQ(error_of<Error>([&] { encode(model, *source, {}, {}, [](double) { throw Error("enough"); }); }),
            "enough");
}

TEST(Codes, ComeBackFromAFile) {
  const test::TempDir folder;
  for (const std::int64_t rows : {1, 2, 53}) {
    for (const auto& activation : test::every_activation(40)) {
      auto model = test::random_model(activation);
      model.latent_bias.detach().sub_(rows == 2 ? 1e6 : 0);  // no latent in any row
      const auto source = source_of_rows(rows_to_encode(rows));
      io::write_latents(model, *source, folder / "l.h5", {.point = OperatingPoint::trained()});
      const auto read = read_codes(folder / "l.h5");
      expect_well_formed(read);
      expect_same_codes(read, encode(model, *source, OperatingPoint::trained()));
      EXPECT_EQ(read.latent.empty(), rows == 2);
    }
  }
}

/// What a file of latents holds.
struct StoredCodes {
  std::vector<std::int64_t> indptr{0, 2, 2, 3}, shape{3, 5};
  std::vector<std::int32_t> indices{1, 4, 0};
  std::vector<float> values{0.5f, 2, -1};
};

std::string said_of(const StoredCodes& stored, const std::vector<std::string>& left_out = {}) {
  const test::TempDir folder;
  {
    test::Hdf5File file(folder / "l.h5");
    const auto write = [&](const std::string& name, hid_t type, const auto& values) {
      if (std::count(left_out.begin(), left_out.end(), name)) return;
      file.data_set(name, type, {values.size()}, values.data());
    };
    write("/indptr", H5T_NATIVE_INT64, stored.indptr);
    write("/shape", H5T_NATIVE_INT64, stored.shape);
    write("/indices", H5T_NATIVE_INT32, stored.indices);
    write("/values", H5T_NATIVE_FLOAT, stored.values);
  }
  return error_of<Error>([&] { read_codes(folder / "l.h5"); });
}

TEST(Codes, OfDamagedFilesAreRefused) {
  EXPECT_EQ(said_of({}), "no error");
  EXPECT_EQ(said_of({.indptr = {0, 0, 0, 0}, .indices = {}, .values = {}}), "no error");
  EXPECT_EQ(said_of({.indptr = {0}, .shape = {0, 5}, .indices = {}, .values = {}}), "no error");

  EXPECT_THAT(said_of({.indptr = {0, 2, 1, 3}}), HasSubstr("/indptr does not ascend"));
  EXPECT_THAT(said_of({.indptr = {0, -1, 2, 3}}), HasSubstr("/indptr does not ascend"));
  EXPECT_THAT(said_of({.indptr = {0, 9, 9, 3}}), HasSubstr("/indptr does not ascend"));
  EXPECT_THAT(said_of({.indptr = {1, 2, 2, 3}}), HasSubstr("/indptr does not fit /indices"));
  EXPECT_THAT(said_of({.indptr = {0, 2, 2, 2}}), HasSubstr("/indptr does not fit /indices"));
  EXPECT_THAT(said_of({.indptr = {0, 2, 2, 4}}), HasSubstr("/indptr does not fit /indices"));
  EXPECT_THAT(said_of({.indptr = {0, 2, 3}}), HasSubstr("/indptr"));
  for (const std::vector<std::int32_t>& indices :
       {std::vector<std::int32_t>{4, 1, 0}, {1, 1, 0}, {1, 5, 0}, {-1, 4, 0}}) {
    EXPECT_THAT(said_of({.indices = indices}),
                HasSubstr("/indices of row 0 do not ascend within the latents"));
  }
  EXPECT_THAT(said_of({.indices = {1, 4, 7}}), HasSubstr("/indices of row 2"));
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    EXPECT_THAT(said_of({.values = {0.5f, value, 1}}), HasSubstr("/values hold NaN or Inf"));
  }
  for (const float value : {0.0f, -0.0f}) {
    EXPECT_THAT(said_of({.values = {0.5f, value, 1}}), HasSubstr("/values hold zeros"));
  }
  EXPECT_THAT(said_of({.values = {0.5f, 2}}), HasSubstr("/values"));
  EXPECT_THAT(said_of({.indices = {1, 4}}), HasSubstr("/"));
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{-1, 5}, {3, 0}, {3, 1LL << 40}}) {
    EXPECT_THAT(said_of({.shape = shape}), HasSubstr("/shape is not one of latents"));
  }
  EXPECT_THAT(said_of({.shape = {1LL << 40, 5}}),
              HasSubstr("1099511627776 rows are more than can be looked at"));
  EXPECT_THAT(said_of({.shape = {3, 5, 1}}), HasSubstr("/shape"));
  EXPECT_THAT(said_of({.shape = {4, 5}}), HasSubstr("/indptr"));
  for (const std::string name : {"/indptr", "/shape", "/indices", "/values"}) {
    EXPECT_THAT(said_of({}, {name}), HasSubstr(name));
  }
}

TEST(Codes, OfOtherFilesAreRefused) {
  const test::TempDir folder;
  EXPECT_THAT(error_of<IoError>([&] { read_codes(folder / "none.h5"); }), HasSubstr("none.h5"));
  test::overwrite(folder / "text.h5", "no latents");
  EXPECT_THAT(error_of<IoError>([&] { read_codes(folder / "text.h5"); }), HasSubstr("text.h5"));
  {
    test::Hdf5File file(folder / "square.h5");
    const std::vector<std::int64_t> begins{0, 1, 2}, shape{2, 2};
    const std::vector<float> square{0, 1, 1, 0};
    file.data_set("/indptr", H5T_NATIVE_INT64, {3}, begins.data());
    file.data_set("/shape", H5T_NATIVE_INT64, {2}, shape.data());
    file.floats("/indices", {2, 2}, square);
    file.floats("/values", {2, 2}, square);
  }
  EXPECT_THAT(error_of<IoError>([&] { read_codes(folder / "square.h5"); }), HasSubstr("/indices is no list"));
}

TEST(Codes, ByColumnsAreTheTranspose) {
  for (const auto& drawn : {test::Drawn{}, test::Drawn{.rows = 1, .latents = 9},
                            test::Drawn{.rows = 53, .latents = 1}, test::Drawn{.rows = 0, .latents = 4},
                            test::Drawn{.rows = 211, .latents = 17, .most = 17, .negative = true}}) {
    const auto codes = test::random_codes(drawn);
    const auto columns = columns_of(codes);
    const auto turned = codes_of(dense_of(codes).t());  // its rows are the columns
    EXPECT_EQ(columns.rows, drawn.rows);
    EXPECT_EQ(columns.latents, drawn.latents);
    EXPECT_EQ(columns.begin, turned.begin);
    EXPECT_EQ(columns.row, turned.latent);
    EXPECT_EQ(columns.value, turned.value);
    for (std::int64_t latent = 0; latent < drawn.latents; ++latent) {
      EXPECT_TRUE(std::ranges::equal(columns.rows_of(latent), turned.latents_of(latent)));
      EXPECT_TRUE(std::ranges::equal(columns.values_of(latent), turned.values_of(latent)));
    }
  }
}

TEST(UsualPoint, IsSixtyFourLatentsWhereThereIsAChoice) {
  const auto label = [](models::Activation activation, std::int64_t latents) {
    return usual_point(test::random_model(std::move(activation), 12, latents)).label();
  };
  EXPECT_EQ(label(models::Relu{}, 100), "k=64");
  EXPECT_EQ(label(models::Relu{}, 40), "k=40");
  EXPECT_EQ(label(models::Matryoshka{{2, 100}}, 100), "k=64");
  EXPECT_EQ(label(models::Matryoshka{.levels = {2, 40}, .batch = true}, 40), "k=40");
  EXPECT_EQ(label(models::PrefixMatryoshka{.k = 3, .sizes = {5, 100}}, 100), "k=64");
  EXPECT_EQ(label(models::Matryoshka{{3}}, 100), "trained");
  EXPECT_EQ(label(models::TopK{3}, 100), "trained");
  EXPECT_EQ(label(models::BatchTopK{3}, 100), "trained");
  EXPECT_EQ(label(models::JumpRelu{}, 100), "trained");
}

}  // namespace
}  // namespace msae::concepts
