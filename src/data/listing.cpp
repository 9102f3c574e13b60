#include "msae/data/listing.h"

#include "data/format.h"

namespace msae::data {

std::vector<Listing> list(const std::filesystem::path& file) {
  return format_of(file).list(file);
}

}  // namespace msae::data
