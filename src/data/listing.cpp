#include "msae/data/listing.h"

#include "data/hdf5_file.h"

namespace msae::data {

std::vector<Listing> list(const std::filesystem::path& file) {
  std::vector<Listing> listings;
  for (const auto& found : hdf5::File::open(file).data_sets()) {
    const bool usable =
        found.floating.has_value() && found.shape.size() == 2 && found.shape[0] > 0 && found.shape[1] > 0;
    listings.push_back({found.path, found.shape, found.type, usable});
  }
  return listings;
}

}  // namespace msae::data
