#pragma once
#include <cstdint>
#include <vector>

#include "train/dataset.h"

namespace vectune {

/// Rows of one set of a data set that are computed together, and the texts that they name. A text that several columns
/// name is there once, unless `Repeats::kKept` asks for it as often as it is named: what no batch of as many tokens
/// exceeds.
struct GroupBatch {
  enum class Repeats { kMerged, kKept };

  GroupBatch(const Dataset& dataset, const int32_t* rows, int64_t count, Repeats repeats = Repeats::kMerged);

  std::vector<int32_t> texts;    // their numbers in the data set, in the order in which rows first name them
  std::vector<int32_t> places;   // of each column, row after row: its place in `texts`
  std::vector<int32_t> offsets;  // row r has places[offsets[r] .. offsets[r + 1])
  std::vector<float> labels;     // [rows × label width]
  int64_t set = 0;               // of the data set, that of all rows
  int64_t columns = 0;           // of each row; 0 where rows have different numbers
  int64_t tokens = 0;            // of all columns
  /// How many of `texts` are named by rows before `row`: what a part of the rows adds to those before it.
  int64_t texts_before(int64_t row) const { return texts_before_[static_cast<size_t>(row)]; }

  int64_t rows() const { return static_cast<int64_t>(offsets.size()) - 1; }
  bool in_order() const { return texts.size() == places.size(); }

 private:
  std::vector<int64_t> texts_before_;
};

}  // namespace vectune
