#include "js_errors.h"

namespace vectune::binding {
namespace {

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfMemory: return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kAborted: return "ERR_ABORTED";
    case ErrorCode::kSafetensors: return "ERR_SAFETENSORS";
    case ErrorCode::kFile: return "ERR_FILE";
    case ErrorCode::kDisposed: return "ERR_DISPOSED";
    case ErrorCode::kInvalidArgument: return "ERR_INVALID_ARGUMENT";
    case ErrorCode::kDeviceUnavailable: return "ERR_DEVICE_UNAVAILABLE";
    case ErrorCode::kDeviceLost: return "ERR_DEVICE_LOST";
    case ErrorCode::kNative: return "ERR_NATIVE";
  }
  return "ERR_NATIVE";
}

}  // namespace

Napi::Error to_js(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("code", Napi::String::New(env, name(error.code())));
  return result;
}

Napi::Error current_js_error(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (...) {
    return to_js(env, current_error());
  }
}

}  // namespace vectune::binding
