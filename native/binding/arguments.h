#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "counted_array.h"
#include "napi_setup.h"
#include "runtime/errors.h"

namespace vectune::binding {

/// What a value is, for messages: 'null', 'a string', 'a Float32Array', 'the number 1.5'.
std::string describe(const Napi::Value& value);

/// Error(kInvalidArgument): "{what} must be {expected}; found {value}."
[[noreturn]] void refuse(const std::string& what, const std::string& expected, const Napi::Value& value);

// Each checks one value, called `what` in messages.
int64_t to_integer(const Napi::Value& value, const std::string& what, int64_t least, int64_t most);
double to_finite(const Napi::Value& value, const std::string& what);
bool to_boolean(const Napi::Value& value, const std::string& what);
std::string to_string(const Napi::Value& value, const std::string& what);
/// A path that the operating system reads as it is written: not empty, no zero byte.
std::string to_path(const Napi::Value& value, const std::string& what);
Napi::Array to_array(const Napi::Value& value, const std::string& what);
/// Copied at once, so that no later JavaScript can change or detach it.
CountedArray<int32_t> to_int32_array(const Napi::Value& value, const std::string& what);
CountedArray<float> to_float32_array(const Napi::Value& value, const std::string& what);
CountedArray<int8_t> to_int8_array(const Napi::Value& value, const std::string& what);
CountedArray<uint8_t> to_uint8_array(const Napi::Value& value, const std::string& what);

/// The way back: a typed array of its own memory.
Napi::Value to_js_array(Napi::Env env, const CountedArray<float>& array);
Napi::Value to_js_array(Napi::Env env, const CountedArray<int32_t>& array);
Napi::Value to_js_array(Napi::Env env, const CountedArray<int8_t>& array);
Napi::Value to_js_array(Napi::Env env, const CountedArray<uint8_t>& array);

/// One of a closed set of words.
template <typename T>
T to_choice(const Napi::Value& value, const std::string& what,
            std::initializer_list<std::pair<const char*, T>> choices) {
  if (value.IsString()) {
    const std::string word = value.As<Napi::String>();
    for (const auto& [name, choice] : choices) {
      if (word == name) return choice;
    }
  }
  std::string expected;
  for (const auto& choice : choices) expected += (expected.empty() ? "'" : ", '") + std::string(choice.first) + "'";
  refuse(what, "one of " + expected, value);
}

/// Reads an object that must have exactly the properties asked for: `finish` refuses any other, so that
/// nothing is accepted and ignored.
class Fields {
 public:
  Fields(const Napi::Value& value, std::string what);

  Napi::Value operator[](const std::string& name);
  /// The property's name in messages.
  std::string path(const std::string& name) const { return what_ + "." + name; }

  int64_t integer(const std::string& name, int64_t least, int64_t most) {
    return to_integer((*this)[name], path(name), least, most);
  }
  double finite(const std::string& name) { return to_finite((*this)[name], path(name)); }
  /// A number from `least` to `most`.
  double within(const std::string& name, double least, double most);
  bool boolean(const std::string& name) { return to_boolean((*this)[name], path(name)); }
  std::string string(const std::string& name) { return to_string((*this)[name], path(name)); }
  bool is_null(const std::string& name) { return (*this)[name].IsNull(); }

  void finish() const;

 private:
  Napi::Object object_;
  std::string what_;
  std::set<std::string> read_;
};

constexpr int64_t kLargestInt32 = 2147483647;
constexpr int64_t kLargestUint32 = 4294967295;
constexpr int64_t kLargestInteger = 9007199254740991;  // Number.MAX_SAFE_INTEGER

}  // namespace vectune::binding
