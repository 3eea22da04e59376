#pragma once
#include <cstdint>
#include <vector>

#include "dataset.h"

namespace vectune {

/// The embedding rows that a dataset uses, numbered from 0. A row that no text uses has zero gradient and zero
/// moments for ever, so AdamW only ever multiplies it by 1 − lr·λ; leaving it out of training and replaying those
/// factors at the end is exact.
class CompactVocabulary {
 public:
  CompactVocabulary(const Dataset& dataset, int64_t vocab_size) : remap_(static_cast<size_t>(vocab_size), -1) {
    for (int64_t i = 0; i < dataset.tokens(); ++i) remap_[static_cast<size_t>(dataset.ids()[i])] = 0;
    for (size_t id = 0; id < remap_.size(); ++id) {
      if (remap_[id] < 0) continue;
      remap_[id] = static_cast<int32_t>(used_.size());
      used_.push_back(static_cast<int32_t>(id));
    }
  }

  int64_t size() const { return static_cast<int64_t>(used_.size()); }
  /// Vocabulary id of each compact row, rising.
  const std::vector<int32_t>& used() const { return used_; }
  /// Compact row of each vocabulary id; −1 where unused.
  const int32_t* remap() const { return remap_.data(); }

 private:
  std::vector<int32_t> remap_, used_;
};

}  // namespace vectune
