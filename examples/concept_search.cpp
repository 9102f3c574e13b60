// Names the latents of a model, and finds rows by a concept:
//   concept_search DATA MODEL VOCABULARY WORDS CONCEPT
#include <msae/msae.h>

#include <iostream>

int main(int count, char** arguments) try {
  if (count != 6) {
    throw std::invalid_argument(
        "usage: concept_search file.h5:/path MODEL words.h5:/embeddings words.h5:/words dog");
  }
  namespace concepts = msae::concepts;
  const auto rows = msae::data::open(arguments[1]);
  const auto model = msae::io::load(arguments[2]);
  const auto vocabulary = concepts::read_vocabulary(arguments[3], arguments[4]);
  const auto naming = concepts::name_latents(model->decoder, vocabulary);
  const auto names = concepts::names_of(naming, vocabulary);
  std::cout << naming.named << " latents have a name; of random rows as many as " << naming.random_named
            << " would\n";

  const auto codes = concepts::encode(*model, *rows, concepts::usual_point(*model));
  const auto profiles = concepts::profiles(codes);
  std::vector<concepts::QueryLatent> query;  // what the concept typically is
  for (const auto latent : names.latents(arguments[5])) {
    const auto typical = profiles[static_cast<std::size_t>(latent)].mean;
    query.push_back({static_cast<std::int32_t>(latent), static_cast<float>(typical)});
  }
  if (query.empty()) {
    std::cout << "No latent is called " << arguments[5] << "; there are";
    for (const auto& name : names.nearest(arguments[5])) std::cout << " '" << name << "'";
    std::cout << "\n";
    return 0;
  }
  const concepts::LatentIndex index(codes);
  for (const auto& hit : index.search(query, 10)) {
    std::cout << "row " << hit.row << ", cosine " << hit.score << "\n";
  }
} catch (const std::exception& error) {
  std::cerr << "concept_search: " << error.what() << "\n";
  return 1;
}
