#include "cli/point_options.h"

#include <algorithm>
#include <ostream>
#include <stdexcept>

#include "cli/numbers.h"

namespace msae::cli {

using models::Coding;
using models::OperatingPoint;

namespace {

const std::vector<std::string> known_codes{"encoder", "refit", "pursuit"};

constexpr const char* about_codes =
    "Who finds latents and their values: the encoder; least squares, for the values of the\n"
    "encoder's latents (refit); or a pursuit, which also chooses latents, one by one. Slower\n"
    "by far, and closer to the rows";

void add_candidates(CLI::App& command, CodingArguments& a) {
  add_whole(command, "--candidates", a.candidates,
            "Latents of each row that --codes pursuit chooses among, those that the encoder ranks\n"
            "best: faster, and hardly worse with some times k of them [all]");
}

}  // namespace

void add_point(CLI::App& command, PointArguments& arguments) {
  auto& a = arguments;
  auto* k = add_whole(command, "--k", a.k, "Keep the k largest positive latents [as trained]");
  auto* level =
      add_whole(command, "--level", a.level, "Keep those of a matryoshka level or prefix, counted from 1")
          ->excludes(k);
  command.add_flag("--all", a.all, "Keep every positive latent")->excludes(k)->excludes(level);
}

OperatingPoint point_of(const PointArguments& a, const models::SparseAutoencoder& model,
                        const std::string& name) {
  if (a.all) return OperatingPoint::all();
  if (a.k) return OperatingPoint::top(*a.k);
  if (!a.level) return OperatingPoint::trained();
  if (model.level_count() == 1) {
    throw std::invalid_argument("--level: is for models of several levels, and " + name + " is a " +
                                models::kind(model.activation()) + " model");
  }
  if (*a.level < 1 || *a.level > model.level_count()) {
    throw std::invalid_argument("--level: must be from 1 to " + std::to_string(model.level_count()) +
                                " for this model, not " + std::to_string(*a.level));
  }
  return OperatingPoint::level(*a.level - 1);
}

void add_coding(CLI::App& command, CodingArguments& a) {
  command.add_option("--codes", a.codes, about_codes)
      ->check(CLI::IsMember(known_codes))
      ->capture_default_str();
  add_candidates(command, a);
}

void add_codings(CLI::App& command, CodingArguments& a) {
  command
      .add_option("--codes", a.codes,
                  std::string(about_codes) + ". Several are compared, each\nfor every run")
      ->type_name("encoder|refit|pursuit|NAME,NAME,...")
      ->capture_default_str();
  add_candidates(command, a);
}

std::vector<Coding> codings_of(const CodingArguments& a) {
  std::vector<Coding> codings;
  for (const auto& name : CLI::detail::split(a.codes, ',')) {
    if (std::find(known_codes.begin(), known_codes.end(), name) == known_codes.end()) {
      throw std::invalid_argument("--codes: must be encoder, refit or pursuit, not '" + name + "'");
    }
    auto coding = models::coding_named(name);
    const bool again = std::any_of(codings.begin(), codings.end(),
                                   [&](const Coding& other) { return other.kind == coding.kind; });
    if (again) throw std::invalid_argument("--codes: " + name + " is given twice");
    if (coding.kind == Coding::Kind::pursuit) coding.candidates = a.candidates.value_or(0);
    coding.validate();
    codings.push_back(coding);
  }
  const bool pursues = std::any_of(codings.begin(), codings.end(),
                                   [](const Coding& one) { return one.kind == Coding::Kind::pursuit; });
  if (a.candidates && !pursues) {
    throw std::invalid_argument("--candidates: is for --codes pursuit, which alone chooses among latents");
  }
  return codings;
}

Coding coding_of(const CodingArguments& a) {
  return codings_of(a).front();
}

std::string with_coding(const std::string& point, const std::string& codes) {
  return codes == Coding::encoder().name() ? point : point + ", " + codes;
}

void print_codes(std::ostream& out, OperatingPoint point, const Coding& coding) {
  if (coding.kind == Coding::Kind::encoder) return;
  out << "Codes: " << with_coding(point.label(), coding.name()) << "\n\n";
}

}  // namespace msae::cli
