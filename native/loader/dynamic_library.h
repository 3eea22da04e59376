#pragma once
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vectune::loader {

/// A library could not be opened; what() is the dynamic linker's own text.
struct OpenError : std::runtime_error {
  OpenError(std::string library, const std::string& reason) : std::runtime_error(reason), path(std::move(library)) {}
  std::string path;
};

/// What the system's dynamic linker does: dynamic_library_posix.cpp (Linux, macOS), dynamic_library_windows.cpp.

/// File of a library of this name: libc10.so, libc10.dylib, c10.dll.
std::string library_file(const std::string& name);

/// Opens a library by absolute path, with all that it needs. Throws OpenError.
void* open_library(const std::string& path);
void close_library(void* library);

/// Address of an exported symbol; nullptr where the library has none of this name.
void* find_symbol(void* library, const char* name);

/// Paths of all libraries that the process has mapped.
std::vector<std::string> mapped_files();

}  // namespace vectune::loader
