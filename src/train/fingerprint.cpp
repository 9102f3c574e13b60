#include "train/fingerprint.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <span>
#include <sstream>
#include <vector>

#include "msae/data/batch_loader.h"
#include "train/product_library.h"

namespace msae::train {
namespace {

constexpr const char* between = "; ";
constexpr const char* rows_as = "rows as";
constexpr const char* pool_rows = "rows shuffled together";

class Words {
 public:
  Words() { text_.precision(17); }

  template <typename Value>
  Words& add(const char* key, const Value& value) {
    text_ << (empty_ ? "" : between) << key << '=' << value;
    empty_ = false;
    return *this;
  }

  template <typename Number>
  Words& add(const char* key, const std::vector<Number>& values) {
    add(key, "");
    for (const auto value : values) text_ << value << ' ';
    return *this;
  }

  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  bool empty_ = true;
};

void add_activation(Words& words, const models::Activation& activation) {
  words.add("model", models::kind(activation));
  if (const auto* topk = std::get_if<models::TopK>(&activation)) words.add("k", topk->k);
  if (const auto* batch = std::get_if<models::BatchTopK>(&activation)) words.add("k", batch->k);
  if (const auto* nested = std::get_if<models::Matryoshka>(&activation)) {
    words.add("levels", nested->levels).add("weights", nested->weights).add("over batches", nested->batch);
  }
  if (const auto* jump = std::get_if<models::JumpRelu>(&activation)) {
    words.add("threshold", jump->threshold).add("bandwidth", jump->bandwidth);
  }
  if (const auto* nested = std::get_if<models::PrefixMatryoshka>(&activation)) {
    words.add("k", nested->k).add("sizes", nested->sizes).add("weights", nested->weights);
  }
}

// FNV-1a over the bytes of rows from the first to the last, evenly spread: tells other data of the same
// shape, as one of many files that was made anew, without reading it all.
std::uint64_t digest(data::EmbeddingSource& data) {
  std::vector<float> row(static_cast<std::size_t>(data.dim()));
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto count = std::min<std::int64_t>(data.rows(), 64);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = i + 1 == count ? data.rows() - 1 : data.rows() / count * i;
    data.read_unchecked(index, 1, row);  // bad rows are told of as all are read, the first one first
    for (const auto byte : std::as_bytes(std::span(row))) {
      hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
    }
  }
  return hash;
}

std::map<std::string, std::string> parsed(const std::string& text) {
  std::map<std::string, std::string> values;
  const std::string separator = between;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    const auto word = text.substr(at, end - at);
    const auto equals = std::min(word.find('='), word.size());
    values[word.substr(0, equals)] = equals < word.size() ? word.substr(equals + 1) : "";
    at = end + separator.size();
  }
  return values;
}

}  // namespace

std::string fingerprint(const models::SparseAutoencoder& model, const TrainOptions& o,
                        data::EmbeddingSource& data, std::int64_t steps) {
  const auto& m = model.options();
  Words words;
  add_activation(words, m.activation);
  words.add("dim", m.dim).add("latents", m.latents).add("initial seed", m.seed);
  words.add("decoder norm", m.decoder_norm).add("encoder norm", m.encoder_norm);
  words.add("tied", m.tied).add("normalise rows", m.normalise_rows).add("soft cap", m.soft_cap);
  words.add("ranking", static_cast<int>(m.ranking));
  if (!data.treatment().empty()) words.add("view of the data", data.treatment());
  words.add("rows", data.rows())
      .add("data", digest(data))
      .add("batch size", o.batch_size.value())
      .add("steps", steps)
      .add("seed", o.seed);
  words.add("lr", o.learning_rate.value())
      .add("schedule", static_cast<int>(o.schedule))
      .add("warmup", o.warmup);
  words.add("decay", o.decay).add("schedule by epoch", o.schedule_by_epoch);
  words.add("loss", static_cast<int>(o.loss)).add("l1", o.l1).add("weigh short batch", o.weigh_short_batch);
  words.add("l1 by norm", o.l1_by_norm)
      .add("l0", o.l0)
      .add("auxk", o.auxk)
      .add("auxk latents", o.auxk_latents);
  words.add("resample every", o.resample_every).add("median bias", o.median_bias);
  words.add("beta1", o.beta1)
      .add("beta2", o.beta2.value())
      .add("epsilon", o.epsilon)
      .add("weight decay", o.weight_decay.value());
  words.add("clip", o.clip).add("unit norm", static_cast<int>(o.unit_norm));
  words.add("published order", o.published_order).add("scaling", static_cast<int>(o.scaling));
  words.add("dead after", o.dead_after);
  // Which engine an automatic choice comes to follows from the rest.
  words.add("engine", static_cast<int>(o.engine)).add("products", products_name(o.fused));
  words.add("precision", static_cast<int>(o.fused.precision)).add("dense decode", o.fused.dense_decode);
  words.add("dense decoder gradient", o.fused.dense_decoder_gradient);
  words.add("dense encoder gradient", o.fused.dense_encoder_gradient);
  // Newer than saved states that are without it.
  if (o.fused.dense_level != FusedOptions().dense_level) words.add("dense level", o.fused.dense_level);
  return words.text();
}

std::string with_rounded_rows(const std::string& fingerprint) {
  return fingerprint + between + rows_as + "=float16";
}

bool has_rounded_rows(const std::string& fingerprint) {
  return !value_in(fingerprint, rows_as).empty();
}

std::string with_pool(const std::string& fingerprint, std::int64_t rows, std::int64_t piece) {
  return fingerprint + between + pool_rows + "=" + std::to_string(rows) + between +
         "rows read together=" + std::to_string(piece);
}

std::int64_t shuffle_rows_in(const std::string& fingerprint) {
  const auto rows = std::strtoll(value_in(fingerprint, pool_rows).c_str(), nullptr, 10);
  return rows > 0 ? rows : data::all_rows;
}

std::string value_in(const std::string& fingerprint, const std::string& key) {
  const auto values = parsed(fingerprint);
  const auto found = values.find(key);
  return found == values.end() ? "" : found->second;
}

std::string differences(const std::string& before, const std::string& now) {
  const auto old_values = parsed(before);
  auto new_values = parsed(now);
  std::string text;
  const auto tell = [&](const std::string& key, const std::string& was, const std::string& is) {
    text += (text.empty() ? "" : ", ") + key + " was " + (was.empty() ? "unset" : was) + " and is " +
            (is.empty() ? "unset" : is) + " now";
  };
  for (const auto& [key, was] : old_values) {
    if (new_values[key] != was) tell(key, was, new_values[key]);
    new_values.erase(key);
  }
  for (const auto& [key, is] : new_values) tell(key, "", is);
  return text;
}

}  // namespace msae::train
