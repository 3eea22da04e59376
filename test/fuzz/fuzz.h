#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// A fuzzer of the engine's readers for compilers that bring none (GCC has coverage, not libFuzzer). A target is a
/// function of bytes that must refuse what it cannot use with the errors that it documents; anything else, a signal, a
/// sanitizer's report or a wait included, ends the program, and the input is left in the artifact file.
///
///   FUZZ(json, {"{}", "[1]"}, {"null", "\\u"}) { ... input ... }
namespace vectune::fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view input);
  std::vector<std::string> seeds;
  /// Words that mutations put in.
  std::vector<std::string> words;
};

std::vector<Target>& targets();
bool add(Target target);

/// Ends the program: the target did what it must not do.
[[noreturn]] void fail(const std::string& what);

/// Reads numbers out of an input; beyond its end all are zero.
class Reader {
 public:
  explicit Reader(std::string_view input) : input_(input) {}

  bool done() const { return at_ >= input_.size(); }
  uint8_t byte() { return at_ < input_.size() ? static_cast<uint8_t>(input_[at_++]) : 0; }
  uint32_t word() {
    uint32_t n = 0;
    for (int i = 0; i < 4; ++i) n |= static_cast<uint32_t>(byte()) << (8 * i);
    return n;
  }
  /// Mostly small, sometimes at an edge of 32 or 64 bits.
  int64_t size() {
    static const int64_t edges[] = {0, -1, 1, 2147483647, -2147483648ll, 4294967296ll, INT64_MAX, INT64_MIN, 1 << 28};
    const uint8_t first = byte();
    if (first < 200) return first;
    if (first < 240) return static_cast<int32_t>(word());
    return edges[first % (sizeof edges / sizeof *edges)];
  }
  std::string_view rest() const { return input_.substr(std::min(at_, input_.size())); }

 private:
  std::string_view input_;
  size_t at_ = 0;
};

}  // namespace vectune::fuzz

#define FUZZ(target, seeds, ...)                                                   \
  static void vectune_fuzz_##target(std::string_view);                             \
  [[maybe_unused]] static const bool vectune_fuzz_added_##target =                 \
      ::vectune::fuzz::add({#target, &vectune_fuzz_##target, seeds, __VA_ARGS__}); \
  static void vectune_fuzz_##target(std::string_view input)
