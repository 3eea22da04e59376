#include <string>

#include "files/json.h"
#include "fuzz.h"

namespace json = vectune::json;
using vectune::fuzz::fail;

namespace {

std::string written(const json::Value& value) {
  std::string text;
  if (const auto* flag = value.get<bool>()) return *flag ? "true" : "false";
  if (const auto* integer = value.get<int64_t>()) return std::to_string(*integer);
  if (const auto* string = value.get<std::string>()) return json::quote(*string);
  if (const auto* real = value.get<double>()) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17e", *real);
    return digits;
  }
  if (const auto* array = value.get<json::Array>()) {
    for (const auto& item : *array) text += (text.empty() ? "" : ",") + written(item);
    return "[" + text + "]";
  }
  if (const auto* object = value.get<json::Object>()) {
    for (const auto& member : *object) {
      text += (text.empty() ? "" : ",") + json::quote(member.name) + ":" + written(member.value);
    }
    return "{" + text + "}";
  }
  return "null";
}

}  // namespace

/// Refuses with ParseError and a place inside the text, or reads what, written again, is read the same.
FUZZ(json,
     (std::vector<std::string>{R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", "[1,-2.5e3,true,null]",
                               R"("\u00e9\ud83d\ude00")", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"}),
     {"\\u", "\\ud800", "\\udc00", "true", "false", "null", "{\"a\":", "[", "]", "\xf0\x9f\x98\x80", "\xc0\x80",
      "\xed\xa0\x80", "1e308", "-0", "\\\\", "\"\""}) {
  json::Value value;
  try {
    value = json::parse(input);
  } catch (const json::ParseError& error) {
    if (error.offset() > input.size()) fail("an error beyond the text");
    return;
  }
  const std::string once = written(value);
  try {
    if (written(json::parse(once)) != once) fail("what was written is read as another value: " + once);
  } catch (const json::ParseError& error) {
    fail("what was written is refused: " + once + ": " + error.what());
  }
}
