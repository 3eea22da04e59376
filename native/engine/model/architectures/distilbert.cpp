#include "model/architectures/architectures.h"

namespace vectune {

/// Sanh et al. 2019: no token types (type_vocab_size 0), and attention's output is not dropped.
Architecture distilbert() {
  Architecture plan;
  plan.name = "distilbert";
  plan.prefixes = {"distilbert."};
  plan.drops.attention_out = Architecture::Drops::By::kNone;
  plan.names.layer = "transformer.layer.";
  plan.names.query = "attention.q_lin";
  plan.names.key = "attention.k_lin";
  plan.names.value = "attention.v_lin";
  plan.names.attention_out = "attention.out_lin";
  plan.names.attention_norm = "sa_layer_norm";
  plan.names.up = "ffn.lin1";
  plan.names.down = "ffn.lin2";
  plan.names.output_norm = "output_layer_norm";
  return plan;
}

}  // namespace vectune
