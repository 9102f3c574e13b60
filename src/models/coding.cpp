#include "msae/models/coding.h"

#include <charconv>
#include <stdexcept>

namespace msae::models {
namespace {

constexpr const char* of_candidates = "pursuit among ";

}  // namespace

std::string Coding::name() const {
  if (kind == Kind::encoder) return "encoder";
  if (kind == Kind::refit) return "refit";
  return candidates == 0 ? "pursuit" : of_candidates + std::to_string(candidates);
}

void Coding::validate() const {
  if (candidates < 0) {
    throw std::invalid_argument("candidates: must not be negative, and is " + std::to_string(candidates));
  }
  if (candidates > 0 && kind != Kind::pursuit) {
    throw std::invalid_argument("candidates: are for pursuit, which alone chooses among latents, not for " +
                                Coding{kind, 0}.name());
  }
}

Coding coding_named(const std::string& name) {
  for (const auto& coding : {Coding::encoder(), Coding::refit(), Coding::pursuit()}) {
    if (coding.name() == name) return coding;
  }
  if (name.rfind(of_candidates, 0) == 0) {
    const auto number = name.substr(std::string(of_candidates).size());
    auto coding = Coding::pursuit();
    std::from_chars(number.data(), number.data() + number.size(), coding.candidates);
    if (coding.candidates > 0 && coding.name() == name) return coding;
  }
  throw std::invalid_argument("codes: must be encoder, refit or pursuit, not " + name);
}

}  // namespace msae::models
