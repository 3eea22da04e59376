#pragma once
#include "cpu/kernels.h"

// Every file of this folder puts its kernels into the table of the instruction set it is compiled for. A set that adds
// one instruction to VECTUNE_BASE takes the table of that, and compiles only the files whose kernels use it: VNNI those
// of int8, AVX-512 BF16 those of bf16.
namespace vectune::kernels {

#ifdef VECTUNE_BASE
namespace VECTUNE_BASE {
const Table& table();
}
#endif

namespace VECTUNE_SIMD {

void register_embedding(Table& t);
void register_residual_norm(Table& t);
void register_attention(Table& t);
void register_activation(Table& t);
void register_gate(Table& t);
void register_norm(Table& t);
void register_normed_residual(Table& t);
void register_head_norms(Table& t);
void register_residual(Table& t);
void register_rotate(Table& t);
void register_elementwise(Table& t);
void register_quantise(Table& t);
void register_product(Table& t);
void register_search(Table& t);

const Table& table();

}  // namespace VECTUNE_SIMD
}  // namespace vectune::kernels
