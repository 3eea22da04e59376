#include "kernels.h"

#include <cstdlib>
#include <cstring>
#include <string>

namespace vectune::kernels {

namespace plain { const Table& table(); }
#ifdef VECTUNE_X86
namespace avx2 { const Table& table(); }
namespace avx512 { const Table& table(); }
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
    return SimdLevel::kAvx512;
#else
    return SimdLevel::kPlain;
#endif
  }();
  return level;
}

const Table& table(SimdLevel level) {
#ifdef VECTUNE_X86
  if (level == SimdLevel::kAvx512) return avx512::table();
  if (level == SimdLevel::kAvx2) return avx2::table();
#endif
  (void)level;
  return plain::table();
}

const Table& table() {
  static const Table& chosen = table(simd_level());
  return chosen;
}

}  // namespace vectune::kernels
