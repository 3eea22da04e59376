// What is told of a driver that cannot be used, by a driver that fails (test/gpu/emulated/libcuda.cpp). Each time in a
// process of its own: the driver is asked once.
#include <dlfcn.h>
#include <link.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "check.h"
#include "runtime/engine_thread.h"
#include "tiny_models.h"
#include "torch/gpus.h"

using namespace vectune;
namespace fs = std::filesystem;

namespace {

constexpr const char* kTell = "VECTUNE_TEST_TELL_GPUS";

/// As the other process: what the driver knows and what is missing.
void tell() {
  dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
  EngineThread::instance().run([] {
    const device::Gpus& found = device::gpus();
    CHECK(found.all.empty());
    std::printf("CUDA %s: %s\n", found.driver.c_str(), found.reason.c_str());
  });
}

/// What this program tells of the GPUs, started once more with `variables`; `libraries` are looked through before all
/// others.
std::string told_with(const std::string& variables, const fs::path& libraries) {
  const char* others = std::getenv("LD_LIBRARY_PATH");
  const std::string command = variables + " " + kTell + "=1 LD_LIBRARY_PATH='" + libraries.string() + ":" +
                              (others ? others : "") + "' '" + fs::read_symlink("/proc/self/exe").string() +
                              "' a_driver_that_cannot_be_used";
  FILE* child = popen(command.c_str(), "r");
  REQUIRE(child != nullptr);
  std::string output;
  for (int c; (c = std::getc(child)) != EOF;) output += static_cast<char>(c);
  const int status = pclose(child);
  const bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!passed) std::printf("%s", output.c_str());
  REQUIRE(passed);
  return output;
}

/// A folder with files of other names for libraries that there are.
class Libraries {
 public:
  Libraries() : folder_(tiny::temporary("libraries")) {
    fs::remove(folder_);
    fs::create_directory(folder_);
  }
  ~Libraries() { fs::remove_all(folder_); }
  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;

  void add(const char* name, const fs::path& file) const { fs::create_symlink(file, folder_ / name); }
  const fs::path& folder() const { return folder_; }

 private:
  const fs::path folder_;
};

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) std::printf("  \"%s\" has no \"%s\"\n", text.c_str(), part.c_str());
  return found;
}

}  // namespace

TEST(a_driver_that_cannot_be_used_is_told_with_the_reason_that_it_gives) {
  if (std::getenv(kTell)) return tell();
  const std::string no_library = "LibTorch's library libtorch_cuda.so is not loaded";
  const fs::path driver = VECTUNE_EMULATED_LIBCUDA;
  {
    const Libraries with;
    with.add("libcuda.so.1", driver);
    std::string told = told_with("VECTUNE_EMULATED_DRIVER=start", with.folder());
    CHECK(has(told,
              "CUDA 12.4: the NVIDIA driver does not start: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803), system has "
              "unsupported"));
    CHECK(has(told, no_library));
    told = told_with("VECTUNE_EMULATED_DRIVER=count", with.folder());
    CHECK(has(told, "the NVIDIA driver counts no GPUs: CUDA_ERROR_NOT_INITIALIZED (3), initialization error"));
    told = told_with("VECTUNE_EMULATED_GPUS=0", with.folder());
    CHECK(has(told, "the NVIDIA driver sees no GPU (CUDA_VISIBLE_DEVICES can hide them)"));
    told = told_with("VECTUNE_EMULATED_GPUS=2", with.folder());
    CHECK(has(told, "CUDA 12.4: " + no_library));  // with the driver all is well
    with.add("libtorch_cuda.so", driver);
    told = told_with("VECTUNE_EMULATED_GPUS=2", with.folder());
    CHECK(has(told,
              "the NVIDIA driver sees 2 GPUs, but LibTorch none: the driver knows CUDA 12.4, and LibTorch may need a "
              "newer one"));
    CHECK(told.find(no_library) == std::string::npos);
  }
  link_map* other = nullptr;
  void* const c10 = dlopen("libc10.so", RTLD_LAZY | RTLD_NOLOAD);
  REQUIRE(c10 && dlinfo(c10, RTLD_DI_LINKMAP, &other) == 0);
  const Libraries with;
  with.add("libcuda.so.1", other->l_name);
  CHECK(
      has(told_with("", with.folder()), "the library libcuda.so.1 is not the NVIDIA driver's: functions are missing"));
}
