#pragma once
#include "napi_setup.h"

namespace vectune::loader {

/// `open(folder, { cuda })`: a promise of `{ version, paths }`. Mapping LibTorch takes a second, so it is done on a
/// thread of Node's pool and the event loop goes on.
Napi::Value open(const Napi::CallbackInfo& info);

}  // namespace vectune::loader
