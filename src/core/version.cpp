#include "msae/core/version.h"

namespace msae {

std::string version() {
  return MSAE_VERSION;
}

}  // namespace msae
