// By hand: bounded depth, an int64_t exactly, a name twice refused, and no dependency of the addon; fuzzed (test/fuzz).
#include "files/json.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <locale>
#include <sstream>

namespace vectune::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Reader {
 public:
  Reader(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Value document() {
    skip_space();
    Value root = value(0);
    skip_space();
    if (at_ != text_.size()) fail("Expected the end of the JSON text");
    return root;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw ParseError(what, at_); }
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }

  void skip_space() {
    while (!done() && (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')) ++at_;
  }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* where) {
    if (!take(c)) fail(std::string("Expected '") + c + "' " + where);
  }
  void word(std::string_view w) {
    if (text_.substr(at_, w.size()) != w) fail("Expected a JSON value");
    at_ += w.size();
  }

  Value value(int depth) {
    if (++values_ > limits_.values) fail("More than " + std::to_string(limits_.values) + " JSON values");
    switch (peek()) {
      case '{': return {object(depth + 1)};
      case '[': return {array(depth + 1)};
      case '"': return {string()};
      case 't': word("true"); return {true};
      case 'f': word("false"); return {false};
      case 'n': word("null"); return {nullptr};
      default: return number();
    }
  }

  void check_depth(int depth) const {
    if (depth > limits_.depth) fail("JSON nested deeper than " + std::to_string(limits_.depth) + " levels");
  }

  Object object(int depth) {
    check_depth(depth);
    Object members;
    const size_t start = at_++;
    skip_space();
    if (take('}')) return members;
    do {
      skip_space();
      if (peek() != '"') fail("Expected a member's name in double quotes");
      std::string name = string();
      skip_space();
      expect(':', "after a member's name");
      skip_space();
      members.push_back({std::move(name), value(depth)});
      skip_space();
    } while (take(','));
    expect('}', "or ',' after a member");
    refuse_duplicates(members, start);
    return members;
  }

  Array array(int depth) {
    check_depth(depth);
    Array items;
    ++at_;
    skip_space();
    if (take(']')) return items;
    do {
      skip_space();
      items.push_back(value(depth));
      skip_space();
    } while (take(','));
    expect(']', "or ',' after an item");
    return items;
  }

  // Sorting (not hashing): its cost cannot be driven up by the choice of names.
  static void refuse_duplicates(const Object& members, size_t start) {
    std::vector<const std::string*> names;
    names.reserve(members.size());
    for (const Member& member : members) names.push_back(&member.name);
    std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
    const auto twice = std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
    if (twice != names.end()) {
      throw ParseError("Name " + quote((*twice)->substr(0, 200)) + " occurs twice in the object", start);
    }
  }

  Value number() {
    const size_t start = at_;
    take('-');
    if (!is_digit(peek())) {
      at_ = start;
      fail("Expected a JSON value");
    }
    if (!take('0')) digits();
    bool whole = true;
    if (take('.')) {
      whole = false;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (!take('+')) take('-');
      digits();
    }
    const char* first = text_.data() + start;
    const char* last = text_.data() + at_;
    if (whole) {
      int64_t integer = 0;
      if (std::from_chars(first, last, integer).ec != std::errc{}) {
        at_ = start;
        fail("Integer does not fit in 64 bits");
      }
      return {integer};
    }
    // from_chars for a double came late to the C++ libraries: GLIBCXX_3.4.29, and later still to Apple's.
    double real = 0;
    // Of an lvalue: a stream of an rvalue needs a newer libstdc++ (native/glibc_floor.cpp).
    const std::string number(first, last);
    std::istringstream in{number};
    in.imbue(std::locale::classic());
    if (!(in >> real)) {
      at_ = start;
      fail("Number is out of range");
    }
    return {real};
  }

  void digits() {
    if (!is_digit(peek())) fail("Expected a digit");
    while (is_digit(peek())) ++at_;
  }

  std::string string() {
    std::string out;
    ++at_;
    for (;;) {
      if (done()) fail("The text ends inside a string");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c < 0x20) fail("Control character inside a string");
      if (c == '\\') {
        ++at_;
        escape(out);
      } else if (c < 0x80) {
        out += static_cast<char>(c);
        ++at_;
      } else {
        utf8(out, c);
      }
    }
  }

  void escape(std::string& out) {
    const char c = peek();
    switch (c) {
      case '"':
      case '\\':
      case '/': out += c; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u':
        ++at_;
        append_utf8(out, escaped_code());
        return;
      default: fail("Unknown escape in a string");
    }
    ++at_;
  }

  uint32_t escaped_code() {
    const uint32_t first = hex4();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF) fail("Lone low surrogate in a string");
    if (!take('\\') || !take('u')) fail("Lone high surrogate in a string");
    const uint32_t second = hex4();
    if (second < 0xDC00 || second > 0xDFFF) fail("Lone high surrogate in a string");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  uint32_t hex4() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      if (is_digit(c)) code = code * 16 + static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') code = code * 16 + static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') code = code * 16 + static_cast<uint32_t>(c - 'A' + 10);
      else fail("Expected four hexadecimal digits after \\u");
    }
    return code;
  }

  // One multi-byte character, refusing overlong forms, surrogates and what lies above U+10FFFF.
  void utf8(std::string& out, unsigned char lead) {
    const int length = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 ? (lead < 0xF0 ? 3 : 0) : lead >= 0xC2 ? 2 : 0;
    if (length == 0 || text_.size() - at_ < static_cast<size_t>(length)) fail("Invalid UTF-8 in a string");
    uint32_t code = lead & (0xFFu >> (length + 1));
    for (int i = 1; i < length; ++i) {
      const auto c = static_cast<unsigned char>(text_[at_ + i]);
      if ((c & 0xC0) != 0x80) fail("Invalid UTF-8 in a string");
      code = code << 6 | (c & 0x3F);
    }
    const uint32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
    if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) fail("Invalid UTF-8 in a string");
    out.append(text_.substr(at_, length));
    at_ += length;
  }

  std::string_view text_;
  Limits limits_;
  size_t at_ = 0;
  size_t values_ = 0;
};

}  // namespace

const char* Value::kind() const {
  static const char* const kinds[] = {"null",     "a boolean", "an integer", "a fractional number",
                                      "a string", "an array",  "an object"};
  return kinds[data.index()];
}

Value parse(std::string_view text, const Limits& limits) { return Reader(text, limits).document(); }

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char code[8];
          std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
          out += code;
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

}  // namespace vectune::json
