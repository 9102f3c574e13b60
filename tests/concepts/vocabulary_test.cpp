#include "msae/concepts/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/hdf5_files.h"
#include "support/temp_dir.h"
#include "support/tensors.h"

namespace msae::concepts {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

/// Words and their embeddings in files of their own.
class VocabularyFiles : public testing::Test {
 protected:
  Vocabulary read(const torch::Tensor& rows, const std::string& lines) {
    write(rows, lines);
    return read_vocabulary(embeddings(), words());
  }

  std::string refused(const torch::Tensor& rows, const std::string& lines) {
    write(rows, lines);
    return error_of<IoError>([&] { read_vocabulary(embeddings(), words()); });
  }

  std::string embeddings() const { return (folder_ / "words.h5").string(); }
  std::string words() const { return (folder_ / "words.txt").string(); }

 private:
  void write(const torch::Tensor& rows, const std::string& lines) {
    const auto values = rows.to(torch::kFloat32).contiguous();
    const auto* first = values.const_data_ptr<float>();
    test::Hdf5File(embeddings())
        .floats("/text", {static_cast<hsize_t>(rows.size(0)), static_cast<hsize_t>(rows.size(1))},
                {first, first + values.numel()});
    test::overwrite(words(), lines);
  }

  test::TempDir folder_;
};

torch::Tensor plain_unit(const torch::Tensor& rows) {
  return rows / rows.square().sum(1, true).sqrt();
}

TEST_F(VocabularyFiles, AreWordsWithUnitRows) {
  const auto rows = test::random({3, 5}, 1) * 7;
  const auto found = read(rows, "dog\ncat\nna\xc3\xafve caf\xc3\xa9\n");
  EXPECT_THAT(found.words, ElementsAre("dog", "cat", "na\xc3\xafve caf\xc3\xa9"));
  EXPECT_EQ(found.repeated, 0);
  EXPECT_EQ(found.embeddings.scalar_type(), torch::kFloat32);
  EXPECT_CLOSE(found.embeddings.to(torch::kFloat64), plain_unit(rows), 1e-6);
}

TEST_F(VocabularyFiles, TakeRepeatedWordsTogetherByTheirUnitRows) {
  const auto rows = test::random({6, 5}, 2) * torch::tensor({1.0, 100.0, 1.0, 0.01, 5.0, 1.0}).unsqueeze(1);
  const auto found = read(rows, "dog\ncat\ndog\nbird\ncat\ndog\n");
  EXPECT_THAT(found.words, ElementsAre("dog", "cat", "bird")) << "in the order of their first rows";
  EXPECT_EQ(found.repeated, 3);
  const auto units = plain_unit(rows);
  const auto means = torch::stack({units[0] + units[2] + units[5], units[1] + units[4], units[3]});
  EXPECT_CLOSE(found.embeddings.to(torch::kFloat64), plain_unit(means), 1e-6);
}

TEST_F(VocabularyFiles, TellWordsApartByEveryByte) {
  const auto found = read(test::random({4, 5}, 2), "dog\nDog\ndog \n dog\n");
  EXPECT_EQ(found.words.size(), 4u);
}

TEST_F(VocabularyFiles, HaveUnitRowsHoweverLongTheyAre) {
  const auto rows = test::random({3, 5}, 3);
  const auto expected = plain_unit(rows);
  for (const double size : {1e-15, 1e-5, 1e15}) {
    EXPECT_CLOSE(read(rows * size, "a\nb\nc\n").embeddings.to(torch::kFloat64), expected, 1e-5) << size;
  }
}

TEST_F(VocabularyFiles, MayHaveOneDimensionOrTwoWords) {
  EXPECT_EQ(read(torch::tensor({{2.0}, {-3.0}}), "a\nb\n").embeddings.flatten()[1].item<float>(), -1);
}

TEST_F(VocabularyFiles, AreRefusedWithASentence) {
  const auto rows = test::random({3, 5}, 1);
  EXPECT_THAT(refused(rows, "dog\ncat\n"), HasSubstr("words.txt holds 2 words, but "));
  EXPECT_THAT(refused(rows, "dog\ncat\n"), HasSubstr(" has 3 rows; one word a row"));
  EXPECT_THAT(refused(rows, "dog\ncat\nbird\nfish\n"), HasSubstr("words.txt holds 4 words, but "));
  EXPECT_THAT(refused(rows, ""), HasSubstr("words.txt holds 0 words"));
  EXPECT_THAT(refused(rows, "dog\n\nbird\n"), HasSubstr("words.txt: word 1 (from 0) is empty"));
  EXPECT_THAT(refused(rows, "dog\ncat\ncaf\xe9\n"), HasSubstr("words.txt: word 2 (from 0) is not UTF-8"));
  EXPECT_THAT(refused(rows, "dog\ndog\ndog\n"),
              HasSubstr("words.txt: names need at least two different words"));
  EXPECT_THAT(refused(rows.slice(0, 0, 1), "dog\n"), HasSubstr("names need at least two different words"));

  auto bad = rows.clone();
  bad[2].zero_();
  EXPECT_THAT(refused(bad, "dog\ncat\nbird\n"), HasSubstr("row 2 is zero; a word needs a direction"));
  bad[2][1] = NAN;
  EXPECT_THAT(refused(bad, "dog\ncat\nbird\n"), HasSubstr("row 2 holds NaN"));

  bad.copy_(rows);
  bad[2] = -rows[0];
  EXPECT_THAT(refused(bad, "dog\ncat\ndog\n"), HasSubstr("the rows of 'dog' cancel each other out"));
}

TEST_F(VocabularyFiles, HaveToBeThere) {
  read(test::random({2, 5}, 1), "dog\ncat\n");
  EXPECT_THAT(error_of<IoError>([&] { read_vocabulary(embeddings() + "x", words()); }),
              HasSubstr("words.h5x"));
  EXPECT_THAT(error_of<IoError>([&] { read_vocabulary(embeddings(), words() + "x"); }),
              HasSubstr("words.txtx"));
  EXPECT_THAT(error_of<IoError>([&] { read_vocabulary(embeddings(), embeddings()); }),
              HasSubstr("name the data set of labels"));
}

TEST(Vocabulary, DirectionsAreUnitRowsAroundTheMean) {
  for (const std::int64_t words : {2, 3, 40}) {
    Vocabulary vocabulary;
    vocabulary.embeddings = plain_unit(test::random({words, 6}, 4) + 3).to(torch::kFloat32);
    const auto found = vocabulary.directions().to(torch::kFloat64);
    const auto wide = vocabulary.embeddings.to(torch::kFloat64);
    EXPECT_CLOSE(found, plain_unit(wide - wide.mean(0, true)), 1e-5);
    EXPECT_CLOSE(found.square().sum(1), torch::ones({words}, torch::kFloat64), 1e-5);
  }
}

TEST(Vocabulary, TheMeanItselfHasNoDirection) {
  Vocabulary vocabulary;
  vocabulary.embeddings = torch::tensor({{0.5f, 1.0f}, {0.5f, -1.0f}, {0.5f, 0.0f}});
  EXPECT_TRUE(
      torch::equal(vocabulary.directions(), torch::tensor({{0.0f, 1.0f}, {0.0f, -1.0f}, {0.0f, 0.0f}})));
}

}  // namespace
}  // namespace msae::concepts
