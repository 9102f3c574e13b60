// `msae convert`: a model of one program in the files of another.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"
#include "core/printable.h"
#include "io/model_folder_parts.h"
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

fs::path write_folder(const ConvertArguments& a, const SparseAutoencoder& model) {
  fs::path out(a.out);
  for (const auto* name : {io::config_name, io::weights_name}) check_out(a, out / name);
  io::save(model, out);
  return out;
}

fs::path write_reference(const ConvertArguments& a, const SparseAutoencoder& model) {
  auto file = reference_file(a, model);
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
  check_out(a, a.out);
  io::save_safetensors(model, a.out);
  return a.out;
}

fs::path write(const ConvertArguments& a, const SparseAutoencoder& model) {
  if (a.to == "sae-lens") return write_folder(a, model);
  if (a.to == "reference") return write_reference(a, model);
  return write_safetensors(a, model);
}

void run(const ConvertArguments& a) {
  apply(a.common);
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
  command.add_option("IN", a.in, "Folder of a run or of SAELens, or a .pth file of the published code")
      ->type_name("")
      ->required();
  command.add_option("OUT", a.out, "Folder or file to write")->type_name("")->required();
  command
      .add_option("--to", a.to,
                  "sae-lens: a folder that SAELens opens, and msae; reference: a .pth file of the published\n"
                  "code; safetensors: one file of the model's own tensors")
      ->type_name("NAME")
      ->check(CLI::IsMember({"sae-lens", "reference", "safetensors"}))
      ->required();
  command
      .add_option("--as", a.as,
                  "What a .pth file is whose name does not tell: ReLU, TopKReLU_64, BatchTopKReLU_32, or\n"
                  "TopKReLU_64_UW (matryoshka from 64 on; _RW: reverse weights) [as its name tells]")
      ->type_name("KIND");
  command.add_flag("--force", a.force, "Replace an existing model");
  add_common(command, a.common);
  command.footer(
      "reference: where OUT is a folder, the file gets the name from which the published code knows the "
      "model.\n"
      "It and safetensors hold the weights bit for bit; sae-lens has mean and scale folded in: equal to "
      "rounding.\n"
      "Examples:\n"
      "  msae convert 4096_512_TopKReLU_64_UW_False_False_0.0_cc3m.pth run --to sae-lens\n"
      "  msae convert model.pth run --to sae-lens --as TopKReLU_64_UW\n"
      "  msae convert run . --to reference");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
