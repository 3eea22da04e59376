#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "losses/loss.h"
#include "nn/texts.h"

namespace vectune {

/// Texts packed as ids[offsets[i] .. offsets[i+1]).
struct PackedTexts {
  const int32_t* ids;
  int64_t tokens;
  const int32_t* offsets;  // [texts + 1]
  int64_t texts;
  /// Of each text the tokens at its beginning that no pooling sees, never its last one; null where none has any.
  const int32_t* unpooled = nullptr;
};

/// Rows of 1 … n columns, each the number of a text: row r has columns[offsets[r] .. offsets[r+1]).
struct PackedRows {
  const int32_t* columns;
  int64_t size;            // of `columns`
  const int32_t* offsets;  // [rows + 1]
  int64_t rows;
};

/// Numbers of each row, row after row, as many for all rows of a set; size 0 where there are none.
struct PackedLabels {
  const float* values;
  int64_t size;
};

/// Rows that stand behind each other and have a loss of their own: one of several sets that are trained on together.
struct RowSet {
  int64_t rows;
  int64_t label_width;  // numbers of each row
};

/// Tokenised training data: texts, each there once however many rows name it, and rows of them with labels (a score, a
/// class, what a teacher says). A pair is a row of two columns. Immutable.
class Dataset {
 public:
  /// Copies. `sets` are in the order of the rows; none given is one of all rows. Throws Error(kInvalidArgument): texts
  /// that `check_texts` refuses, rows without a column or with one that is no text, labels that are not as many for
  /// each row, or not finite, a negative count of unpooled tokens, sets that are not all rows.
  Dataset(const PackedTexts& texts, const PackedRows& rows, const PackedLabels& labels,
          const std::vector<RowSet>& sets = {});

  int64_t texts() const { return texts_; }
  int64_t tokens() const { return tokens_; }
  const int32_t* ids() const { return ids_.const_data_ptr<int32_t>(); }
  const int32_t* offsets() const { return offsets_.const_data_ptr<int32_t>(); }
  int64_t length(int64_t text) const { return offsets()[text + 1] - offsets()[text]; }
  int64_t longest_text() const { return longest_text_; }
  /// The first without a token; −1 where there is none.
  int64_t empty_text() const { return empty_text_; }
  int64_t unpooled(int64_t text) const { return whole() ? 0 : unpooled_.const_data_ptr<int32_t>()[text]; }
  /// Whether the pooling sees every token.
  bool whole() const { return !unpooled_.defined(); }
  int32_t largest_id() const { return largest_id_; }

  int64_t rows() const { return rows_; }
  /// Texts of a row, in the order of its columns.
  std::span<const int32_t> columns(int64_t row) const {
    const int32_t* offsets = row_offsets_.const_data_ptr<int32_t>();
    return {columns_.const_data_ptr<int32_t>() + offsets[row], static_cast<size_t>(offsets[row + 1] - offsets[row])};
  }
  int64_t sets() const { return static_cast<int64_t>(sets_.size()); }
  int64_t set_of(int64_t row) const;
  /// Numbers of each row of a set.
  int64_t label_width(int64_t set = 0) const { return at(set).label_width; }
  /// [label_width]
  const float* labels(int64_t row) const {
    const Set& set = at(set_of(row));
    return labels_.const_data_ptr<float>() + set.labels_begin + (row - set.first) * set.label_width;
  }
  /// The rows of a set, counted from its first.
  LossData for_loss(int64_t set = 0) const {
    const Set& of = at(set);
    return {of.rows,
            {row_offsets_.const_data_ptr<int32_t>() + of.first, static_cast<size_t>(of.rows + 1)},
            of.label_width,
            labels_.const_data_ptr<float>() + of.labels_begin};
  }
  /// What it holds.
  int64_t bytes() const;

  static int64_t live();
  ~Dataset();
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

 private:
  struct Set {
    int64_t first, rows, label_width, labels_begin;
  };
  const Set& at(int64_t set) const { return sets_[static_cast<size_t>(set)]; }

  at::Tensor ids_, offsets_, columns_, row_offsets_, labels_, unpooled_;
  std::vector<Set> sets_;
  int64_t texts_, tokens_, rows_, longest_text_ = 0, empty_text_ = -1;
  int32_t largest_id_ = 0;
};

}  // namespace vectune
