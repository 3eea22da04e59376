#include "model/architectures/architectures.h"

namespace vectune {

/// Warner et al. 2024: norms before the parts, but for the first layer's attention, which reads the embeddings' norm; a
/// gate; no biases; rotary positions, with another theta in the layers that see a window of the text.
Architecture modernbert() {
  Architecture plan;
  plan.name = "modernbert";
  plan.prefixes = {"model."};
  plan.positions = Architecture::Positions::kRotary;
  plan.norm_place = Architecture::NormPlace::kBefore;
  plan.first_attention_norm = false;
  plan.gate = Architecture::Gate::kFirst;
  plan.biases = {false, false, false, false, false};
  plan.drops = {Architecture::Drops::By::kAttention, true, false};
  plan.names.words = "embeddings.tok_embeddings";
  plan.names.embedding_norm = "embeddings.norm";
  plan.names.layer = "layers.";
  plan.names.query = "attn.Wqkv";
  plan.names.attention_out = "attn.Wo";
  plan.names.attention_norm = "attn_norm";
  plan.names.up = "mlp.Wi";
  plan.names.down = "mlp.Wo";
  plan.names.output_norm = "mlp_norm";
  plan.names.final_norm = "final_norm";
  return plan;
}

}  // namespace vectune
