#ifdef _WIN32
#include "dynamic_library.h"

#include <windows.h>
// After windows.h, whose types it uses.
#include <psapi.h>

#include <algorithm>

namespace vectune::loader {
namespace {

std::wstring wide(const std::string& text) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), nullptr, 0);
  std::wstring result(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), static_cast<int>(text.size()), result.data(), length);
  return result;
}

std::string narrow(const wchar_t* text, size_t size) {
  const int length = WideCharToMultiByte(CP_UTF8, 0, text, static_cast<int>(size), nullptr, 0, nullptr, nullptr);
  std::string result(static_cast<size_t>(length), '\0');
  WideCharToMultiByte(CP_UTF8, 0, text, static_cast<int>(size), result.data(), length, nullptr, nullptr);
  return result;
}

std::string reason(DWORD error) {
  wchar_t* text = nullptr;
  const DWORD flags = FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS;
  const DWORD size = FormatMessageW(flags, nullptr, error, 0, reinterpret_cast<wchar_t*>(&text), 0, nullptr);
  std::string result = size > 0 ? narrow(text, size) : "";
  LocalFree(text);
  while (!result.empty() && (result.back() == '\n' || result.back() == '\r')) result.pop_back();
  return result + " (" + std::to_string(error) + ")";
}

}  // namespace

std::string library_file(const std::string& name) { return name + ".dll"; }

void* open_library(const std::string& path) {
  std::wstring file = wide(path);
  std::replace(file.begin(), file.end(), L'/', L'\\');  // the search flags ask for it
  // What it needs is looked for beside it and in the system's folders: not on PATH, nor in the folder of the process.
  const DWORD flags = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
  if (HMODULE library = LoadLibraryExW(file.c_str(), nullptr, flags)) return library;
  throw OpenError(path, reason(GetLastError()));
}

void close_library(void* library) { FreeLibrary(static_cast<HMODULE>(library)); }

void* find_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

std::vector<std::string> mapped_files() {
  std::vector<HMODULE> modules(256);
  for (;;) {
    DWORD bytes = 0;
    const DWORD room = static_cast<DWORD>(modules.size() * sizeof(HMODULE));
    if (!EnumProcessModules(GetCurrentProcess(), modules.data(), room, &bytes)) return {};
    modules.resize(bytes / sizeof(HMODULE));
    if (bytes <= room) break;
  }
  std::vector<std::string> paths;
  std::vector<wchar_t> name(32768);  // the longest path there is
  for (HMODULE module : modules) {
    const DWORD size = GetModuleFileNameW(module, name.data(), static_cast<DWORD>(name.size()));
    if (size > 0) paths.push_back(narrow(name.data(), size));
  }
  return paths;
}

}  // namespace vectune::loader
#endif
