#pragma once
#include "napi_setup.h"

namespace vectune::binding {

/// Throws a JavaScript error with code ERR_LIBTORCH_VERSION unless the LibTorch in the process is the one that this
/// addon was compiled against: its C++ interface changes with every release.
void check_libtorch(Napi::Env env);

/// Keeps the addon mapped when Node unloads it with the worker that loaded it: the engine thread runs its code.
void keep_loaded();

}  // namespace vectune::binding
