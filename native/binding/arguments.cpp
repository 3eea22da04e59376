#include "arguments.h"

#include <cmath>
#include <cstdio>

namespace vectune::binding {
namespace {

std::string show(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", number);
  double shortest;
  char shorter[32];
  for (int digits = 1; digits < 17; ++digits) {
    std::snprintf(shorter, sizeof shorter, "%.*g", digits, number);
    if (std::sscanf(shorter, "%lf", &shortest) == 1 && shortest == number) return shorter;
  }
  return text;
}

const char* array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "an Int8Array";
    case napi_uint8_array: return "a Uint8Array";
    case napi_uint8_clamped_array: return "a Uint8ClampedArray";
    case napi_int16_array: return "an Int16Array";
    case napi_uint16_array: return "a Uint16Array";
    case napi_int32_array: return "an Int32Array";
    case napi_uint32_array: return "a Uint32Array";
    case napi_float32_array: return "a Float32Array";
    case napi_float64_array: return "a Float64Array";
    case napi_bigint64_array: return "a BigInt64Array";
    case napi_biguint64_array: return "a BigUint64Array";
    default: return "another typed array";
  }
}

template <typename T>
CountedArray<T> to_typed_array(const Napi::Value& value, const std::string& what, napi_typedarray_type type) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    refuse(what, array_name(type), value);
  }
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return CountedArray<T>(array.Data(), static_cast<int64_t>(array.ElementLength()));
}

template <typename T>
Napi::Value to_js(Napi::Env env, const CountedArray<T>& array) {
  auto result = Napi::TypedArrayOf<T>::New(env, static_cast<size_t>(array.size()));
  if (array.size() > 0) std::memcpy(result.Data(), array.data(), static_cast<size_t>(array.size()) * sizeof(T));
  return result;
}

}  // namespace

std::string describe(const Napi::Value& value) {
  if (value.IsEmpty() || value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsBoolean()) return value.As<Napi::Boolean>() ? "true" : "false";
  if (value.IsNumber()) return "the number " + show(value.As<Napi::Number>());
  if (value.IsString()) {
    const std::string text = value.As<Napi::String>();
    return text.size() <= 40 ? "'" + text + "'" : "a string of " + std::to_string(text.size()) + " bytes";
  }
  if (value.IsTypedArray()) return array_name(value.As<Napi::TypedArray>().TypedArrayType());
  if (value.IsArray()) return "an array";
  if (value.IsFunction()) return "a function";
  if (value.IsObject()) return "an object";
  if (value.IsExternal()) return "an external value";
  return "another type of value";
}

void refuse(const std::string& what, const std::string& expected, const Napi::Value& value) {
  throw Error(ErrorCode::kInvalidArgument, what + " must be " + expected + "; found " + describe(value) + ".");
}

int64_t to_integer(const Napi::Value& value, const std::string& what, int64_t least, int64_t most) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>();
    if (std::trunc(number) == number && number >= static_cast<double>(least) && number <= static_cast<double>(most)) {
      return static_cast<int64_t>(number);
    }
  }
  refuse(what, "an integer from " + std::to_string(least) + " to " + std::to_string(most), value);
}

double to_finite(const Napi::Value& value, const std::string& what) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>();
    if (std::isfinite(number)) return number;
  }
  refuse(what, "a finite number", value);
}

bool to_boolean(const Napi::Value& value, const std::string& what) {
  if (!value.IsBoolean()) refuse(what, "a boolean", value);
  return value.As<Napi::Boolean>();
}

std::string to_string(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) refuse(what, "a string", value);
  return value.As<Napi::String>();
}

std::string to_path(const Napi::Value& value, const std::string& what) {
  std::string path = to_string(value, what);
  if (path.empty() || path.find('\0') != std::string::npos) refuse(what, "a path without zero bytes", value);
  return path;
}

Napi::Array to_array(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) refuse(what, "an array", value);
  return value.As<Napi::Array>();
}

CountedArray<int32_t> to_int32_array(const Napi::Value& value, const std::string& what) {
  return to_typed_array<int32_t>(value, what, napi_int32_array);
}

CountedArray<float> to_float32_array(const Napi::Value& value, const std::string& what) {
  return to_typed_array<float>(value, what, napi_float32_array);
}

CountedArray<int8_t> to_int8_array(const Napi::Value& value, const std::string& what) {
  return to_typed_array<int8_t>(value, what, napi_int8_array);
}

CountedArray<uint8_t> to_uint8_array(const Napi::Value& value, const std::string& what) {
  return to_typed_array<uint8_t>(value, what, napi_uint8_array);
}

Napi::Value to_js_array(Napi::Env env, const CountedArray<float>& array) { return to_js(env, array); }
Napi::Value to_js_array(Napi::Env env, const CountedArray<int32_t>& array) { return to_js(env, array); }
Napi::Value to_js_array(Napi::Env env, const CountedArray<int8_t>& array) { return to_js(env, array); }
Napi::Value to_js_array(Napi::Env env, const CountedArray<uint8_t>& array) { return to_js(env, array); }

Fields::Fields(const Napi::Value& value, std::string what) : what_(std::move(what)) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray() || value.IsFunction()) {
    refuse(what_, "an object", value);
  }
  object_ = value.As<Napi::Object>();
}

Napi::Value Fields::operator[](const std::string& name) {
  read_.insert(name);
  return object_.Get(name);
}

double Fields::within(const std::string& name, double least, double most) {
  const Napi::Value value = (*this)[name];
  const double number = to_finite(value, path(name));
  if (number < least || number > most) refuse(path(name), "from " + show(least) + " to " + show(most), value);
  return number;
}

void Fields::finish() const {
  const Napi::Array names = object_.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    if (!read_.contains(name)) {
      std::string known;
      for (const auto& one : read_) known += (known.empty() ? "" : ", ") + one;
      throw Error(ErrorCode::kInvalidArgument,
                  what_ + " has the unknown property '" + name + "'; known are " + known + ".");
    }
  }
}

}  // namespace vectune::binding
