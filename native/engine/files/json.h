#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vectune::json {

struct Value;
struct Member;
using Array = std::vector<Value>;
/// Members in the order of the text; names are unique.
using Object = std::vector<Member>;

/// A JSON value. A number without fraction and exponent is an int64_t, exactly; any other is a double.
struct Value {
  std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object> data;

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data);
  }
  /// The kind in words for error messages: "null", "a boolean", "an integer", ...
  const char* kind() const;
};

struct Member {
  std::string name;
  Value value;
};

/// Bounds on what a text may make the reader do; a text that exceeds one is refused.
struct Limits {
  int depth = 16;             // arrays and objects inside one another
  size_t values = 1'000'000;  // values in all, so that a small text cannot become a huge tree
};

class ParseError : public std::runtime_error {
 public:
  ParseError(const std::string& what, size_t offset)
      : std::runtime_error(what + " at byte " + std::to_string(offset)), offset_(offset) {}
  size_t offset() const { return offset_; }

 private:
  size_t offset_;
};

/// Reads one JSON text (RFC 8259), with nothing but white space around it. Stricter than the RFC where it
/// leaves a choice: names in an object are unique, strings are valid UTF-8 without lone surrogates, and an
/// integer fits in 64 bits. Throws ParseError.
Value parse(std::string_view text, const Limits& limits = {});

/// The text as a JSON string with its quotes. The text must be UTF-8.
std::string quote(std::string_view text);

}  // namespace vectune::json
