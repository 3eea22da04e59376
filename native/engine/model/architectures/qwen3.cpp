#include "model/architectures/architectures.h"

namespace vectune {

/// Yang et al. 2025: a decoder, whose tokens see those before them; root mean square norms before the parts, and of
/// each head of queries and keys; fewer heads of keys and values than of queries; a gate; no biases; rotary positions.
Architecture qwen3() {
  Architecture plan;
  plan.name = "qwen3";
  plan.prefixes = {"model."};
  plan.positions = Architecture::Positions::kRotary;
  plan.norm_place = Architecture::NormPlace::kBefore;
  plan.norm_kind = NormKind::kRms;
  plan.gate = Architecture::Gate::kSecond;
  plan.biases = {false, false, false, false, false};
  plan.drops = {Architecture::Drops::By::kNone, false, false, false};
  plan.names.words = "embed_tokens";
  plan.names.embedding_norm = "";
  plan.names.layer = "layers.";
  plan.names.query = "self_attn.q_proj";
  plan.names.key = "self_attn.k_proj";
  plan.names.value = "self_attn.v_proj";
  plan.names.query_norm = "self_attn.q_norm";
  plan.names.key_norm = "self_attn.k_norm";
  plan.names.attention_out = "self_attn.o_proj";
  plan.names.attention_norm = "input_layernorm";
  plan.names.up = "mlp.up_proj";
  plan.names.gate = "mlp.gate_proj";
  plan.names.down = "mlp.down_proj";
  plan.names.output_norm = "post_attention_layernorm";
  plan.names.final_norm = "norm";
  return plan;
}

}  // namespace vectune
