#include "dataset_binding.h"
#include "device_binding.h"
#include "engine_binding.h"
#include "environment.h"
#include "libtorch_check.h"
#include "model_binding.h"
#include "search_binding.h"
#include "trainer_binding.h"

namespace vectune::binding {
namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  check_libtorch(env);
  keep_loaded();
  Environment::open(env);
  export_engine_functions(exports);
  export_device_functions(exports);
  export_model_functions(exports);
  export_dataset_functions(exports);
  export_trainer_functions(exports);
  export_search_functions(exports);
  return exports;
}

NODE_API_MODULE(vectune, initialise)

}  // namespace
}  // namespace vectune::binding
