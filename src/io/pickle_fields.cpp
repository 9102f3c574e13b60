#include <utility>

#include "io/pickle_calls.h"
#include "io/pickle_reader.h"
#include "msae/core/error.h"

namespace msae::io::pickle {

Fields::Fields(const Value& value, std::string file, std::string prefix)
    : dict_(std::get_if<Dict>(&value.is)), file_(std::move(file)), prefix_(std::move(prefix)) {
  if (dict_) return;
  throw IoError(file_ + ": " + (prefix_.empty() ? "it" : prefix_.substr(0, prefix_.size() - 1)) +
                " must be a dict, not " + kind(value));
}

// The last one of a name counts, as in Python.
Reference Fields::find(const std::string& key) const {
  for (auto item = dict_->items.rbegin(); item != dict_->items.rend(); ++item) {
    const auto* name = std::get_if<std::string>(&item->first->is);
    if (name && *name == key) return item->second;
  }
  return nullptr;
}

const Value& Fields::at(const std::string& key) const {
  if (const auto* found = find(key)) return *found;
  throw IoError(file_ + ": " + prefix_ + key + " is missing; it holds " + names());
}

void Fields::refuse_kind(const std::string& key, const char* wanted) const {
  throw IoError(file_ + ": " + prefix_ + key + " must be " + wanted + ", not " + kind(at(key)));
}

Fields Fields::dict(const std::string& key) const {
  return {at(key), file_, prefix_ + key + "."};
}

const TensorView& Fields::tensor(const std::string& key) const {
  const auto* found = std::get_if<TensorView>(&at(key).is);
  if (!found) refuse_kind(key, "a tensor");
  return *found;
}

double Fields::number(const std::string& key) const {
  const auto& found = at(key).is;
  if (const auto* real = std::get_if<double>(&found)) return *real;
  if (const auto* whole = std::get_if<std::int64_t>(&found)) return static_cast<double>(*whole);
  refuse_kind(key, "a number");
}

std::string Fields::names() const {
  std::string text;
  for (const auto& [key, value] : dict_->items) {
    const auto* name = std::get_if<std::string>(&key->is);
    if (!name) continue;
    if (text.size() > 200) return text + ", ...";
    text += (text.empty() ? "" : ", ") + named(*name);
  }
  return text.empty() ? "nothing that has a name" : text;
}

}  // namespace msae::io::pickle
