#include "libraries.h"

#include <cstdint>

namespace vectune::loader {
namespace {

// Libraries of one `open_libtorch`, let go again unless it succeeds.
class Handles {
 public:
  ~Handles() {
    while (!handles_.empty()) {
      close_library(handles_.back());
      handles_.pop_back();
    }
  }
  void* open(const std::string& path) {
    handles_.push_back(open_library(path));
    return handles_.back();
  }
  void keep() { handles_.clear(); }

 private:
  std::vector<void*> handles_;
};

// One byte each for major, minor and patch stand at the top: 0x020b0000… is 2.11.0.
std::string version_of(void* libtorch_cpu) {
  using Version = uint64_t (*)();
  const auto version = reinterpret_cast<Version>(find_symbol(libtorch_cpu, "aoti_torch_abi_version"));
  if (version == nullptr) return "";
  const uint64_t number = version();
  return std::to_string(number >> 56 & 0xff) + "." + std::to_string(number >> 48 & 0xff) + "." +
         std::to_string(number >> 40 & 0xff);
}

bool is_libtorch(const std::string& path) {
  const std::string name = path.substr(path.find_last_of("/\\") + 1);
  for (const char* library : {"c10", "torch_cpu", "torch_cuda", "torch_python"}) {
    const std::string file = library_file(library);
    // Up to the extension: a version may stand between.
    if (name.rfind(file.substr(0, file.find_last_of('.') + 1), 0) == 0) return true;
  }
  return false;
}

}  // namespace

Opened open_libtorch(const std::string& folder, bool cuda) {
  Handles handles;
  Opened opened;
  const auto open = [&](const char* library) {
    opened.paths.push_back(folder + "/" + library_file(library));
    return handles.open(opened.paths.back());
  };
  open("c10");
  opened.version = version_of(open("torch_cpu"));
  if (cuda) open("torch_cuda");
  handles.keep();
  return opened;
}

std::vector<std::string> mapped_libtorch() {
  std::vector<std::string> paths;
  for (std::string& path : mapped_files()) {
    if (is_libtorch(path)) paths.push_back(std::move(path));
  }
  return paths;
}

}  // namespace vectune::loader
