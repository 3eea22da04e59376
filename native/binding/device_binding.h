#pragma once
#include "napi_setup.h"

namespace vectune::binding {

/// Sets the functions of lib/native/addon.ts that concern GPUs: which there are, and their memory.
void export_device_functions(Napi::Object exports);

}  // namespace vectune::binding
