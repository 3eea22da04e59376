#pragma once
#include "napi_setup.h"

namespace vectune::binding {

/// Sets the functions of lib/native/addon.ts that concern the engine as a whole: facts, memory, threads.
void export_engine_functions(Napi::Object exports);

}  // namespace vectune::binding
