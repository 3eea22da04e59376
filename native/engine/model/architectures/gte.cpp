#include "model/architectures/architectures.h"

namespace vectune {

/// Zhang et al. 2024 (mGTE): rotary positions and a gate, whose product alone has no bias, and which is dropped out.
/// The names are transformers', and the former ones those of the code in the model's repository ("new").
Architecture gte() {
  Architecture plan;
  plan.name = "gte";
  plan.prefixes = {"gte.", "new."};
  plan.positions = Architecture::Positions::kRotary;
  plan.gate = Architecture::Gate::kSecond;
  plan.biases.up = false;
  plan.drops.gated = true;
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
  plan.former.replace = {{"encoder.layer.", "layers."},
                         {"attention.o_proj.", "self_attn.o_proj."},
                         {"attn_ln.", "post_attention_layernorm."},
                         {"mlp_ln.", "post_mlp_layernorm."}};
  plan.former.joined = {{".attention.qkv_proj.", {".self_attn.q_proj.", ".self_attn.k_proj.", ".self_attn.v_proj."}},
                        {".mlp.up_gate_proj.", {".mlp.up_proj.", ".mlp.gate_proj."}}};
  return plan;
}

}  // namespace vectune
