// `msae convert`: a model of one program in the files of another.
#include <filesystem>
#include <initializer_list>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/point_options.h"
#include "cli/table.h"
#include "core/printable.h"
#include "io/model_format.h"
#include "io/reference_name.h"
#include "msae/core/error.h"
#include "msae/io/exchange.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

namespace fs = std::filesystem;
using models::SparseAutoencoder;

struct ConvertArguments {
  Common common;
  std::string in, out, to, as;
  PointArguments point;
  bool force = false;
};

std::shared_ptr<SparseAutoencoder> load(const ConvertArguments& a) {
  if (a.as.empty()) return io::load(a.in);
  std::error_code ignored;
  if (fs::is_directory(a.in, ignored)) {
    throw std::invalid_argument("as: is for a .pth file, and " + a.in + " is a folder, which tells itself");
  }
  return io::load_reference(a.in, a.as);
}

// A folder takes the name that tells the model.
fs::path reference_file(const ConvertArguments& a, const SparseAutoencoder& model) {
  std::error_code ignored;
  const fs::path out(a.out);
  return out.has_filename() && !fs::is_directory(out, ignored) ? out : out / io::reference_name(model);
}

void check_out(const ConvertArguments& a, const fs::path& file) {
  refuse_shared_files({{"OUT", file.string(), {}}, json_target(a.common)}, {a.in});
  refuse_to_replace(file, a.force);
}

using SaveModel = void (*)(const SparseAutoencoder&, const fs::path&);

fs::path write_folder(const ConvertArguments& a, const SparseAutoencoder& model,
                      std::initializer_list<const char*> names, SaveModel save) {
  fs::path out(a.out);
  for (const auto* name : names) check_out(a, out / name);
  save(model, out);
  return out;
}

// Files are known again by the ends of their names.
void require_ending(const fs::path& file, std::initializer_list<const char*> endings) {
  for (const auto* ending : endings) {
    if (file.extension() == ending) return;
  }
  throw std::invalid_argument("OUT: the name of this file must end in " + std::string(*endings.begin()) +
                              ", unlike " + file.string());
}

fs::path write_reference(const ConvertArguments& a, const SparseAutoencoder& model) {
  auto file = reference_file(a, model);
  require_ending(file, {".pth", ".pt"});
  check_out(a, file);
  io::save_reference(model, file);
  const auto name = io::reference_name(model);
  if (!io::name_of_file(file)) {
    say(a.common, "msae: " + printable(file.string()) + " needs a name like " + name +
                      " for the published code to open it, or --as here");
  }
  return file;
}

fs::path write_safetensors(const ConvertArguments& a, const SparseAutoencoder& model) {
  require_ending(a.out, {".safetensors"});
  check_out(a, a.out);
  io::save_safetensors(model, a.out);
  return a.out;
}

fs::path write_onnx(const ConvertArguments& a, const SparseAutoencoder& model) {
  check_out(a, a.out);
  io::save_onnx(model, a.out, point_of(a.point, model, a.in));
  return a.out;
}

fs::path write(const ConvertArguments& a, const SparseAutoencoder& model) {
  if (a.to == "sae-lens") return write_folder(a, model, {io::config_name, io::weights_name}, io::save);
  if (a.to == "sparsify") {
    return write_folder(a, model, {io::config_name, io::sparsify_weights_name}, io::save_sparsify);
  }
  if (a.to == "dictionary-learning") {
    return write_folder(a, model, {io::dictionary_config_name, io::dictionary_weights_name},
                        io::save_dictionary_learning);
  }
  if (a.to == "reference") return write_reference(a, model);
  return a.to == "onnx" ? write_onnx(a, model) : write_safetensors(a, model);
}

void check_point(const ConvertArguments& a) {
  if (a.to == "onnx" || !a.point.any()) return;
  throw std::invalid_argument("to: --k, --level and --all are for onnx; " + a.to +
                              " holds the model as it was trained");
}

void run(const ConvertArguments& a) {
  apply(a.common);
  check_point(a);
  const auto model = load(a);
  const auto written = write(a, *model).string();
  const auto kind = models::kind(model->activation());
  if (shows_table(a.common)) {
    Table table({"file", "format", "model", "dim", "latents"});
    table.add({written, a.to, kind, std::to_string(model->dim()), std::to_string(model->latents())});
    table.print(std::cout);
  }
  write_json(a.common, {{"file", written},
                        {"format", a.to},
                        {"from", a.in},
                        {"model", kind},
                        {"dim", model->dim()},
                        {"latents", model->latents()}});
}

}  // namespace

void add_convert(CLI::App& program) {
  auto& command = *program.add_subcommand("convert", "Write a model in the files of another program");
  auto arguments = std::make_shared<ConvertArguments>();
  auto& a = *arguments;
  command
      .add_option(
          "IN", a.in,
          "Folder of a run, of SAELens, sparsify or dictionary_learning, a .pth file of the published code,\n"
          "or a .safetensors file of msae")
      ->type_name("")
      ->required();
  command.add_option("OUT", a.out, "Folder or file to write")->type_name("")->required();
  command
      .add_option("--to", a.to,
                  "sae-lens, sparsify, dictionary-learning: a folder that the package of that name opens;\n"
                  "reference: a .pth file of the published code; safetensors: one file of the model's own\n"
                  "tensors; onnx: the encoder, for ONNX runtimes. msae reads all but onnx")
      ->type_name("NAME")
      ->check(
          CLI::IsMember({"sae-lens", "sparsify", "dictionary-learning", "reference", "safetensors", "onnx"}))
      ->required();
  command
      .add_option("--as", a.as,
                  "What a .pth file is whose name does not tell: ReLU, TopKReLU_64, BatchTopKReLU_32, or\n"
                  "TopKReLU_64_UW (matryoshka from 64 on; _RW: reverse weights) [as its name tells]")
      ->type_name("KIND");
  add_point(command, a.point);
  command.add_flag("--force", a.force, "Replace an existing model");
  add_common(command, a.common);
  command.footer(
      "reference: where OUT is a folder, the file gets the name from which the published code knows the "
      "model.\n"
      "It and safetensors hold the weights bit for bit; all others have mean and scale folded in: equal to "
      "rounding.\n"
      "What a format has no place for is said: a refusal where it would compute something else, else a "
      "warning.\n"
      "--k, --level and --all are for onnx, whose graph has one of these points.\n"
      "Examples:\n"
      "  msae convert 4096_512_TopKReLU_64_UW_False_False_0.0_cc3m.pth run --to sae-lens\n"
      "  msae convert model.pth run --to sae-lens --as TopKReLU_64_UW\n"
      "  msae convert run . --to reference\n"
      "  msae convert run encoder.onnx --to onnx --k 32");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
