#pragma once
#include "js_errors.h"

namespace vectune::binding {

/// Exports a function that throws its errors.
template <Callback function>
void export_function(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), &throwing<function>, name));
}

/// Exports a function that returns a promise, and rejects it with its errors.
template <Callback function>
void export_async_function(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), &rejecting<function>, name));
}

}  // namespace vectune::binding
