#include "libtorch_check.h"

#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include <string>

#include "cpu/engine_info.h"

namespace vectune::binding {

void check_libtorch(Napi::Env env) {
  const std::string built = std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR) + "." +
                            std::to_string(TORCH_VERSION_PATCH);
  const std::string loaded = libtorch_version();
  if (loaded == built) return;
  auto error =
      Napi::Error::New(env, "This engine was built for LibTorch " + built + "; the process has loaded LibTorch " +
                                loaded + ". Run `npx vectune libtorch install`, or name the folder of a LibTorch " +
                                built + " by the option or the environment variable for it.");
  error.Set("code", "ERR_LIBTORCH_VERSION");
  throw error;
}

void keep_loaded() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&keep_loaded), &self) != 0) {
    dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);  // its handle is never closed
  }
}

}  // namespace vectune::binding
