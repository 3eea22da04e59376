#include "train/dataset.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>

#include "runtime/errors.h"

namespace vectune {
namespace {

std::atomic<int64_t> live_datasets{0};

template <typename T>
at::Tensor copy(const T* source, int64_t count, at::ScalarType type) {
  at::Tensor target = at::empty({count}, at::TensorOptions().dtype(type));
  if (count > 0) std::memcpy(target.mutable_data_ptr<T>(), source, static_cast<size_t>(count) * sizeof(T));
  return target;
}

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

}  // namespace

namespace {

void check_rows(const PackedRows& rows, int64_t texts) {
  const auto text = [](int64_t number) { return std::to_string(number); };
  if (rows.offsets[0] != 0) refuse("rowOffsets[0] must be 0; found " + text(rows.offsets[0]) + ".");
  for (int64_t row = 0; row < rows.rows; ++row) {
    if (rows.offsets[row + 1] <= rows.offsets[row]) {
      refuse("Row " + text(row) + " must have at least one column; its offsets are " + text(rows.offsets[row]) +
             " and " + text(rows.offsets[row + 1]) + ".");
    }
  }
  if (rows.offsets[rows.rows] != rows.size) {
    refuse("The last of rowOffsets must be the number of columns, " + text(rows.size) + "; found " +
           text(rows.offsets[rows.rows]) + ".");
  }
  const int32_t* end = rows.columns + rows.size;
  const int32_t* wrong = std::find_if(rows.columns, end, [&](int32_t column) { return column < 0 || column >= texts; });
  if (wrong != end) {
    const int64_t row =
        std::upper_bound(rows.offsets, rows.offsets + rows.rows + 1, wrong - rows.columns) - rows.offsets - 1;
    refuse("Column " + text(wrong - rows.columns - rows.offsets[row]) + " of row " + text(row) + " names text " +
           text(*wrong) + ", but there are " + text(texts) + " texts.");
  }
}

void check_unpooled(const PackedTexts& texts) {
  if (!texts.unpooled) return;
  const int32_t* const end = texts.unpooled + texts.texts;
  const int32_t* const wrong = std::find_if(texts.unpooled, end, [](int32_t count) { return count < 0; });
  if (wrong != end)
    refuse("Text " + std::to_string(wrong - texts.unpooled) + " has " + std::to_string(*wrong) +
           " tokens that no pooling sees; it must be a number from 0.");
}

/// Of all rows as one, where none were given.
std::vector<RowSet> checked_sets(const std::vector<RowSet>& given, const PackedLabels& labels, int64_t rows) {
  if (given.empty()) {
    if (labels.size != 0 && (rows == 0 || labels.size % rows != 0)) {
      refuse("Each row must have as many labels; found " + std::to_string(rows) + " rows and " +
             std::to_string(labels.size) + " labels.");
    }
    return {{rows, rows == 0 ? 0 : labels.size / rows}};
  }
  int64_t of_rows = 0, of_labels = 0;
  for (const RowSet& set : given) {
    if (set.rows < 1 || set.rows > rows - of_rows || set.label_width < 0 ||
        set.label_width > (labels.size - of_labels) / set.rows) {
      refuse("Sets must have a row or more each, and no more rows and labels than there are.");
    }
    of_rows += set.rows;
    of_labels += set.rows * set.label_width;
  }
  if (of_rows != rows || of_labels != labels.size) {
    refuse("Sets must have all rows and labels; they have " + std::to_string(of_rows) + " of " + std::to_string(rows) +
           " rows and " + std::to_string(of_labels) + " of " + std::to_string(labels.size) + " labels.");
  }
  return given;
}

}  // namespace

Dataset::Dataset(const PackedTexts& texts, const PackedRows& rows, const PackedLabels& labels,
                 const std::vector<RowSet>& sets)
    : texts_(texts.texts), tokens_(texts.tokens), rows_(rows.rows) {
  check_texts(texts.ids, texts.tokens, texts.offsets, texts.texts, true);
  check_rows(rows, texts.texts);
  check_unpooled(texts);
  int64_t first = 0, labels_begin = 0;
  for (const auto& [of_rows, width] : checked_sets(sets, labels, rows.rows)) {
    sets_.push_back({first, of_rows, width, labels_begin});
    first += of_rows;
    labels_begin += of_rows * width;
  }
  const float* labels_end = labels.values + labels.size;
  const float* wrong = std::find_if(labels.values, labels_end, [](float label) { return !std::isfinite(label); });
  if (wrong != labels_end) {
    const Set& set = *std::find_if(sets_.begin(), sets_.end(), [&](const Set& one) {
      return wrong - labels.values < one.labels_begin + one.rows * one.label_width;
    });
    refuse("A label of row " +
           std::to_string(set.first + (wrong - labels.values - set.labels_begin) / set.label_width) +
           " is not a finite number.");
  }
  for (int64_t text = 0; text < texts_; ++text) {
    const int64_t length = texts.offsets[text + 1] - texts.offsets[text];
    longest_text_ = std::max(longest_text_, length);
    if (length == 0 && empty_text_ < 0) empty_text_ = text;
  }
  if (tokens_ > 0) largest_id_ = *std::max_element(texts.ids, texts.ids + tokens_);
  ids_ = copy(texts.ids, tokens_, at::kInt);
  offsets_ = copy(texts.offsets, texts_ + 1, at::kInt);
  columns_ = copy(rows.columns, rows.size, at::kInt);
  row_offsets_ = copy(rows.offsets, rows_ + 1, at::kInt);
  labels_ = copy(labels.values, labels.size, at::kFloat);
  if (texts.unpooled && std::any_of(texts.unpooled, texts.unpooled + texts_, [](int32_t count) { return count > 0; }))
    unpooled_ = copy(texts.unpooled, texts_, at::kInt);
  ++live_datasets;  // last: a constructor that throws has no destructor
}

int64_t Dataset::set_of(int64_t row) const {
  size_t set = 0;
  while (row >= sets_[set].first + sets_[set].rows) ++set;
  return static_cast<int64_t>(set);
}

int64_t Dataset::bytes() const {
  int64_t sum = 0;
  for (const at::Tensor* part : {&ids_, &offsets_, &columns_, &row_offsets_, &labels_, &unpooled_})
    if (part->defined()) sum += static_cast<int64_t>(part->nbytes());
  return sum;
}

Dataset::~Dataset() { --live_datasets; }

int64_t Dataset::live() { return live_datasets; }

}  // namespace vectune
