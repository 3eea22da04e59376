#ifndef _WIN32
#include "dynamic_library.h"

#include <dlfcn.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <link.h>
#endif

namespace vectune::loader {

std::string library_file(const std::string& name) {
#ifdef __APPLE__
  return "lib" + name + ".dylib";
#else
  return "lib" + name + ".so";
#endif
}

void* open_library(const std::string& path) {
  // NOW: a missing symbol is an error here and not a crash in the middle of a training run.
  // GLOBAL: LibTorch's libraries, and the engine, find each other's symbols whoever asks.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library != nullptr) return library;
  const char* reason = dlerror();
  throw OpenError(path, reason ? reason : "the dynamic linker gave no reason");
}

void close_library(void* library) { dlclose(library); }

void* find_symbol(void* library, const char* name) { return dlsym(library, name); }

#ifdef __APPLE__
std::vector<std::string> mapped_files() {
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < _dyld_image_count(); ++i) {
    if (const char* path = _dyld_get_image_name(i)) paths.push_back(path);  // nullptr: unloaded meanwhile
  }
  return paths;
}
#else
std::vector<std::string> mapped_files() {
  std::vector<std::string> paths;
  const auto collect = [](dl_phdr_info* info, size_t, void* all) {
    if (info->dlpi_name != nullptr) static_cast<std::vector<std::string>*>(all)->push_back(info->dlpi_name);
    return 0;
  };
  dl_iterate_phdr(collect, &paths);
  return paths;
}
#endif

}  // namespace vectune::loader
#endif
