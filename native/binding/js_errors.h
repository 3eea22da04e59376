#pragma once
#include "napi_setup.h"
#include "runtime/errors.h"

namespace vectune::binding {

/// A JavaScript Error with `code`, as lib/errors.ts expects it.
Napi::Error to_js(Napi::Env env, const Error& error);

/// The exception in flight as a JavaScript error: one that JavaScript raised stays as it is.
/// Call inside a catch block, on the JavaScript thread.
Napi::Error current_js_error(Napi::Env env);

using Callback = Napi::Value (*)(const Napi::CallbackInfo&);

/// For functions that return a value: an exception becomes a throw.
template <Callback function>
Napi::Value throwing(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (...) {
    throw current_js_error(info.Env());
  }
}

/// For functions that return a promise: an exception, bad arguments included, becomes a rejection.
template <Callback function>
Napi::Value rejecting(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (...) {
    auto deferred = Napi::Promise::Deferred::New(info.Env());
    deferred.Reject(current_js_error(info.Env()).Value());
    return deferred.Promise();
  }
}

}  // namespace vectune::binding
