#include "train/group_batch.h"

#include <unordered_map>

namespace vectune {

GroupBatch::GroupBatch(const Dataset& dataset, const int32_t* rows, int64_t count, Repeats repeats) {
  std::unordered_map<int32_t, int32_t> found;
  offsets.push_back(0);
  if (count > 0) set = dataset.set_of(rows[0]);
  for (int64_t i = 0; i < count; ++i) {
    texts_before_.push_back(static_cast<int64_t>(texts.size()));
    const auto named = dataset.columns(rows[i]);
    for (const int32_t text : named) {
      auto place = static_cast<int32_t>(texts.size());
      if (repeats == Repeats::kMerged) place = found.try_emplace(text, place).first->second;
      if (place == static_cast<int32_t>(texts.size())) texts.push_back(text);
      places.push_back(place);
      tokens += dataset.length(text);
    }
    offsets.push_back(static_cast<int32_t>(places.size()));
    const auto width = static_cast<int64_t>(named.size());
    columns = i == 0 || columns == width ? width : 0;
    const float* of_row = dataset.labels(rows[i]);
    labels.insert(labels.end(), of_row, of_row + dataset.label_width(set));
  }
  texts_before_.push_back(static_cast<int64_t>(texts.size()));
}

}  // namespace vectune
