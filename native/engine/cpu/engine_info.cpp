#include "cpu/engine_info.h"

#include <dlfcn.h>

#include <cstdint>

#include "cpu/gemm.h"
#include "cpu/kernels.h"
#include "cpu/quantised.h"
#include "runtime/engine_thread.h"
#include "runtime/errors.h"

namespace vectune {
namespace {

std::string simd_name(kernels::SimdLevel level) {
  switch (level) {
    case kernels::SimdLevel::kAvx512Bf16: return "avx512_bf16";
    case kernels::SimdLevel::kAvx512Vnni: return "avx512_vnni";
    case kernels::SimdLevel::kAvx512: return "avx512";
    case kernels::SimdLevel::kAvx2: return "avx2";
    case kernels::SimdLevel::kPlain: return "plain";
  }
  return "plain";
}

}  // namespace

bool processor_has_bf16() {
  // Whatever has AMX has these too; what limits LibTorch's kernels limits both.
  return kernels::simd_level() == kernels::SimdLevel::kAvx512Bf16;
}

// One byte each for major, minor and patch stand at the top: 0x020b0000… is 2.11.0.
std::string libtorch_version() {
  using Version = uint64_t (*)();
  const auto version = reinterpret_cast<Version>(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"));
  if (!version) throw Error(ErrorCode::kNative, "The loaded LibTorch does not tell its version.");
  const uint64_t number = version();
  return std::to_string(number >> 56 & 0xff) + "." + std::to_string(number >> 48 & 0xff) + "." +
         std::to_string(number >> 40 & 0xff);
}

EngineInfo engine_info() {
  return {libtorch_version(),   simd_name(kernels::simd_level()),    gemm_library(),
          processor_has_bf16(), cpu::QuantisedMatrices::supported(), threads()};
}

}  // namespace vectune
