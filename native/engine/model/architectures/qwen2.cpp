#include "model/architectures/architectures.h"

namespace vectune {

/// Yang et al. 2024: the decoder before the one that it is written from here, with biases of queries, keys and values
/// and without norms of heads.
Architecture qwen2() {
  Architecture plan = qwen3();
  plan.name = "qwen2";
  plan.biases.qkv = true;
  plan.names.query_norm = "";
  plan.names.key_norm = "";
  return plan;
}

}  // namespace vectune
