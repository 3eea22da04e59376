#include "libraries.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdint>

namespace vectune::loader {
namespace {

// Libraries of one `open_libtorch`, let go again unless it succeeds.
class Handles {
 public:
  ~Handles() {
    while (!handles_.empty()) {
      dlclose(handles_.back());
      handles_.pop_back();
    }
  }
  void* open(const std::string& path) {
    // NOW: a missing symbol is an error here and not a crash in the middle of a training run.
    // GLOBAL: LibTorch's libraries, and the engine, find each other's symbols whoever asks.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (handle == nullptr) {
      const char* reason = dlerror();
      throw OpenError(path, reason ? reason : "the dynamic linker gave no reason");
    }
    handles_.push_back(handle);
    return handle;
  }
  void keep() { handles_.clear(); }

 private:
  std::vector<void*> handles_;
};

// One byte each for major, minor and patch stand at the top: 0x020b0000… is 2.11.0.
std::string version_of(void* libtorch_cpu) {
  using Version = uint64_t (*)();
  const auto version = reinterpret_cast<Version>(dlsym(libtorch_cpu, "aoti_torch_abi_version"));
  if (version == nullptr) return "";
  const uint64_t number = version();
  return std::to_string(number >> 56 & 0xff) + "." + std::to_string(number >> 48 & 0xff) + "." +
         std::to_string(number >> 40 & 0xff);
}

bool is_libtorch(const std::string& path) {
  const std::string name = path.substr(path.find_last_of('/') + 1);
  return name.rfind("libtorch_cpu.", 0) == 0 || name.rfind("libc10.", 0) == 0 ||
         name.rfind("libtorch_cuda.", 0) == 0 || name.rfind("libtorch_python.", 0) == 0;
}

int collect(dl_phdr_info* info, size_t, void* paths) {
  if (info->dlpi_name != nullptr && is_libtorch(info->dlpi_name)) {
    static_cast<std::vector<std::string>*>(paths)->push_back(info->dlpi_name);
  }
  return 0;
}

}  // namespace

Opened open_libtorch(const std::string& folder, bool cuda) {
  Handles handles;
  Opened opened;
  opened.paths.push_back(folder + "/libc10.so");
  handles.open(opened.paths.back());
  opened.paths.push_back(folder + "/libtorch_cpu.so");
  opened.version = version_of(handles.open(opened.paths.back()));
  if (cuda) {
    opened.paths.push_back(folder + "/libtorch_cuda.so");
    handles.open(opened.paths.back());
  }
  handles.keep();
  return opened;
}

std::vector<std::string> mapped_libtorch() {
  std::vector<std::string> paths;
  dl_iterate_phdr(collect, &paths);
  return paths;
}

}  // namespace vectune::loader
