#pragma once
#include <optional>
#include <string>

namespace vectune {

/// An exclusive lock on a file, held by this object. The kernel gives it up with the process, however that ends, so
/// a lock file whose owner is gone never stands in the way; its text tells people who has, or had, the lock.
class FileLock {
 public:
  /// Makes the file where there is none, and writes `text` to it; nullopt where the lock is taken. Error(kFile).
  static std::optional<FileLock> take(const std::string& path, const std::string& text);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace vectune
