// Embeddings among what torch.save wrote: tests/golden/torch_files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "msae/data/listing.h"
#include "support/embeddings.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::data {
namespace {

using test::read_all;
using test::refusal;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<float> values{1, -2.5, 3, 0.125, 5, -4};

std::string golden(const std::string& name) {
  return std::string(MSAE_TEST_DATA) + "/torch_files/" + name;
}

TEST(TorchFiles, GiveATensor) {
  const auto source = open(golden("tensor.pt"));
  EXPECT_EQ(source->rows(), 3);
  EXPECT_EQ(source->dim(), 2);
  EXPECT_EQ(source->name(), golden("tensor.pt"));
  EXPECT_EQ(read_all(*source), values);
}

TEST(TorchFiles, GiveTensorsOfADictByTheirNames) {
  EXPECT_EQ(read_all(*open(golden("dict.pt:image"))), values);
  EXPECT_EQ(read_all(*open(golden("dict.pt:/text"))), values);
  EXPECT_THAT(
      refusal(golden("dict.pt")),
      HasSubstr("holds several tensors of embeddings: image [3, 2] bfloat16, text [3, 2] float64; name one"));
  EXPECT_THAT(refusal(golden("dict.pt:label")), HasSubstr(":label is not two-dimensional but [3]"));
  EXPECT_THAT(refusal(golden("dict.pt:note")),
              HasSubstr("no tensor note; the file holds image [3, 2] bfloat16"));
  EXPECT_EQ(list(golden("dict.pt")).size(), 3u);
}

TEST(TorchFiles, GiveRowsFromTheMiddleOfAStorage) {
  EXPECT_EQ(read_all(*open(golden("view.pt"))), values);
}

TEST(TorchFiles, RefuseWhatDoesNotLieInRows) {
  EXPECT_THAT(refusal(golden("transposed.pt")),
              AllOf(HasSubstr("its rows do not lie one after the other"), HasSubstr("tensor.contiguous()")));
  EXPECT_THAT(refusal(golden("nested.pt")),
              HasSubstr("holds no two-dimensional floating-point tensor; it holds no"));
}

TEST(TorchFiles, AreRefusedWhereverTheyAreCut) {
  const test::TempDir folder;
  std::ifstream in(golden("tensor.pt"), std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const auto path = (folder / "a.pt").string();
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    test::overwrite(path, whole.substr(0, length));
    EXPECT_THAT(refusal(path), HasSubstr("a.pt")) << length;
  }
}

}  // namespace
}  // namespace msae::data
