#pragma once
#include <dlfcn.h>

namespace vectune::gpu_test {

/// Opens LibTorch's CUDA library, as the loader does for Node, before anything asks LibTorch about CUDA; it is found as
/// the program's other libraries are. Without it the programs say that there is no GPU.
inline const bool cuda_library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr;

}  // namespace vectune::gpu_test
