#include "cpu/kernels/registry.h"

namespace vectune::kernels::VECTUNE_SIMD {

const Table& table() {
  static const Table filled = [] {
#ifdef VECTUNE_BASE
    Table t = VECTUNE_BASE::table();
#ifdef __AVX512BF16__
    register_attention(t);
#else
    register_quantise(t);
    register_search(t);
#endif
#else
    Table t{};
    register_embedding(t);
    register_residual_norm(t);
    register_attention(t);
    register_activation(t);
    register_gate(t);
    register_norm(t);
    register_normed_residual(t);
    register_head_norms(t);
    register_residual(t);
    register_rotate(t);
    register_elementwise(t);
    register_quantise(t);
    register_search(t);
#endif
    register_product(t);
    return t;
  }();
  return filled;
}

}  // namespace vectune::kernels::VECTUNE_SIMD
