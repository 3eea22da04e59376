#pragma once
#include <string>
#include <vector>

#include "dynamic_library.h"

namespace vectune::loader {

struct Opened {
  std::vector<std::string> paths;
  /// "2.11.0", as the library tells it; empty where it does not.
  std::string version;
};

/// Opens LibTorch's libraries in `folder` by absolute path, in the order that makes CUDA known to LibTorch before
/// anything asks for it. They stay open for the life of the process; where one fails, those opened before it by this
/// call are let go again. Throws OpenError.
Opened open_libtorch(const std::string& folder, bool cuda);

/// Paths of all LibTorch libraries that the process has mapped, whoever opened them.
std::vector<std::string> mapped_libtorch();

}  // namespace vectune::loader
