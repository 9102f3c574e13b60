// Writes the latents of embeddings as a sparse matrix:  encode_embeddings DATA MODEL FILE
#include <msae/msae.h>

#include <algorithm>
#include <iostream>
#include <memory>

int main(int count, char** arguments) try {
  if (count != 4) throw std::invalid_argument("usage: encode_embeddings file.h5:/path MODEL latents.h5");
  const auto model = msae::io::load(arguments[2]);
  const std::shared_ptr<msae::data::EmbeddingSource> all = msae::data::open(arguments[1]);
  const auto good = msae::data::skip_bad_rows(all);
  if (good.skipped > 0) std::cerr << good.skipped << " rows with NaN or Inf are skipped\n";
  const auto done = msae::io::write_latents(
      *model, *good.rows, arguments[3],
      {.point = msae::models::OperatingPoint::top(std::min<std::int64_t>(32, model->latents())),
       .run = arguments[2]},
      [](double share) { std::cerr << static_cast<int>(100 * share) << " %\n"; });
  std::cout << arguments[3] << ": " << done.rows << " rows, " << done.latents << " latents, " << done.entries
            << " entries\n";
} catch (const std::exception& error) {
  std::cerr << "encode_embeddings: " << error.what() << "\n";
  return 1;
}
