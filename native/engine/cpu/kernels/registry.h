#pragma once
#include "cpu/kernels.h"

// Every file of this folder puts its kernels into the table of the instruction set it is compiled for.
namespace vectune::kernels::VECTUNE_SIMD {

void register_embedding(Table& t);
void register_residual_norm(Table& t);
void register_attention(Table& t);
void register_activation(Table& t);
void register_elementwise(Table& t);
void register_quantise(Table& t);
void register_product(Table& t);

const Table& table();

}  // namespace vectune::kernels::VECTUNE_SIMD
