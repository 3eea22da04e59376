#include "model/architectures/architectures.h"

namespace vectune {

/// Song et al. 2020: no token types, fairseq's positions (in transformers the padding is 1 there, whatever the
/// configuration says), and a bias of the scores by distance.
Architecture mpnet() {
  Architecture plan;
  plan.name = "mpnet";
  plan.prefixes = {"mpnet."};
  plan.positions = Architecture::Positions::kAfterPad;
  plan.names.relative_bias = "encoder.relative_attention_bias";
  plan.names.layer = "encoder.layer.";
  plan.names.query = "attention.attn.q";
  plan.names.key = "attention.attn.k";
  plan.names.value = "attention.attn.v";
  plan.names.attention_out = "attention.attn.o";
  plan.names.attention_norm = "attention.LayerNorm";
  plan.names.up = "intermediate.dense";
  plan.names.down = "output.dense";
  plan.names.output_norm = "output.LayerNorm";
  return plan;
}

}  // namespace vectune
