#include "model/architectures/architectures.h"

namespace vectune {

/// Lan et al. 2019: one layer's parameters for all layers, and embeddings of a width of their own; what the
/// feed-forward part adds is not dropped.
Architecture albert() {
  Architecture plan;
  plan.name = "albert";
  plan.prefixes = {"albert."};
  plan.projection = Architecture::Projection::kAlways;
  plan.shares_layers = true;
  plan.drops.output = false;
  plan.names.projection = "encoder.embedding_hidden_mapping_in";
  plan.names.layer = "encoder.albert_layer_groups.0.albert_layers.0.";
  plan.names.query = "attention.query";
  plan.names.key = "attention.key";
  plan.names.value = "attention.value";
  plan.names.attention_out = "attention.dense";
  plan.names.attention_norm = "attention.LayerNorm";
  plan.names.up = "ffn";
  plan.names.down = "ffn_output";
  plan.names.output_norm = "full_layer_layer_norm";
  return plan;
}

}  // namespace vectune
