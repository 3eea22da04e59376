#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "fuzz.h"

namespace vectune::fuzz {

/// A file in memory that can be opened by its path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content = {}) : fd_(::memfd_create("vectune-fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
      fail("no memory for a file");
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// An input as a safetensors file. Where its first byte is even, what is before the first zero byte is the header, and
/// its length is put before it, so that mutations reach what is behind that check; else the input is the whole file.
inline std::string safetensors_of(std::string_view input) {
  if (input.empty()) return {};
  const bool framed = (static_cast<unsigned char>(input[0]) & 1) == 0;
  input.remove_prefix(1);
  if (!framed) return std::string(input);
  const size_t end = input.find('\0');
  const std::string_view header = input.substr(0, end), data = end == input.npos ? "" : input.substr(end + 1);
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return file.append(header).append(data);
}

}  // namespace vectune::fuzz
