#include "nn/texts.h"

#include <algorithm>
#include <string>

#include "runtime/errors.h"

namespace vectune {

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::kInvalidArgument, message); }

}  // namespace

void check_texts(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts, bool may_be_empty) {
  if (offsets[0] != 0) refuse("offsets[0] must be 0; found " + std::to_string(offsets[0]) + ".");
  for (int64_t text = 0; text < texts; ++text) {
    if (may_be_empty ? offsets[text + 1] < offsets[text] : offsets[text + 1] <= offsets[text]) {
      refuse("Text " + std::to_string(text) +
             (may_be_empty ? " ends before it begins; its offsets are "
                           : " must have at least one token; its offsets are ") +
             std::to_string(offsets[text]) + " and " + std::to_string(offsets[text + 1]) + ".");
    }
  }
  if (offsets[texts] != tokens) {
    refuse("The last offset must be the number of ids, " + std::to_string(tokens) + "; found " +
           std::to_string(offsets[texts]) + ".");
  }
  const int32_t* negative = std::find_if(ids, ids + tokens, [](int32_t id) { return id < 0; });
  if (negative != ids + tokens) {
    const int64_t text = std::upper_bound(offsets, offsets + texts + 1, negative - ids) - offsets - 1;
    refuse("Text " + std::to_string(text) + " has the negative token id " + std::to_string(*negative) + ".");
  }
}

Texts Texts::of(const int32_t* ids, const int32_t* offsets, int64_t count, int64_t unpooled) {
  return {
      count,
      [=](int64_t t) { return Text{ids + offsets[t], offsets[t + 1] - offsets[t], static_cast<int32_t>(t), unpooled}; },
      nullptr, unpooled == 0};
}

Texts::Size Texts::size() const {
  Size size;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = text(i).length;
    size.tokens += length;
    size.longest = std::max(size.longest, length);
    size.shortest = i == 0 ? length : std::min(size.shortest, length);
  }
  return size;
}

void Texts::lay_out(const EncoderSpec& spec, const Rows& to) const {
  int64_t row = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Text t = text(i);
    to.starts[i] = static_cast<int32_t>(row);
    if (to.indices) to.indices[i] = t.index;
    if (to.lengths) to.lengths[i] = static_cast<int32_t>(t.length);
    if (to.unpooled) to.unpooled[i] = static_cast<int32_t>(std::max<int64_t>(0, std::min(t.unpooled, t.length - 1)));
    write_positions(spec, t.ids, t.length, to.positions + row);
    for (int64_t token = 0; token < t.length; ++token, ++row) {
      to.ids[row] = remap ? remap[t.ids[token]] : t.ids[token];
      if (to.row_keys)
        to.row_keys[row] = static_cast<uint64_t>(static_cast<uint32_t>(t.index)) << 32 | static_cast<uint64_t>(token);
      if (to.text_of_row) to.text_of_row[row] = static_cast<int32_t>(i);
    }
  }
  to.starts[count] = static_cast<int32_t>(row);
}

}  // namespace vectune
