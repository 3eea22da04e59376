#pragma once
#include <cstdint>
#include <optional>

#include "model/spec.h"
#include "nn/dropout.h"

namespace vectune {

/// Dropout of one pass: probabilities and what seeds them; all zero in evaluation.
struct DropoutPlan {
  float hidden = 0.0f, attention = 0.0f;
  float attention_out = 0.0f;  // of what attention adds to the stream
  uint32_t seed = 0, epoch = 0;
  float gated = 0.0f;           // of what comes out of a gate
  bool drops_output = true;     // `hidden` of what the feed-forward part adds
  bool drops_embedding = true;  // and of the embeddings

  /// The model's own probabilities, or `replacement` in place of both.
  static DropoutPlan of(const EncoderSpec& spec, std::optional<float> replacement, uint32_t seed, uint32_t epoch);

  /// Four for each layer; that of the embedding is the first layer's alone, and kGated the place of it in the next one.
  enum Site { kEmbedding, kAttention, kAttentionOut, kOutput, kGated };
  Dropout at(int64_t layer, Site site) const;
  bool on() const { return hidden > 0.0f || attention > 0.0f; }
};

}  // namespace vectune
