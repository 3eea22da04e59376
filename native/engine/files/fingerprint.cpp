#include "files/fingerprint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/errors.h"
#include "runtime/split_mix.h"

namespace vectune {

void Fingerprint::stripe(const unsigned char* from) {
  for (size_t i = 0; i < kLanes; ++i) {
    uint64_t word;
    std::memcpy(&word, from + i * sizeof word, sizeof word);
    uint64_t x = (lanes_[i] ^ word) * 0x9e3779b97f4a7c15ull;
    lanes_[i] = x ^ (x >> 32);
  }
}

void Fingerprint::add(const void* data, size_t bytes) {
  const auto* from = static_cast<const unsigned char*>(data);
  length_ += bytes;
  if (held_ > 0) {
    const size_t taken = std::min(bytes, kStripe - held_);
    std::memcpy(rest_ + held_, from, taken);
    held_ += taken, from += taken, bytes -= taken;
    if (held_ < kStripe) return;
    stripe(rest_);
    held_ = 0;
  }
  for (; bytes >= kStripe; from += kStripe, bytes -= kStripe) stripe(from);
  if (bytes > 0) std::memcpy(rest_, from, bytes);
  held_ = bytes;
}

uint64_t Fingerprint::value() const {
  Fingerprint end = *this;
  if (held_ > 0) {
    std::memset(end.rest_ + held_, 0, kStripe - held_);  // the length tells zeros that were there from these
    end.stripe(end.rest_);
  }
  uint64_t value = split_mix(length_);
  for (const uint64_t lane : end.lanes_) value = split_mix(value ^ lane);
  return value;
}

std::string Fingerprint::text() const {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value()));
  return digits;
}

Fingerprint fingerprint_of_file(const std::string& path, void (*go_on)()) {
  const auto fail = [&] { throw Error(ErrorCode::kFile, "Cannot read '" + path + "': " + std::strerror(errno) + "."); };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail();
  struct Close {
    int fd;
    ~Close() { ::close(fd); }
  } close{fd};
  Fingerprint fingerprint;
  std::vector<unsigned char> piece(size_t{1} << 20);
  for (;;) {
    go_on();
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail();
    if (got == 0) return fingerprint;
    fingerprint.add(piece.data(), static_cast<size_t>(got));
  }
}

}  // namespace vectune
