#include "cli/bad_input.h"

#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <limits>

#include "io/tensor_file.h"
#include "support/files.h"
#include "support/hdf5_files.h"

namespace msae::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr auto weights_name = "sae_weights.safetensors";

void cut(const fs::path& from, const fs::path& to, std::uintmax_t bytes) {
  fs::copy_file(from, to);
  fs::resize_file(to, bytes);
}

void make_links(const fs::path& path) {
  const Hdf5File file(path);
  H5Lcreate_soft("/nowhere", file.id(), "/soft", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_external("gone.h5", "/x", file.id(), "/outside", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_external("data.h5", "/embeddings", file.id(), "/whole", H5P_DEFAULT, H5P_DEFAULT);
}

// Changes the JSON at the head of a safetensors file and leaves the tensors as they are.
void change_header(const fs::path& file, const std::function<void(json&)>& change) {
  const auto whole = contents(file);
  std::uint64_t length = 0;
  std::memcpy(&length, whole.data(), sizeof length);
  auto header = json::parse(whole.substr(sizeof length, length));
  change(header);
  const auto text = header.dump();
  const std::uint64_t changed = text.size();
  std::string head(sizeof changed, '\0');
  std::memcpy(head.data(), &changed, sizeof changed);
  overwrite(file, head + text + whole.substr(sizeof length + length));
}

void change_config(const fs::path& folder, const std::function<void(json&)>& change) {
  auto config = json::parse(contents(folder / "cfg.json"));
  change(config);
  overwrite(folder / "cfg.json", config.dump());
}

void change_tensors(const fs::path& path, const std::function<void(io::TensorFile&)>& change) {
  auto file = io::load_tensors(path);
  change(file);
  file.metadata.erase("crc32");  // what the sum would tell is to be found without it
  io::save_tensors(path, file);
}

// In place of a file: what waits for a writer when it is opened.
void make_fifo(const fs::path& path) {
  fs::remove(path);
  ::mkfifo(path.c_str(), 0600);
}

// Regular files and what is in them.
std::map<std::string, std::string> regular_files(const Workplace& here) {
  std::map<std::string, std::string> found;
  std::error_code ignored;
  for (const auto& name : here.names()) {
    if (fs::is_regular_file(here / name, ignored)) found[name] = contents(here / name);
  }
  return found;
}

}  // namespace

void BadInput::show(const std::string& name, const Outcome& outcome) {
  const auto said = lines(outcome.err);
  std::cout << std::left << std::setw(44) << name << " | " << outcome.exit_code << " | "
            << (said.empty()             ? ""
                : outcome.exit_code == 1 ? said.back()
                                         : said.front())
            << "\n";
}

void BadInput::check(const Case& wrong) {
  SCOPED_TRACE(wrong.name);
  const auto before = regular_files(here);
  const auto outcome = here.run(wrong.arguments, wrong.file_limit);
  show(wrong.name, outcome);
  EXPECT_EQ(outcome.exit_code, wrong.exit_code) << outcome.err;
  for (const auto& word : wrong.words) EXPECT_THAT(outcome.err, testing::HasSubstr(word));
  if (wrong.exit_code == 0) fs::remove_all(here / "new");
  if (wrong.exit_code == 1) {
    EXPECT_THAT(outcome, FailsSaying(wrong.words));
  }
  EXPECT_TRUE(regular_files(here) == before) << "files have changed";
  EXPECT_FALSE(here.has("new"));
}

void BadInput::check(const std::vector<Case>& table) {
  for (const auto& wrong : table) check(wrong);
}

void make_bad_data(const Workplace& here) {
  std::vector<float> rows(800);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i * i % 97) / 97;
  {
    const ForeignFilter filter;
    Hdf5File file(here / "bad.h5");
    file.floats("/good", {100, 8}, rows);
    file.floats("/column", {100, 1}, {rows.begin(), rows.begin() + 100});
    file.floats("/empty", {0, 8}, {});
    file.floats("/cube", {10, 10, 8}, rows);
    file.floats("/list", {800}, rows);
    file.floats("/constant", {100, 8}, std::vector<float>(800, 0.5f));
    file.data_set("/integers", H5T_NATIVE_INT, {100, 8}, std::vector<int>(800).data());
    auto damaged = rows;
    damaged[37 * 8 + 2] = damaged[60 * 8] = nan;
    file.floats("/nan", {100, 8}, damaged);
    damaged = rows;
    damaged[41 * 8 + 7] = -std::numeric_limits<float>::infinity();
    file.floats("/inf", {100, 8}, damaged);
    file.floats("/packed", {100, 8}, rows, {.chunk = {50, 8}, .filter = ForeignFilter::number});
    file.data_set("/declared", H5T_NATIVE_FLOAT, {1ull << 40, 512}, nullptr, {.chunk = {64, 512}});
  }
  const auto whole = fs::file_size(here / "data.h5");
  cut(here / "data.h5", here / "cut_header.h5", 50);
  cut(here / "data.h5", here / "cut_half.h5", whole / 2);
  cut(here / "data.h5", here / "cut_byte.h5", whole - 1);
  overwrite(here / "empty.h5", "");
  make_links(here / "links.h5");
  make_fifo(here / "fifo");
  Hdf5File many(here / "many.h5");
  for (int i = 0; i < 3000; ++i) many.floats("/set" + std::to_string(i), {1, 2}, {1, 2});
}

