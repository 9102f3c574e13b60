#include "msae/models/operating_point.h"

namespace msae::models {

std::string OperatingPoint::label() const {
  switch (kind) {
    case Kind::level:
      return "level " + std::to_string(value + 1);
    case Kind::all:
      return "all";
    case Kind::top:
      return "k=" + std::to_string(value);
    default:
      return "trained";
  }
}

}  // namespace msae::models
