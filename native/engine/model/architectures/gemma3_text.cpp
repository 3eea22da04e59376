#include "model/architectures/architectures.h"

namespace vectune {

/// Gemma Team 2025, and Vera et al. 2025 (EmbeddingGemma), whose tokens see both sides: as qwen3, but for norms around
/// the parts, which multiply by 1 + weight, and words that are scaled; another theta in the layers that see a window of
/// the text.
Architecture gemma3_text() {
  Architecture plan = qwen3();
  plan.name = "gemma3_text";
  plan.norm_place = Architecture::NormPlace::kAround;
  plan.norms_add_one = true;
  plan.scales_words = true;
  plan.names.attention_branch_norm = "post_attention_layernorm";
  plan.names.output_norm = "pre_feedforward_layernorm";
  plan.names.output_branch_norm = "post_feedforward_layernorm";
  return plan;
}

}  // namespace vectune
