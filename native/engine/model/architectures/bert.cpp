#include "model/architectures/architectures.h"

namespace vectune {

/// Devlin et al. 2018.
Architecture bert() {
  Architecture plan;
  plan.name = "bert";
  plan.prefixes = {"bert."};
  plan.names.layer = "encoder.layer.";
  plan.names.query = "attention.self.query";
  plan.names.key = "attention.self.key";
  plan.names.value = "attention.self.value";
  plan.names.attention_out = "attention.output.dense";
  plan.names.attention_norm = "attention.output.LayerNorm";
  plan.names.up = "intermediate.dense";
  plan.names.down = "output.dense";
  plan.names.output_norm = "output.LayerNorm";
  return plan;
}

}  // namespace vectune
