#include "train/dataset.h"

#include <ATen/Functions.h>

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

void check_texts(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts) {
  if (offsets[0] != 0) refuse("offsets[0] must be 0; found " + std::to_string(offsets[0]) + ".");
  for (int64_t text = 0; text < texts; ++text) {
    if (offsets[text + 1] <= offsets[text]) {
      refuse("Text " + std::to_string(text) + " must have at least one token; its offsets are " +
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

Dataset::Dataset(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts, const float* scores,
                 int64_t pairs)
    : pairs_(pairs), tokens_(tokens) {
  if (texts != 2 * pairs) {
    refuse("A dataset needs two texts for each score; found " + std::to_string(texts) + " texts and " +
           std::to_string(pairs) + " scores.");
  }
  check_texts(ids, tokens, offsets, texts);
  for (int64_t pair = 0; pair < pairs; ++pair) {
    if (!std::isfinite(scores[pair])) refuse("The score of pair " + std::to_string(pair) + " is not a finite number.");
  }
  for (int64_t text = 0; text < texts; ++text) {
    longest_text_ = std::max<int64_t>(longest_text_, offsets[text + 1] - offsets[text]);
  }
  if (tokens > 0) largest_id_ = *std::max_element(ids, ids + tokens);
  ids_ = copy(ids, tokens, at::kInt);
  offsets_ = copy(offsets, texts + 1, at::kInt);
  scores_ = copy(scores, pairs, at::kFloat);
  ++live_datasets;  // last: a constructor that throws has no destructor
}

Dataset::~Dataset() { --live_datasets; }

int64_t Dataset::live() { return live_datasets; }

}  // namespace vectune
