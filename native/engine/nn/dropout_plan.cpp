#include "nn/dropout_plan.h"

#include <algorithm>
#include <cmath>

#include "runtime/split_mix.h"

namespace vectune {

DropoutPlan DropoutPlan::of(const EncoderSpec& spec, std::optional<float> replacement, uint32_t seed, uint32_t epoch) {
  const float hidden = replacement.value_or(spec.hidden_dropout),
              attention = replacement.value_or(spec.attention_dropout);
  return {hidden, attention, spec.architecture->drops_attention_output ? hidden : 0.0f, seed, epoch};
}

Dropout DropoutPlan::at(int64_t layer, Site site) const {
  const float p = site == kAttention ? attention : site == kAttentionOut ? attention_out : hidden;
  if (p <= 0.0f) return {};
  const uint64_t run = split_mix(static_cast<uint64_t>(seed) << 32 | epoch);
  return {split_mix(run + static_cast<uint64_t>(layer) * 4 + static_cast<uint64_t>(site)),
          static_cast<uint32_t>(std::min(4294967295.0, std::round(static_cast<double>(p) * 4294967296.0))),
          1.0f / (1.0f - p), p};
}

}  // namespace vectune
