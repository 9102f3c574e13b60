// Published numbers: reading them, and holding ours against them.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/hdf5_file.h"

namespace msae::test {

/// A file of published numbers: tensors, and attributes of their groups.
class Golden {
 public:
  explicit Golden(const std::string& path)
      : file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose) {
    if (!file_) throw std::runtime_error(path + ": cannot be read");
  }

  /// The file of that name in MSAE_GOLDEN, or without it the part of it that is kept with the tests.
  static Golden open(const std::string& name) {
    const char* all = std::getenv("MSAE_GOLDEN");
    return Golden((all != nullptr ? std::string(all) : std::string(MSAE_TEST_DATA)) + "/" + name);
  }

  bool has(const std::string& path) const {
    // HDF5 finds nothing in a group that is not there itself.
    for (auto end = path.find('/');; end = path.find('/', end + 1)) {
      if (H5Lexists(file_.get(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
      if (end == std::string::npos) return true;
    }
  }

  /// What a group holds, in name order.
  std::vector<std::string> names(const std::string& group) const {
    H5G_info_t info{};
    H5Gget_info_by_name(file_.get(), group.c_str(), &info, H5P_DEFAULT);
    std::vector<std::string> result;
    for (hsize_t i = 0; i < info.nlinks; ++i) {
      char name[256] = {};
      H5Lget_name_by_idx(file_.get(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name,
                         H5P_DEFAULT);
      result.emplace_back(name);
    }
    return result;
  }

  /// A whole data set of numbers, as float64 in its shape.
  torch::Tensor tensor(const std::string& path) const {
    const Handle set{H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT), H5Dclose};
    if (!set) throw std::runtime_error(path + ": no such data set");
    const Handle space{H5Dget_space(set.get()), H5Sclose};
    std::vector<hsize_t> sizes(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
    H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
    auto result = torch::empty(std::vector<std::int64_t>(sizes.begin(), sizes.end()), torch::kFloat64);
    auto* values = result.mutable_data_ptr<double>();
    if (H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
      throw std::runtime_error(path + ": cannot be read");
    }
    return result;
  }

  std::vector<std::int64_t> integers(const std::string& path) const {
    const auto values = tensor(path).to(torch::kInt64);
    return {values.const_data_ptr<std::int64_t>(), values.const_data_ptr<std::int64_t>() + values.numel()};
  }

  std::vector<double> numbers(const std::string& path) const {
    const auto values = tensor(path);
    return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
  }

  bool has_attribute(const std::string& group, const std::string& name) const {
    return H5Aexists_by_name(file_.get(), group.c_str(), name.c_str(), H5P_DEFAULT) > 0;
  }

  double number(const std::string& group, const std::string& name) const {
    double value = NAN;
    H5Aread(attribute(group, name).get(), H5T_NATIVE_DOUBLE, &value);
    return value;
  }

  std::string text(const std::string& group, const std::string& name) const {
    const auto found = attribute(group, name);
    const Handle type{H5Aget_type(found.get()), H5Tclose};
    char* characters = nullptr;
    H5Aread(found.get(), type.get(), static_cast<void*>(&characters));
    const std::string result = characters != nullptr ? characters : "";
    H5free_memory(characters);
    return result;
  }

 private:
  using Handle = data::hdf5::Handle;

  Handle attribute(const std::string& group, const std::string& name) const {
    Handle found{H5Aopen_by_name(file_.get(), group.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                 H5Aclose};
    if (!found) throw std::runtime_error(group + " has no attribute " + name);
    return found;
  }

  Handle file_;
};

/// A tensor of the fixture of what compares spaces.
inline torch::Tensor comparison(const std::string& path) {
  static const Golden file(MSAE_TEST_DATA "/comparisons.h5");
  return file.tensor(path);
}

/// The largest difference that counts as none: of a tensor's largest absolute value, or as it is.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
  double of(const torch::Tensor& t) const {
    return std::max(absolute, t.numel() == 0 ? 0 : relative * t.abs().max().item<double>());
  }
};

/// Sum, sum of absolute values, l2 norm and the dot product with cos(0), cos(1), ..., in row-major order.
inline torch::Tensor digest(const torch::Tensor& t) {
  const auto x = t.detach().to(torch::kFloat64).reshape(-1);
  const auto index = torch::arange(x.numel(), torch::kFloat64);
  return torch::stack({x.sum(), x.abs().sum(), x.norm(), x.dot(index.cos())});
}

/// Where published numbers are not finite, ours have to be all the same.
inline void expect_close(const torch::Tensor& ours, const torch::Tensor& published, Tolerance tolerance) {
  const auto values = ours.detach().to(torch::kFloat64);
  ASSERT_EQ(values.sizes(), published.sizes());
  EXPECT_TRUE(values.isfinite().all().item<bool>());
  if (published.numel() == 0 || !published.isfinite().all().item<bool>()) return;
  EXPECT_LE((values - published).abs().max().item<double>(), tolerance.of(published));
}

/// Where each entry of a tensor may be off by e, so may be its l2 norm by sqrt(entries) e. The sums could be
/// off by entries e, were all errors of one sign; but they are errors of rounding, whose sum grows as a
/// random walk's, and so they are held to the same. The tolerance is a share of our own largest entry: the
/// published one is not known.
inline void expect_digest(const torch::Tensor& ours, const torch::Tensor& published, Tolerance tolerance) {
  const double root = std::sqrt(static_cast<double>(ours.numel()));
  expect_close(digest(ours), published, {.absolute = root * tolerance.of(ours.detach())});
}

/// A group of tensors that are stored whole, or as a row of its `digest`, or both.
class Numbers {
 public:
  Numbers(const Golden& file, std::string group) : file_(file), group_(std::move(group)) {
    if (!file.has(group_ + "/digest")) return;
    std::istringstream names(file.text(group_ + "/digest", "names"));
    const auto rows = file.tensor(group_ + "/digest");
    std::int64_t row = 0;
    for (std::string name; std::getline(names, name); ++row) digests_[name] = rows[row];
  }

  bool has(const std::string& name) const { return file_.has(group_ + "/" + name) || digests_.count(name); }

  torch::Tensor tensor(const std::string& name) const { return file_.tensor(group_ + "/" + name); }

  void expect(const std::string& name, const torch::Tensor& ours, Tolerance tolerance) const {
    SCOPED_TRACE(group_ + "/" + name);
    ASSERT_TRUE(has(name));
    if (file_.has(group_ + "/" + name)) expect_close(ours, tensor(name), tolerance);
    if (const auto found = digests_.find(name); found != digests_.end()) {
      expect_digest(ours, found->second, tolerance);
    }
  }

 private:
  const Golden& file_;
  std::string group_;
  std::map<std::string, torch::Tensor> digests_;
};

}  // namespace msae::test
