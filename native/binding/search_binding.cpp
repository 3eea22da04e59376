#include "search_binding.h"

#include <variant>

#include "arguments.h"
#include "environment.h"
#include "handles.h"
#include "register.h"
#include "runtime/errors.h"
#include "search/top_k.h"
#include "search/vectors.h"

namespace vectune::binding {
namespace {

using search::TopK;
using search::Vectors;

/// Sums of int8 products stay below 2³¹.
constexpr int64_t kWidest = 65536;

using Numbers = std::variant<CountedArray<float>, CountedArray<int8_t>, CountedArray<uint8_t>>;

Numbers to_numbers(const Napi::Value& value, const std::string& what) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int8_array)
    return to_int8_array(value, what);
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float32_array)
    return to_float32_array(value, what);
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array)
    return to_uint8_array(value, what);
  refuse(what, "a Float32Array, an Int8Array or a Uint8Array", value);
}

Napi::Value create_vectors(const Napi::CallbackInfo& info) {
  const int64_t width = to_integer(info[0], "width", 1, kWidest);
  const auto type = to_choice<Vectors::Type>(
      info[1], "type",
      {{"fp32", Vectors::Type::kFp32}, {"int8", Vectors::Type::kInt8}, {"bits", Vectors::Type::kBits}});
  const auto similarity = to_choice<search::Similarity>(
      info[2], "similarity", {{"cosine", search::Similarity::kCosine}, {"dot", search::Similarity::kDot}});
  return Environment::of(info.Env())
      .promise(
          info.Env(), [=] { return std::make_shared<Vectors>(width, type, similarity); },
          [](Napi::Env env, std::shared_ptr<Vectors>& vectors) {
            return Handle<Vectors>::wrap(env, std::move(vectors), 0);
          });
}

Napi::Value append_vectors(const Napi::CallbackInfo& info) {
  auto vectors = Handle<Vectors>::get(info, 0);
  auto numbers = to_numbers(info[1], "vectors");
  return Environment::of(info.Env())
      .lane_of(vectors)
      .promise(info.Env(), [vectors = std::move(vectors), numbers = std::move(numbers)] {
        std::visit([&](const auto& all) { vectors->append(all.data(), all.size()); }, numbers);
      });
}

Napi::Value read_vectors(const Napi::CallbackInfo& info) {
  auto vectors = Handle<Vectors>::get(info, 0);
  auto rows = to_int32_array(info[1], "rows");
  if (rows.size() == 0) throw Error(ErrorCode::kInvalidArgument, "rows must name at least one vector; found none.");
  const auto read = [](const Vectors& from, const CountedArray<int32_t>& numbers, auto kind) -> Numbers {
    CountedArray<decltype(kind)> out(numbers.size() * from.width());
    from.read(numbers.data(), numbers.size(), out.data());
    return out;
  };
  return Environment::of(info.Env())
      .lane_of(vectors)
      .promise(
          info.Env(),
          [vectors = std::move(vectors), rows = std::move(rows), read]() -> Numbers {
            switch (vectors->type()) {
              case Vectors::Type::kFp32: return read(*vectors, rows, float{});
              case Vectors::Type::kInt8: return read(*vectors, rows, int8_t{});
              case Vectors::Type::kBits: break;
            }
            return read(*vectors, rows, uint8_t{});
          },
          [](Napi::Env env, Numbers& numbers) {
            return std::visit([&](const auto& all) { return to_js_array(env, all); }, numbers);
          });
}

Napi::Value create_search(const Napi::CallbackInfo& info) {
  auto vectors = Handle<Vectors>::get(info, 0);
  auto queries = to_numbers(info[1], "queries");
  const int64_t k = to_integer(info[2], "k", 1, kLargestInt32), count = to_integer(info[3], "count", 0, kLargestInt32);
  return Environment::of(info.Env())
      .lane_of(vectors)
      .promise(
          info.Env(),
          [vectors = std::move(vectors), queries = std::move(queries), k, count] {
            return std::visit(
                [&](const auto& all) { return std::make_shared<TopK>(vectors, all.data(), all.size(), k, count); },
                queries);
          },
          [](Napi::Env env, std::shared_ptr<TopK>& made) {
            const int64_t bytes = made->bytes();
            return Handle<TopK>::wrap(env, std::move(made), bytes);
          });
}

Napi::Value search_step(const Napi::CallbackInfo& info) {
  auto made = Handle<TopK>::get(info, 0);
  return Environment::of(info.Env())
      .lane_of(made)
      .promise(
          info.Env(), [made = std::move(made)] { return made->step(); },
          [](Napi::Env env, int64_t& done) { return Napi::Number::New(env, static_cast<double>(done)); });
}

struct Hits {
  CountedArray<float> similarities;
  CountedArray<int32_t> rows;
};

Napi::Value hits(const Napi::CallbackInfo& info) {
  auto made = Handle<TopK>::get(info, 0);
  return Environment::of(info.Env())
      .lane_of(made)
      .promise(
          info.Env(),
          [made = std::move(made)] {
            const int64_t size = made->queries() * made->k();
            Hits found{CountedArray<float>(size), CountedArray<int32_t>(size)};
            made->hits(found.similarities.data(), found.rows.data());
            return found;
          },
          [](Napi::Env env, Hits& found) {
            auto result = Napi::Object::New(env);
            result.Set("similarities", to_js_array(env, found.similarities));
            result.Set("rows", to_js_array(env, found.rows));
            return result;
          });
}

Napi::Value dispose_vectors(const Napi::CallbackInfo& info) {
  Handle<Vectors>::dispose(info, 0);
  return info.Env().Undefined();
}

Napi::Value dispose_search(const Napi::CallbackInfo& info) {
  Handle<TopK>::dispose(info, 0);
  return info.Env().Undefined();
}

}  // namespace

void export_search_functions(Napi::Object exports) {
  export_async_function<create_vectors>(exports, "createVectors");
  export_async_function<append_vectors>(exports, "appendVectors");
  export_async_function<read_vectors>(exports, "readVectors");
  export_async_function<create_search>(exports, "createSearch");
  export_async_function<search_step>(exports, "searchStep");
  export_async_function<hits>(exports, "hits");
  export_function<dispose_vectors>(exports, "disposeVectors");
  export_function<dispose_search>(exports, "disposeSearch");
}

}  // namespace vectune::binding
