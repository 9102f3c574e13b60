#pragma once

namespace msae::models {

/// Added to a row's deviation before it is divided by, as published.
inline constexpr double row_epsilon = 1e-5;

}  // namespace msae::models
