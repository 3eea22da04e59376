#include "model/architectures/architectures.h"

namespace vectune {

/// Nussbaum et al. 2024: rotary positions and a gate; the norms alone have biases. The names are transformers', and the
/// former ones those of the code in the model's repository.
Architecture nomic_bert() {
  Architecture plan;
  plan.name = "nomic_bert";
  plan.prefixes = bert().prefixes;  // of the model that it was trained as
  plan.prefixes.emplace_back("nomic_bert.");
  plan.positions = Architecture::Positions::kRotary;
  plan.gate = Architecture::Gate::kSecond;
  plan.biases = {false, false, false, false, true};
  plan.names.layer = "layers.";
  plan.names.query = "self_attn.q_proj";
  plan.names.key = "self_attn.k_proj";
  plan.names.value = "self_attn.v_proj";
  plan.names.attention_out = "self_attn.o_proj";
  plan.names.attention_norm = "post_attention_layernorm";
  plan.names.up = "mlp.up_proj";
  plan.names.gate = "mlp.gate_proj";
  plan.names.down = "mlp.down_proj";
  plan.names.output_norm = "post_mlp_layernorm";
  plan.former.replace = {{"encoder.layers.", "layers."},          {"emb_ln.", "embeddings.LayerNorm."},
                         {"attn.out_proj.", "self_attn.o_proj."}, {"mlp.fc11.", "mlp.up_proj."},
                         {"mlp.fc12.", "mlp.gate_proj."},         {"mlp.fc2.", "mlp.down_proj."},
                         {"norm1.", "post_attention_layernorm."}, {"norm2.", "post_mlp_layernorm."}};
  plan.former.joined = {{".attn.Wqkv.", {".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj."}}};
  return plan;
}

}  // namespace vectune
