#pragma once
#include <cstdint>
#include <functional>

#include "model/spec.h"

namespace vectune {

/// Checks texts packed as ids[offsets[i] .. offsets[i+1]): offsets start at 0, rise by at least one token per text
/// (with `may_be_empty` none) and end at `tokens`, and no id is negative. Error(kInvalidArgument) names the text.
void check_texts(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts, bool may_be_empty);

/// A text to compute: its token ids, and its index in the data, which dropout's masks are a function of.
struct Text {
  const int32_t* ids;
  int64_t length;
  int32_t index = 0;
  int64_t unpooled = 0;  // tokens at the beginning, a prompt's, that no pooling sees
};

/// Texts to lay one after the other in rows, without padding between them.
struct Texts {
  int64_t count = 0;
  std::function<Text(int64_t)> text;
  const int32_t* remap = nullptr;  // row of the word table of each id; null where it is the id
  bool whole = true;               // no text has tokens that no pooling sees

  /// Text t is ids[offsets[t] .. offsets[t + 1]); of each the first `unpooled` tokens are seen by no pooling.
  static Texts of(const int32_t* ids, const int32_t* offsets, int64_t count, int64_t unpooled = 0);

  struct Size {
    int64_t tokens = 0, longest = 0, shortest = 0;
  };
  Size size() const;
  /// Row of the word table of the padding token; −1 where there is none.
  int64_t pad_row(const EncoderSpec& spec) const {
    return spec.pad_id < 0 || !remap ? spec.pad_id : int64_t{remap[spec.pad_id]};
  }

  /// Where a backend wants the rows, each in memory of its own; null what it does not need.
  struct Rows {
    int32_t *ids = nullptr, *positions = nullptr, *starts = nullptr;  // [tokens], [tokens], [texts + 1]
    uint64_t* row_keys = nullptr;                                     // [tokens], text index << 32 | token
    int32_t* text_of_row = nullptr;                                   // [tokens]
    int32_t *indices = nullptr, *lengths = nullptr;                   // [texts]
    int32_t* unpooled = nullptr;  // [texts], rows at the beginning that no pooling sees: never the last one
  };
  void lay_out(const EncoderSpec& spec, const Rows& to) const;
};

}  // namespace vectune
