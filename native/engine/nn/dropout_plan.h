#pragma once
#include <cstdint>
#include <optional>

#include "model/spec.h"
#include "nn/dropout.h"

namespace vectune {

/// Dropout of one pass: probabilities and what seeds them; all zero in evaluation.
struct DropoutPlan {
  float hidden = 0.0f, attention = 0.0f;
  float attention_out = 0.0f;  // as `hidden`, or 0 where the architecture does not drop attention's output
  uint32_t seed = 0, epoch = 0;

  /// The model's own probabilities, or `replacement` in place of both.
  static DropoutPlan of(const EncoderSpec& spec, std::optional<float> replacement, uint32_t seed, uint32_t epoch);

  enum Site { kEmbedding, kAttention, kAttentionOut, kOutput };
  Dropout at(int64_t layer, Site site) const;
  bool on() const { return hidden > 0.0f || attention > 0.0f; }
};

}  // namespace vectune
