#include "train/checks.h"

#include <string>

#include "runtime/errors.h"

namespace vectune {

const Dataset& fitting(const Dataset& dataset, const Model& model) {
  if (dataset.largest_id() >= model.spec().encoder.vocab_size)
    throw Error(ErrorCode::kInvalidArgument, "Token " + std::to_string(dataset.largest_id()) +
                                                 " is outside the vocabulary of " +
                                                 std::to_string(model.spec().encoder.vocab_size) + ".");
  if (dataset.empty_text() >= 0 && !model.spec().encoder.architecture->is_bag)
    throw Error(ErrorCode::kInvalidArgument,
                "Text " + std::to_string(dataset.empty_text()) + " must have at least one token.");
  if (dataset.longest_text() > model.longest_text())
    throw Error(ErrorCode::kInvalidArgument, "A text has " + std::to_string(dataset.longest_text()) +
                                                 " tokens; the model has " + std::to_string(model.longest_text()) +
                                                 " positions.");
  return dataset;
}

void check_row_numbers(const int32_t* rows, int64_t count, const Dataset& dataset) {
  const int64_t all = dataset.rows();
  if (count < 1) throw Error(ErrorCode::kInvalidArgument, "A batch needs at least one row.");
  for (int64_t i = 0; i < count; ++i)
    if (rows[i] < 0 || rows[i] >= all)
      throw Error(ErrorCode::kInvalidArgument, "Row " + std::to_string(rows[i]) +
                                                   " is not a row of the dataset, which has " + std::to_string(all) +
                                                   " rows.");
  if (dataset.sets() == 1) return;
  for (int64_t i = 1; i < count; ++i)
    if (dataset.set_of(rows[i]) != dataset.set_of(rows[0]))
      throw Error(ErrorCode::kInvalidArgument,
                  "Rows that are computed together must be of one set; row " + std::to_string(rows[0]) + " is of set " +
                      std::to_string(dataset.set_of(rows[0])) + " and row " + std::to_string(rows[i]) + " of set " +
                      std::to_string(dataset.set_of(rows[i])) + ".");
}

void check_text_numbers(const int32_t* texts, int64_t count, const Dataset& dataset) {
  for (int64_t i = 0; i < count; ++i)
    if (texts[i] < 0 || texts[i] >= dataset.texts())
      throw Error(ErrorCode::kInvalidArgument, "Text " + std::to_string(texts[i]) +
                                                   " is not a text of the dataset, which has " +
                                                   std::to_string(dataset.texts()) + " texts.");
}

void check_micro_batch(const MicroBatch& micro_batch) {
  if (micro_batch.rows < 1) throw Error(ErrorCode::kInvalidArgument, "microBatch must be at least 1.");
}

}  // namespace vectune
