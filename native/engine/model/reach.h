#pragma once
#include <cstdint>

namespace vectune {

/// Which keys of its text a query sees: key j of query i where i − before ≤ j ≤ i + after.
struct Reach {
  static constexpr int64_t kAll = int64_t{1} << 40;
  int64_t before = kAll, after = kAll;

  /// Whether every query sees every key of a text of so many tokens.
  bool covers(int64_t tokens) const { return before >= tokens - 1 && after >= tokens - 1; }
  bool operator==(const Reach&) const = default;
};

}  // namespace vectune
