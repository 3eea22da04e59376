#include "json_from_js.h"

#include <cmath>

#include "arguments.h"

namespace vectune::binding {
namespace {

constexpr int kDeepest = 8;
constexpr int64_t kMostValues = 10'000;

json::Value convert(const Napi::Value& value, const std::string& what, int depth, int64_t& left) {
  if (--left < 0) throw Error(ErrorCode::kInvalidArgument, what + " has more values than any set of options.");
  if (depth > kDeepest) throw Error(ErrorCode::kInvalidArgument, what + " is nested too deeply.");
  if (value.IsNull()) return {nullptr};
  if (value.IsBoolean()) return {value.As<Napi::Boolean>().Value()};
  if (value.IsString()) return {to_string(value, what)};
  if (value.IsNumber()) {
    const double number = to_finite(value, what);
    const bool whole = std::trunc(number) == number && std::abs(number) <= static_cast<double>(kLargestInteger);
    return whole ? json::Value{static_cast<int64_t>(number)} : json::Value{number};
  }
  if (value.IsArray()) {
    json::Array list;
    const Napi::Array array = to_array(value, what);
    for (uint32_t i = 0; i < array.Length(); ++i)
      list.push_back(convert(array.Get(i), what + "[" + std::to_string(i) + "]", depth + 1, left));
    return {std::move(list)};
  }
  if (value.Type() != napi_object) refuse(what, "a plain value", value);
  json::Object object;
  const Napi::Object from = value.As<Napi::Object>();
  const Napi::Array names = from.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    object.push_back({name, convert(from.Get(name), what + "." + name, depth + 1, left)});
  }
  return {std::move(object)};
}

}  // namespace

json::Value to_json(const Napi::Value& value, const std::string& what) {
  int64_t left = kMostValues;
  return convert(value, what, 0, left);
}

}  // namespace vectune::binding
