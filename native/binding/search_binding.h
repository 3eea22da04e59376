#pragma once
#include "napi_setup.h"

namespace vectune::binding {

/// Sets the functions of lib/engine/addon.ts that search vectors.
void export_search_functions(Napi::Object exports);

}  // namespace vectune::binding
