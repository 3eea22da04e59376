#pragma once
#include <string>

namespace vectune {

/// Facts of the loaded engine, none of which needs a tensor.
struct EngineInfo {
  std::string libtorch;  // "2.11.0", from the loaded library, not the headers
  std::string simd;      // "avx512_bf16" | "avx512_vnni" | "avx512" | "avx2" | "plain"
  std::string gemm;      // "onednn" | "aten"
  bool bf16;             // bf16 compute is faster than fp32 on this processor
  bool int8;             // int8 products are exact and fast on this processor
  int threads;
};
EngineInfo engine_info();
/// A processor that multiplies bf16 itself, and may: elsewhere bf16 would only be converted to and fro.
bool processor_has_bf16();

/// EngineInfo::libtorch alone; Error(kNative) where the library does not tell it.
std::string libtorch_version();

}  // namespace vectune
