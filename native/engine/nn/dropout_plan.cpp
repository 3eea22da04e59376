#include "nn/dropout_plan.h"

#include <algorithm>
#include <cmath>

#include "runtime/split_mix.h"

namespace vectune {

DropoutPlan DropoutPlan::of(const EncoderSpec& spec, std::optional<float> replacement, uint32_t seed, uint32_t epoch) {
  const float hidden = replacement.value_or(spec.hidden_dropout),
              attention = replacement.value_or(spec.attention_dropout);
  using By = Architecture::Drops::By;
  const Architecture::Drops& drops = spec.architecture->drops;
  const float out = drops.attention_out == By::kHidden      ? hidden
                    : drops.attention_out == By::kAttention ? attention
                                                            : 0.0f;
  return {hidden, attention, out, seed, epoch, drops.gated ? hidden : 0.0f, drops.output, drops.embedding};
}

Dropout DropoutPlan::at(int64_t layer, Site site) const {
  const float p = site == kAttention      ? attention
                  : site == kAttentionOut ? attention_out
                  : site == kGated        ? gated
                  : site == kOutput       ? (drops_output ? hidden : 0.0f)
                  : site == kEmbedding    ? (drops_embedding ? hidden : 0.0f)
                                          : hidden;
  if (p <= 0.0f) return {};
  const uint64_t run = split_mix(static_cast<uint64_t>(seed) << 32 | epoch);
  return {split_mix(run + static_cast<uint64_t>(layer) * 4 + static_cast<uint64_t>(site)),
          static_cast<uint32_t>(std::min(4294967295.0, std::round(static_cast<double>(p) * 4294967296.0))),
          1.0f / (1.0f - p), p};
}

}  // namespace vectune
