#pragma once
#include <optional>
#include <string>

namespace vectune {

/// An exclusive lock on a file, held by this object. The kernel gives it up with the process, however that ends, so
/// a lock file whose owner is gone never stands in the way; its text tells who has, or had, the lock: JSON with pid,
/// host and since (seconds since 1970).
class FileLock {
 public:
  /// Makes the file where there is none; nullopt where the lock is taken. Error(kFile).
  static std::optional<FileLock> take(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace vectune
