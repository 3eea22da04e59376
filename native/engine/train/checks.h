#pragma once
#include <cstdint>

#include "model/model.h"
#include "train/dataset.h"
#include "train/micro_batch.h"

namespace vectune {

// What a trainer refuses: each is Error(kInvalidArgument).

/// The dataset, which must fit the model: known tokens, no text longer than its positions.
const Dataset& fitting(const Dataset& dataset, const Model& model);
/// Rows of the dataset, at least one, and all of one set.
void check_row_numbers(const int32_t* rows, int64_t count, const Dataset& dataset);
/// Texts of the dataset.
void check_text_numbers(const int32_t* texts, int64_t count, const Dataset& dataset);
void check_micro_batch(const MicroBatch& micro_batch);

}  // namespace vectune
