/// \file
/// An ONNX file as the runtimes see it: the protocol buffer taken apart, and each operator computed by
/// LibTorch.
#pragma once

#include <torch/types.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace msae::test {

/// A message's fields by number: integers and floats as their bits, all else as bytes.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string_view bytes) : rest_(bytes) {
    while (!rest_.empty()) {
      const auto key = varint();
      const auto field = static_cast<unsigned>(key >> 3);
      if ((key & 7) == 0) {
        integers_[field].push_back(static_cast<std::int64_t>(varint()));
      } else if ((key & 7) == 5) {
        float value = 0;
        std::memcpy(&value, take(4).data(), 4);
        reals_[field].push_back(value);
      } else if ((key & 7) == 2) {
        texts_[field].emplace_back(take(varint()));
      } else {
        throw std::runtime_error("no such wire type");
      }
    }
  }
  std::vector<std::string> texts(unsigned field) const { return of(texts_, field); }
  std::string text(unsigned field) const { return texts(field).at(0); }
  std::vector<std::int64_t> integers(unsigned field) const { return of(integers_, field); }
  std::int64_t integer(unsigned field) const { return integers(field).at(0); }
  ProtobufFields message(unsigned field) const { return ProtobufFields(text_at(field)); }

 private:
  template <class Map>
  static typename Map::mapped_type of(const Map& map, unsigned field) {
    const auto found = map.find(field);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
  }
  const std::string& text_at(unsigned field) const { return texts_.at(field).at(0); }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) throw std::runtime_error("a message is cut short");
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  std::map<unsigned, std::vector<std::int64_t>> integers_;
  std::map<unsigned, std::vector<float>> reals_;
  std::map<unsigned, std::vector<std::string>> texts_;
};

class OnnxModel {
 public:
  explicit OnnxModel(const std::string& bytes) : model_(bytes), graph_(model_.text(7)) {
    for (const auto& constant : graph_.texts(5)) {
      const ProtobufFields fields(constant);
      auto raw = fields.text(9);
      const auto type = fields.integer(2) == 1 ? torch::kFloat32 : torch::kInt64;
      values_[fields.text(8)] = torch::from_blob(raw.data(), fields.integers(1), type).clone();
    }
  }

  std::int64_t ir_version() const { return model_.integer(1); }
  std::int64_t operator_set() const { return model_.message(8).integer(2); }
  std::map<std::string, std::string> metadata() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : model_.texts(14))
      all[ProtobufFields(entry).text(1)] = ProtobufFields(entry).text(2);
    return all;
  }
  std::vector<std::string> operators() const {
    std::vector<std::string> types;
    for (const auto& node : graph_.texts(1)) types.push_back(ProtobufFields(node).text(4));
    return types;
  }
  /// Of the graph's only input (11) or output (12): its name, type of elements, and sizes, 0 for any number.
  std::string signature(unsigned field) const {
    const ProtobufFields value(graph_.texts(field).at(0));
    const auto tensor = value.message(2).message(1);
    std::string text = value.text(1) + " " + std::to_string(tensor.integer(1));
    for (const auto& size : tensor.message(2).texts(1)) {
      const ProtobufFields fields(size);
      text += " " + (fields.texts(2).empty() ? std::to_string(fields.integer(1)) : fields.text(2));
    }
    return text;
  }

  /// [rows, latents] of [rows, dim], both float32.
  torch::Tensor run(const torch::Tensor& embeddings) {
    values_["embeddings"] = embeddings;
    for (const auto& node : graph_.texts(1)) compute(ProtobufFields(node));
    return values_.at("latents");
  }

 private:
  void compute(const ProtobufFields& node) {
    const auto inputs = node.texts(1), outputs = node.texts(2);
    const auto in = [&](std::size_t i) { return values_.at(inputs.at(i)); };
    if (node.text(4) != "TopK") {
      values_[outputs.at(0)] = result(node.text(4), in);
      return;
    }
    // Equal values in the order of their indices, as the operator is defined.
    const auto k = in(1).item<std::int64_t>();
    const auto [sorted, indices] = torch::sort(in(0), /*stable=*/true, /*dim=*/1, /*descending=*/true);
    values_[outputs.at(0)] = sorted.narrow(1, 0, k);
    values_[outputs.at(1)] = indices.narrow(1, 0, k);
  }

  template <class Inputs>
  torch::Tensor result(const std::string& type, const Inputs& in) {
    if (type == "Sub") return in(0) - in(1);
    if (type == "Add") return in(0) + in(1);
    if (type == "Mul") return in(0) * in(1);
    if (type == "Div") return in(0) / in(1);
    if (type == "Gemm") return torch::addmm(in(2), in(0), in(1).t());
    if (type == "Relu") return in(0).relu();
    if (type == "Abs") return in(0).abs();
    if (type == "Tanh") return in(0).tanh();
    if (type == "Sqrt") return in(0).sqrt();
    if (type == "Identity") return in(0);
    if (type == "ReduceMean") return in(0).mean(1, /*keepdim=*/true);
    if (type == "Greater") return in(0) > in(1);
    if (type == "Where") return torch::where(in(0), in(1), in(2));
    if (type == "Shape") return torch::tensor(in(0).sizes(), torch::kInt64);
    if (type == "GatherElements") return in(0).gather(1, in(1));
    if (type == "ScatterElements") return in(0).scatter(1, in(1), in(2));
    if (type == "ConstantOfShape") {
      return torch::zeros({in(0)[0].template item<std::int64_t>(), in(0)[1].template item<std::int64_t>()});
    }
    throw std::runtime_error("no operator " + type);
  }

  ProtobufFields model_, graph_;
  std::map<std::string, torch::Tensor> values_;
};

}  // namespace msae::test
