#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "train/dataset.h"

namespace vectune::tiny {

/// Rows of two columns: texts 2i and 2i + 1 are row i's, which has the score scores[i].
inline std::shared_ptr<Dataset> pairs_of(const std::vector<int32_t>& ids, const std::vector<int32_t>& offsets,
                                         const std::vector<float>& scores) {
  const auto texts = static_cast<int32_t>(offsets.size()) - 1, rows = static_cast<int32_t>(scores.size());
  std::vector<int32_t> columns, row_offsets{0};
  for (int32_t row = 0; row < rows; ++row) {
    columns.insert(columns.end(), {2 * row, 2 * row + 1});
    row_offsets.push_back(static_cast<int32_t>(columns.size()));
  }
  return std::make_shared<Dataset>(
      PackedTexts{ids.data(), static_cast<int64_t>(ids.size()), offsets.data(), texts},
      PackedRows{columns.data(), static_cast<int64_t>(columns.size()), row_offsets.data(), rows},
      PackedLabels{scores.data(), rows});
}

}  // namespace vectune::tiny
