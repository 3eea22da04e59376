#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace vectune {

/// Checks texts packed as ids[offsets[i] .. offsets[i+1]): offsets start at 0, rise by at least one token per
/// text and end at `tokens`, and no id is negative. Error(kInvalidArgument) names the text.
void check_texts(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts);

/// Tokenised pairs: one flat buffer of ids; text i is ids[offsets[i] .. offsets[i+1]); texts 2p and
/// 2p+1 are the columns of pair p. Immutable.
class Dataset {
 public:
  /// Copies. Throws Error(kInvalidArgument): texts that `check_texts` refuses, not two texts per score, or a
  /// score that is not finite.
  Dataset(const int32_t* ids, int64_t tokens, const int32_t* offsets, int64_t texts, const float* scores,
          int64_t pairs);

  int64_t pairs() const { return pairs_; }
  int64_t tokens() const { return tokens_; }
  const int32_t* ids() const { return ids_.const_data_ptr<int32_t>(); }
  const int32_t* offsets() const { return offsets_.const_data_ptr<int32_t>(); }
  const float* scores() const { return scores_.const_data_ptr<float>(); }
  int64_t length(int64_t text) const { return offsets()[text + 1] - offsets()[text]; }
  int64_t longest_text() const { return longest_text_; }
  int32_t largest_id() const { return largest_id_; }

  static int64_t live();
  ~Dataset();
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

 private:
  at::Tensor ids_, offsets_, scores_;
  int64_t pairs_, tokens_, longest_text_ = 0;
  int32_t largest_id_ = 0;
};

}  // namespace vectune
