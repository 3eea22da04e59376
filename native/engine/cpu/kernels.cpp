#include "cpu/kernels.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/profile.h"

namespace vectune::kernels {

namespace plain {
const Table& table();
}
#ifdef VECTUNE_X86
namespace avx2 {
const Table& table();
}
namespace avx512 {
const Table& table();
}
namespace avx512_vnni {
const Table& table();
}
namespace avx512_bf16 {
const Table& table();
}
#endif

SimdLevel simd_level() {
  static const SimdLevel level = [] {
#ifdef VECTUNE_X86
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    const char* asked = std::getenv("ATEN_CPU_CAPABILITY");
    const std::string limit = asked ? asked : "";
    if (limit == "default" || !has_avx2) return SimdLevel::kPlain;
    if (limit == "avx2" || !has_avx512) return SimdLevel::kAvx2;
    if (!__builtin_cpu_supports("avx512vnni")) return SimdLevel::kAvx512;
    return __builtin_cpu_supports("avx512bf16") ? SimdLevel::kAvx512Bf16 : SimdLevel::kAvx512Vnni;
#else
    return SimdLevel::kPlain;
#endif
  }();
  return level;
}

const Table& table(SimdLevel level) {
#ifdef VECTUNE_X86
  if (level == SimdLevel::kAvx512Bf16) return avx512_bf16::table();
  if (level == SimdLevel::kAvx512Vnni) return avx512_vnni::table();
  if (level == SimdLevel::kAvx512) return avx512::table();
  if (level == SimdLevel::kAvx2) return avx2::table();
#endif
  (void)level;
  return plain::table();
}

namespace {

const Table& chosen() {
  static const Table& best = table(simd_level());
  return best;
}

/// A kernel of the chosen table, timed: `Group` picks fp32, bf16_ or common out of the table, `Kernel` its entry.
template <auto Group, auto Kernel, profile::Phase phase, typename Result, typename... Args>
Result timed(Args... args) {
  const profile::Scope scope(phase);
  return (chosen().*Group.*Kernel)(args...);
}

template <auto Group, auto Kernel, profile::Phase phase, typename Result, typename... Args>
void time_entry(Result (*&entry)(Args...)) {
  entry = timed<Group, Kernel, phase, Result, Args...>;
}

template <auto Group, typename T>
void time_group(Kernels<T>& k) {
  k.product = (chosen().*Group).product;  // Gemm has clocks of its own, around a library's products too
  time_entry<Group, &Kernels<T>::embedding_forward, profile::kEmbedding>(k.embedding_forward);
  time_entry<Group, &Kernels<T>::residual_norm_forward, profile::kNorm>(k.residual_norm_forward);
  time_entry<Group, &Kernels<T>::residual_norm_backward, profile::kNorm>(k.residual_norm_backward);
  time_entry<Group, &Kernels<T>::attention_forward, profile::kAttention>(k.attention_forward);
  time_entry<Group, &Kernels<T>::attention_backward, profile::kAttention>(k.attention_backward);
  time_entry<Group, &Kernels<T>::bias_activation_forward, profile::kActivation>(k.bias_activation_forward);
  time_entry<Group, &Kernels<T>::bias_activation_backward, profile::kActivation>(k.bias_activation_backward);
  time_entry<Group, &Kernels<T>::norm_forward, profile::kNorm>(k.norm_forward);
  time_entry<Group, &Kernels<T>::norm_backward, profile::kNorm>(k.norm_backward);
  time_entry<Group, &Kernels<T>::residual_forward, profile::kNorm>(k.residual_forward);
  time_entry<Group, &Kernels<T>::residual_backward, profile::kNorm>(k.residual_backward);
  time_entry<Group, &Kernels<T>::normed_residual_forward, profile::kNorm>(k.normed_residual_forward);
  time_entry<Group, &Kernels<T>::normed_residual_backward, profile::kNorm>(k.normed_residual_backward);
  time_entry<Group, &Kernels<T>::rotate, profile::kAttention>(k.rotate);
  time_entry<Group, &Kernels<T>::head_norms_forward, profile::kAttention>(k.head_norms_forward);
  time_entry<Group, &Kernels<T>::head_norms_backward, profile::kAttention>(k.head_norms_backward);
  time_entry<Group, &Kernels<T>::gate_forward, profile::kActivation>(k.gate_forward);
  time_entry<Group, &Kernels<T>::gate_backward, profile::kActivation>(k.gate_backward);
  time_entry<Group, &Kernels<T>::column_sum, profile::kOther>(k.column_sum);
  time_entry<Group, &Kernels<T>::add, profile::kOther>(k.add);
  time_entry<Group, &Kernels<T>::store, profile::kOther>(k.store);
}

/// The chosen kernels behind clocks, so that the passes that call them need not know of profiling.
const Table& timed_table() {
  static const Table wrapped = [] {
    Table t{};
    time_group<&Table::fp32>(t.fp32);
    time_group<&Table::bf16_>(t.bf16_);
    CommonKernels& c = t.common;
    time_entry<&Table::common, &CommonKernels::embedding_lookup, profile::kEmbedding>(c.embedding_lookup);
    time_entry<&Table::common, &CommonKernels::embedding_backward, profile::kEmbedding>(c.embedding_backward);
    time_entry<&Table::common, &CommonKernels::embedding_scatter, profile::kEmbedding>(c.embedding_scatter);
    time_entry<&Table::common, &CommonKernels::bag_forward, profile::kEmbedding>(c.bag_forward);
    time_entry<&Table::common, &CommonKernels::bag_backward, profile::kEmbedding>(c.bag_backward);
    time_entry<&Table::common, &CommonKernels::adamw, profile::kAdamW>(c.adamw);
    time_entry<&Table::common, &CommonKernels::to_bf16, profile::kOther>(c.to_bf16);
    time_entry<&Table::common, &CommonKernels::quantise_weights, profile::kOther>(c.quantise_weights);
    time_entry<&Table::common, &CommonKernels::quantise_rows, profile::kOther>(c.quantise_rows);
    c.quantised_bytes = chosen().common.quantised_bytes;
    c.int8_pack = chosen().common.int8_pack;
    time_entry<&Table::common, &CommonKernels::int8_forward, profile::kGemmForward>(c.int8_forward);
    time_entry<&Table::common, &CommonKernels::search_pack, profile::kOther>(c.search_pack);
    time_entry<&Table::common, &CommonKernels::search_pack_int8, profile::kOther>(c.search_pack_int8);
    time_entry<&Table::common, &CommonKernels::search_pack_bits, profile::kOther>(c.search_pack_bits);
    c.search = chosen().common.search;  // from all threads of a team at once
    c.search_int8 = chosen().common.search_int8;
    c.search_bits = chosen().common.search_bits;
    c.search_scratch = chosen().common.search_scratch;
    time_entry<&Table::common, &CommonKernels::sum_of_squares, profile::kAdamW>(c.sum_of_squares);
    return t;
  }();
  return wrapped;
}

}  // namespace

const Table& table() { return profile::enabled() ? timed_table() : chosen(); }

}  // namespace vectune::kernels
