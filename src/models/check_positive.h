// What options of models have in common.
#pragma once

namespace msae::models {

/// Models are made of float32, so that is what a number has to be positive and finite in.
/// \throws std::invalid_argument naming the field and the value
void check_positive(double value, const char* field);

}  // namespace msae::models
