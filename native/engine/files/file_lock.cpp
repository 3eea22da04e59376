#include "files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "files/json.h"
#include "runtime/errors.h"

namespace vectune {

std::optional<FileLock> FileLock::take(const std::string& path) {
  const auto fail = [&] { throw Error(ErrorCode::kFile, "Cannot lock '" + path + "': " + std::strerror(errno) + "."); };
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) fail();
  FileLock lock(fd);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) fail();
  }
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string text = "{\"pid\":" + std::to_string(::getpid()) + ",\"host\":" + json::quote(host) +
                           ",\"since\":" + std::to_string(std::time(nullptr)) + "}\n";
  if (::ftruncate(fd, 0) != 0) fail();
  if (::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) fail();
  return lock;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace vectune
