// What load() says about .pth files that are damaged, or no checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "io/pickle_writer.h"
#include "io/random_model.h"
#include "io/tensor_file.h"
#include "io/zip_writer.h"
#include "msae/core/error.h"
#include "msae/core/log.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"
#include "support/error_of.h"
#include "support/files.h"
#include "support/temp_dir.h"

namespace msae::io {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::overwrite;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto good_name = "6_4_TopKReLU_2_False_False_0.0_toy.pth";

/// A checkpoint of 4 dimensions and 6 latents, made tensor by tensor, for a test to make wrong.
class BadReference : public ::testing::Test {
 protected:
  struct Part {
    torch::Tensor values;
    std::string dtype = "F32";
  };

  BadReference() {
    for (const auto& [name, shape] : std::map<std::string, std::vector<std::int64_t>>{{"encoder", {4, 6}},
                                                                                      {"decoder", {6, 4}},
                                                                                      {"latent_bias", {6}},
                                                                                      {"pre_bias", {4}},
                                                                                      {"mean_center", {4}}}) {
      parts_[name] = {torch::ones(shape)};
    }
  }

  void add(pickle::Writer& pickle, const std::string& name) {
    const auto found = parts_.find(name);
    if (found == parts_.end()) return;
    const auto& [values, dtype] = found->second;
    pickle.text(name);
    pickle.tensor({{dtype, name, values.numel()}, 0, values.sizes().vec(), values.strides().vec()});
  }

  void write(const fs::path& path) {
    pickle::Writer pickle;
    pickle.begin_dict();
    pickle.text("model");
    pickle.begin_ordered_dict();
    for (const auto* name : {"encoder", "decoder", "latent_bias", "pre_bias"}) add(pickle, name);
    pickle.end_dict();
    add(pickle, "mean_center");
    if (scale_) {
      pickle.text("scaling_factor");
      pickle.real(*scale_);
    }
    pickle.end_dict();
    files::AtomicFile file(path);
    ZipWriter zip(file);
    zip.add(pickle_name_, pickle.finish());
    if (!byte_order_.empty()) zip.add("archive/byteorder", byte_order_);
    for (const auto& [name, part] : parts_) {
      if (name != left_out_) zip.add("archive/data/" + name, bytes_of(part.values));
    }
    zip.finish();
    file.commit();
  }

  std::string error(const std::string& name = good_name) {
    write(folder_ / name);
    return error_of<IoError>([&] { load(folder_ / name); });
  }

  std::string error_of_bytes(const std::string& bytes) {
    overwrite(folder_ / good_name, bytes);
    return error_of<IoError>([&] { load(folder_ / good_name); });
  }

  test::TempDir folder_;
  std::map<std::string, Part> parts_;
  std::optional<double> scale_ = 2;
  std::string pickle_name_ = "archive/data.pkl", byte_order_ = "little", left_out_;
};

TEST_F(BadReference, IsGoodAtFirst) {
  EXPECT_EQ(error(), "no error");
  scale_ = 1;
  byte_order_ = "";  // as PyTorch before 2.1
  EXPECT_EQ(error(), "no error");
}

TEST_F(BadReference, ItsNameTellsNothing) {
  EXPECT_THAT(error("model.pth"), AllOf(HasSubstr("model.pth: its name does not tell the model"),
                                        HasSubstr("--as TopKReLU_64_UW")));
  EXPECT_THAT(error("toy_ViT-B~32_train_image_96_32.pth"), HasSubstr("its name does not tell the model"));
  const auto model = load_reference(folder_ / "model.pth", "TopKReLU_3");
  EXPECT_EQ(std::get<models::TopK>(model->activation()).k, 3);
  EXPECT_THROW(load_reference(folder_ / "model.pth", "TopKReLU"), std::invalid_argument);
}

TEST_F(BadReference, KeysAreMissing) {
  const auto all = parts_;
  for (const auto& [name, part] : all) {
    parts_ = all;
    parts_.erase(name);
    EXPECT_THAT(error(), HasSubstr(name + " is missing"));
  }
  parts_ = all;
  scale_.reset();
  EXPECT_THAT(error(), HasSubstr("scaling_factor is missing; it holds model, mean_center"));
}

TEST_F(BadReference, ShapesAreOthers) {
  const auto all = parts_;
  for (const auto& [name, part] : all) {
    if (name == "encoder") continue;
    parts_ = all;
    parts_[name].values = torch::ones({3, 7});
    EXPECT_THAT(error(), HasSubstr("tensor " + name + " has the shape [3, 7], expected ["));
  }
  parts_ = all;
  parts_["encoder"].values = torch::ones({6, 4});  // transposed
  EXPECT_THAT(error(), HasSubstr("its name tells of 6 latents, but its encoder has 4"));
  parts_["encoder"].values = torch::ones({24});
  EXPECT_THAT(error(), HasSubstr("tensor encoder has the shape [24], expected [dim, latents]"));
}

TEST_F(BadReference, NumbersAreNotFinite) {
  const auto all = parts_;
  for (const auto& [name, part] : all) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      parts_[name].values = torch::full_like(part.values, bad);
      EXPECT_THAT(error(), HasSubstr("tensor " + name + " holds NaN, infinite or too large values"));
    }
    parts_ = all;
  }
  for (const double bad : {0.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    scale_ = bad;
    EXPECT_THAT(error(), HasSubstr("scaling_factor must be positive"));
  }
  for (const double bad : {1e300, 1e-300}) {
    scale_ = bad;
    EXPECT_THAT(error(), HasSubstr("scaling_factor does not fit the weights' precision"));
  }
}

