#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace vectune {

/// A 64-bit checksum of a stream of bytes, fast enough to cost nothing beside a disk. Each 8-byte word goes through
/// bijections only, so that damage within one word is found with certainty and any other but once in 2^64. Against
/// accidents, not against forgers.
class Fingerprint {
 public:
  void add(const void* data, size_t bytes);
  uint64_t value() const;
  /// 16 hexadecimal digits.
  std::string text() const;

 private:
  static constexpr size_t kLanes = 4, kStripe = kLanes * sizeof(uint64_t);
  void stripe(const unsigned char* from);

  uint64_t lanes_[kLanes] = {1, 2, 3, 4};
  unsigned char rest_[kStripe] = {};
  size_t held_ = 0;
  uint64_t length_ = 0;
};

/// The checksum of a file's content; Error(kFile). `go_on` is asked between pieces and may throw.
Fingerprint fingerprint_of_file(const std::string& path, void (*go_on)());

}  // namespace vectune
