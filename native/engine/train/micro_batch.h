#pragma once
#include <cstdint>
#include <limits>

namespace vectune {

/// What is computed at once of the rows of a batch: so many rows, and no more of them than have so many tokens, but one
/// row in any case. Rows of short texts may be many then in the room of few long ones.
struct MicroBatch {
  static constexpr int64_t kAnyTokens = std::numeric_limits<int64_t>::max();

  MicroBatch(int64_t rows, int64_t tokens = kAnyTokens) : rows(rows), tokens(tokens) {}  // NOLINT: a number is of rows

  int64_t rows, tokens;
  bool operator==(const MicroBatch&) const = default;
};

}  // namespace vectune