TEST_F(BadReference, ElementsAreOfAnotherType) {
  parts_["decoder"] = {torch::ones({6, 4}, torch::kInt64), "I64"};
  EXPECT_THAT(error(), HasSubstr("tensor decoder is I64, expected F32, F64, F16 or BF16"));
  parts_["decoder"] = {torch::ones({6, 4}, torch::kFloat16), "F16"};
  EXPECT_EQ(error(), "no error");
  parts_["decoder"] = {torch::ones({6, 4}, torch::kFloat32), "F64"};
  EXPECT_THAT(error(), HasSubstr("is 96 bytes long, but its pickle tells of 24 elements of F64"));
  byte_order_ = "big";
  EXPECT_THAT(error(), HasSubstr("its byte order is big, expected little"));
}

TEST_F(BadReference, PartsOfTheArchiveAreMissing) {
  left_out_ = "decoder";
  EXPECT_THAT(error(), HasSubstr("holds no entry archive/data/decoder"));
  pickle_name_ = "archive/notes.txt";
  EXPECT_THAT(error(), HasSubstr("is a zip archive, but not one of torch.save, as it holds no data.pkl"));
}

TEST_F(BadReference, FilesAreOfAnotherKind) {
  EXPECT_THAT(error_of_bytes(""), HasSubstr("toy.pth: is empty"));
  EXPECT_THAT(error_of_bytes("no checkpoint"), HasSubstr("is no zip archive, as torch.save writes"));
  EXPECT_THAT(error_of_bytes(std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15)),
              HasSubstr("is in PyTorch's format from before version 1.6"));
  EXPECT_THAT(error_of<IoError>([&] { load(folder_ / "none.pth"); }),
              HasSubstr("none.pth: cannot be opened: No such file"));
  fs::create_directory(folder_ / "folder.pth");
  EXPECT_THAT(error_of<IoError>([&] { load(folder_ / "folder.pth"); }), HasSubstr("is not a model folder"));
}

TEST_F(BadReference, FilesCutAnywhereAreRefused) {
  write(folder_ / good_name);
  const auto whole = files::read_text(folder_ / good_name, 1 << 20);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_THAT(error_of_bytes(whole.substr(0, size)), AllOf(HasSubstr(good_name), Not(HasSubstr("\n"))))
        << size;
  }
}

TEST(PublishedFiles, CutAtEvery97thByteAreRefused) {
  const test::TempDir folder;
  const std::string name = "64_32_TopKReLU_8_False_False_0.0_toy_ViT-B~32_train_image_96_32.pth";
  const auto whole = files::read_text(fs::path(MSAE_TEST_DATA) / "reference_files" / name, 1 << 20);
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    overwrite(folder / name, whole.substr(0, size));
    EXPECT_THROW(load(folder / name), IoError) << size;
  }
}

TEST(PublishedFiles, DamagedAtRandomAreRefusedOrReadButNeverCrash) {
  const test::TempDir folder;
  const std::string name = "64_32_TopKReLU_8_False_False_0.0_toy_ViT-B~32_train_image_96_32.pth";
  const auto whole = files::read_text(fs::path(MSAE_TEST_DATA) / "reference_files" / name, 1 << 20);
  std::mt19937_64 random(4);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    auto damaged = whole;
    const auto from = round % 2 ? 0 : whole.size() - 1500;  // the pickle, or the directory
    damaged[from + random() % 1500] ^= static_cast<char>(1u << (random() % 8));
    overwrite(folder / name, damaged);
    try {
      load(folder / name);
    } catch (const IoError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace msae::io
