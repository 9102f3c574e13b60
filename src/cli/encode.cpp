#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/numbers.h"
#include "cli/point_options.h"
#include "cli/table.h"
#include "core/atomic_file.h"
#include "data/name.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/data/labels.h"
#include "msae/io/latents.h"
#include "msae/io/model_folder.h"

namespace msae::cli {
namespace {

struct EncodeArguments {
  Common common;
  std::string run, data, out, labels;
  PointArguments point;
  CodingArguments coding;
  bool force = false;
  data::ReadOptions read;
  io::LatentsOptions options;
};

// Before the work whose result would be lost.
void check_out(const EncodeArguments& a) {
  refuse_shared_files({{"--out", a.out, {}}, json_target(a.common)},
                      {a.run, data::split_name(a.data).file, data::split_name(a.labels).file});
  refuse_to_replace(a.out, a.force);
  const files::AtomicFile writable(a.out);
}

std::vector<std::string> labels(const EncodeArguments& a, std::int64_t rows) {
  if (a.labels.empty()) return {};
  auto labels = data::read_labels(a.labels);
  if (static_cast<std::int64_t>(labels.size()) == rows) return labels;
  throw IoError("--labels: " + a.labels + " holds " + std::to_string(labels.size()) + " labels, but " +
                a.data + " has " + std::to_string(rows) + " rows");
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

io::LatentsSummary write_with_bar(models::SparseAutoencoder& model, data::EmbeddingSource& data,
                                  const EncodeArguments& a) {
  ProgressBar bar(!a.common.quiet);
  const auto started = std::chrono::steady_clock::now();
  return io::write_latents(model, data, a.out, a.options, [&](double share) {
    if (interrupted()) throw Error("interrupted, and " + a.out + " was not written");
    const auto seconds = seconds_since(started);
    bar.update(share, fixed(share * static_cast<double>(data.rows()) / std::max(1e-9, seconds), 0) +
                          " rows/s  " + duration(seconds / share * (1 - share)) + " left");
  });
}

void report(const EncodeArguments& a, const data::Prepared& data, const io::LatentsSummary& done,
            double seconds) {
  const auto active = static_cast<double>(done.entries) / static_cast<double>(done.rows);
  if (shows_table(a.common)) {
    Table table({"file", "point", "rows", "latents", "entries", "active per row", "seconds"});
    table.add({a.out, with_coding(a.options.point.label(), a.options.coding.name()),
               std::to_string(done.rows), std::to_string(done.latents), std::to_string(done.entries),
               fixed(active, 1), fixed(seconds, 1)});
    table.print(std::cout);
  }
  nlohmann::ordered_json json = {{"file", a.out},
                                 {"run", a.run},
                                 {"data", data.evaluated()->origin()},
                                 {"point", a.options.point.label()},
                                 {"codes", a.options.coding.name()},
                                 {"rows", done.rows},
                                 {"latents", done.latents},
                                 {"entries", done.entries},
                                 {"active", active},
                                 {"seconds", seconds}};
  add_view(json, data.evaluated()->treatment());
  add_skipped(json, a.read, data);
  write_json(a.common, json);
}

void run(EncodeArguments& a) {
  apply(a.common);
  a.options.validate();
  a.options.coding = coding_of(a.coding);
  check_out(a);
  const auto device = resolve_device(a.common.device);
  const auto model = io::load(a.run, device);
  a.options.point = point_of(a.point, *model, a.run);
  a.options.run = a.run;
  say_how_rows_were_read(a.run, a.data, a.read, a.common, false);
  watch_interrupts();
  const auto data = open_data(a.data, a.read, a.common);
  a.options.labels = labels(a, data.rows->original_rows());
  const auto started = std::chrono::steady_clock::now();
  const auto done = write_with_bar(*model, *data.evaluated(), a);
  report(a, data, done, seconds_since(started));
}

}  // namespace

void add_encode(CLI::App& program) {
  auto& command = *program.add_subcommand("encode", "Write the latents of every row to a file");
  auto arguments = std::make_shared<EncodeArguments>();
  auto& a = *arguments;
  command.add_option("RUN", a.run, "Folder of a trained model, or a .pth or .safetensors file of one")
      ->type_name("FOLDER")
      ->required();
  command.add_option("--data", a.data, "Embeddings to encode (see 'msae --help')")
      ->type_name("DATA")
      ->required();
  command.add_option("--out", a.out, "HDF5 file to write")->type_name("FILE")->required();
  add_point(command, a.point);
  add_coding(command, a.coding);
  command
      .add_option("--labels", a.labels,
                  "Names of the rows, to be written beside them: file.h5:/path (strings or integers),\n"
                  "or a text file with a line for every row of DATA")
      ->type_name("FILE");
  add_row_options(command, a.read);
  add_holdout(command, a.read,
              "Encode only the share of the rows that 'train --holdout' holds out, e.g. 0.1");
  command.add_flag("--force", a.force, "Replace an existing file");
  add_whole(command, "--batch-size", a.options.batch_size,
            "Rows at a time: a matter of memory, not of results")
      ->capture_default_str();
  add_device(command, a.common);
  add_common(command, a.common);
  command.footer(
      "FILE holds the matrix [rows, latents] in compressed sparse rows (CSR): /indptr, /indices, /values and "
      "/shape;\n"
      "/rows, the rows' numbers in DATA, where some are left out; /labels with --labels.\n"
      "Ctrl-C stops and leaves no file.\n"
      "Examples:\n"
      "  msae encode run --data clip.h5:/test --out latents.h5 --k 32\n"
      "  msae encode run --data clip.h5:/test --out latents.h5 --k 32 --codes pursuit");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace msae::cli
