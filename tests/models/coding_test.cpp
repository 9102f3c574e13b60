#include "msae/models/coding.h"

#include <gmock/gmock.h>

#include "models/sparse_codes.h"
#include "support/error_of.h"

namespace msae::models {
namespace {

using test::error_of;

TEST(Coding, IsReadByItsName) {
  for (const auto& coding :
       {Coding{}, Coding::encoder(), Coding::refit(), Coding::pursuit(), Coding::pursuit(256)}) {
    const auto read = coding_named(coding.name());
    EXPECT_EQ(read.kind, coding.kind) << coding.name();
    EXPECT_EQ(read.candidates, coding.candidates) << coding.name();
    EXPECT_NO_THROW(coding.validate());
  }
  EXPECT_EQ(Coding{}.name(), "encoder");
  EXPECT_EQ(Coding::refit().name(), "refit");
  EXPECT_EQ(Coding::pursuit().name(), "pursuit");
  EXPECT_EQ(Coding::pursuit(256).name(), "pursuit among 256");
}

TEST(Coding, OfOtherNamesIsRefused) {
  for (const std::string name :
       {"", "Encoder", "omp", "pursuit among", "pursuit among ", "pursuit among 0", "pursuit among -3",
        "pursuit among 12x", "pursuit among 007", "refit among 3", "pursuit among 99999999999999999999"}) {
    EXPECT_EQ(error_of<std::invalid_argument>([&] { coding_named(name); }),
              "codes: must be encoder, refit or pursuit, not " + name);
  }
}

TEST(Coding, RefusesCandidatesThatCannotBe) {
  EXPECT_EQ(error_of<std::invalid_argument>([] { Coding::pursuit(-1).validate(); }),
            "candidates: must not be negative, and is -1");
  EXPECT_EQ(error_of<std::invalid_argument>([] {
              Coding{Coding::Kind::refit, 8}.validate();
            }),
            "candidates: are for pursuit, which alone chooses among latents, not for refit");
  EXPECT_EQ(error_of<std::invalid_argument>([] { require_candidates(Coding::pursuit(8), 9); }),
            "candidates: must be at least k, 9, or 0 for all, not 8");
  EXPECT_NO_THROW(require_candidates(Coding::pursuit(9), 9));
  EXPECT_NO_THROW(require_candidates(Coding::pursuit(), 9));
}

}  // namespace
}  // namespace msae::models
