#pragma once
#include "napi_setup.h"

namespace vectune::binding {

/// Sets the functions of lib/native/addon.ts that concern trainers.
void export_trainer_functions(Napi::Object exports);

}  // namespace vectune::binding
