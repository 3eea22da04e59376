#include "libraries.h"
#include "napi_setup.h"
#include "open_job.h"

namespace vectune::loader {
namespace {

Napi::Value mapped(const Napi::CallbackInfo& info) {
  const auto paths = mapped_libtorch();
  auto result = Napi::Array::New(info.Env(), paths.size());
  for (uint32_t i = 0; i < paths.size(); ++i) result[i] = Napi::String::New(info.Env(), paths[i]);
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports["open"] = Napi::Function::New(env, open, "open");
  exports["mapped"] = Napi::Function::New(env, mapped, "mapped");
  return exports;
}

NODE_API_MODULE(vectune_loader, initialise)

}  // namespace
}  // namespace vectune::loader