void make_bad_models(const Workplace& here) {
  const auto model = [&](const std::string& name) {
    const auto folder = here / "models" / name;
    fs::create_directories(folder);
    for (const auto* file : {"cfg.json", weights_name}) fs::copy_file(here / "run" / file, folder / file);
    return folder;
  };
  const auto header = [&](const std::string& name, const std::function<void(json&)>& change) {
    change_header(model(name) / weights_name, change);
  };
  const auto tensors = [&](const std::string& name, const std::function<void(io::TensorFile&)>& change) {
    change_tensors(model(name) / weights_name, change);
  };
  const auto config = [&](const std::string& name, const std::function<void(json&)>& change) {
    change_config(model(name), change);
  };

  overwrite(model("header_too_long") / weights_name, std::string("\xff\xff\xff\0\0\0\0\0{}", 10));
  overwrite(model("header_no_json") / weights_name, std::string("\x04\0\0\0\0\0\0\0what", 12));
  header("overlap", [](json& h) { h["b_dec"]["data_offsets"] = {0, 64}; });
  header("beyond_end", [](json& h) { h["b_dec"]["data_offsets"] = {1 << 20, (1 << 20) + 64}; });
  header("unknown_dtype", [](json& h) { h["b_dec"]["dtype"] = "F31"; });
  header("shape_overflow", [](json& h) { h["b_dec"]["shape"] = {1ull << 62, 1ull << 62}; });
  tensors("nan_weights", [](io::TensorFile& f) { f.tensors.at("W_enc").view(-1)[5] = nan; });
  tensors("no_tensor", [](io::TensorFile& f) { f.tensors.erase("b_enc"); });
  tensors("wrong_shape", [](io::TensorFile& f) { f.tensors["W_dec"] = torch::zeros({64, 15}); });
  fs::remove(model("no_weights") / weights_name);
  fs::resize_file(model("half_weights") / weights_name, fs::file_size(here / "run" / weights_name) / 2);
  overwrite(model("short_weights") / weights_name, "1234");
  overwrite(model("empty_weights") / weights_name, "");
  make_fifo(model("fifo_weights") / weights_name);

  overwrite(model("malformed") / "cfg.json", "{\"d_in\": 16,");
  overwrite(model("empty_config") / "cfg.json", "");
  overwrite(model("no_keys") / "cfg.json", "{}");
  fs::remove(model("no_config") / "cfg.json");
  make_fifo(model("fifo_config") / "cfg.json");
  config("wrong_type", [](json& c) { c["d_in"] = "sixteen"; });
  config("own_wrong_type", [](json& c) { c["msae"]["mean"] = 1; });
  config("later", [](json& c) { c["msae"]["format_version"] = 1000; });
  config("absurd", [](json& c) { c["d_sae"] = 1ll << 60; });
  config("other_levels", [](json& c) { c["msae"]["activation"]["levels"] = {16, 8}; });
}

void make_bad_states(const Workplace& here) {
  const auto state = [&](const std::string& name) {
    fs::create_directories(here / "states");
    fs::copy(here / "run", here / "states" / name, fs::copy_options::recursive);
    return here / "states" / name / "state" / "state.safetensors";
  };
  const auto change = [&](const std::string& name, const std::function<void(io::TensorFile&)>& what) {
    change_tensors(state(name), what);
  };
  change("shape", [](auto& f) { f.tensors["model.decoder"] = torch::zeros({64, 15}); });
  change("nan", [](auto& f) { f.tensors.at("model.decoder").view(-1)[3] = nan; });
  change("nan_moment", [](auto& f) { f.tensors.at("adam.encoder.second").view(-1)[3] = nan; });
  change("dtype",
         [](auto& f) { f.tensors["model.decoder"] = f.tensors["model.decoder"].to(torch::kFloat64); });
  change("missing", [](auto& f) { f.tensors.erase("engine.sums"); });
  change("counters", [](auto& f) { f.tensors.at("engine.counters").fill_(-1); });
  change("negative_step", [](auto& f) { f.metadata["step"] = "-5"; });
  change("late_step", [](auto& f) { f.metadata["step"] = "1000000"; });
  change("no_step", [](auto& f) { f.metadata.erase("step"); });
  change("later", [](auto& f) { f.metadata["state_format"] = "1000"; });
  change_header(state("unknown_dtype"), [](json& h) { h["engine.counters"]["dtype"] = "U64"; });
  fs::resize_file(state("half"), fs::file_size(here / "run" / "state" / "state.safetensors") / 2);
  make_fifo(state("fifo"));
  overwrite(state("options").parent_path().parent_path() / "options.toml", std::string(2'000'000, 'x'));
}

}  // namespace msae::test
