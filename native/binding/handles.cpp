#include "handles.h"

#include "arguments.h"
#include "model/model.h"
#include "search/top_k.h"
#include "search/vectors.h"
#include "train/dataset.h"
#include "train/trainer.h"

namespace vectune::binding {
namespace {

// The address tells copies of the addon in one process apart: a handle of another copy has another layout.
const char this_copy = 0;
napi_type_tag tag(uint64_t kind) { return {reinterpret_cast<uintptr_t>(&this_copy), 0x76656374756e6500ull | kind}; }

template <typename T>
struct Kind;
template <>
struct Kind<Model> {
  static constexpr const char *name = "model", *source = "createModel";
  static constexpr uint64_t number = 1;
};
template <>
struct Kind<Dataset> {
  static constexpr const char *name = "dataset", *source = "createDataset";
  static constexpr uint64_t number = 2;
};
template <>
struct Kind<Trainer> {
  static constexpr const char *name = "trainer", *source = "createTrainer";
  static constexpr uint64_t number = 3;
};
template <>
struct Kind<search::Vectors> {
  static constexpr const char *name = "vectors", *source = "createVectors";
  static constexpr uint64_t number = 4;
};
template <>
struct Kind<search::TopK> {
  static constexpr const char *name = "search", *source = "createSearch";
  static constexpr uint64_t number = 5;
};

template <typename T>
struct Box {
  std::shared_ptr<T> object;  // null once disposed
  int64_t bytes;

  void give_up(Napi::Env env) {
    if (!object) return;
    Environment::free_on_engine(std::move(object));
    object.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
  }
};

template <typename T>
bool is_handle(const Napi::Value& value) {
  const napi_type_tag expected = tag(Kind<T>::number);
  return value.IsExternal() && value.As<Napi::External<Box<T>>>().CheckTypeTag(&expected);
}

std::string describe_handle(const Napi::Value& value) {
  if (is_handle<Model>(value)) return "a model handle";
  if (is_handle<Dataset>(value)) return "a dataset handle";
  if (is_handle<Trainer>(value)) return "a trainer handle";
  if (is_handle<search::Vectors>(value)) return "a vectors handle";
  if (is_handle<search::TopK>(value)) return "a search handle";
  return describe(value);
}

template <typename T>
Box<T>& box(const Napi::CallbackInfo& info, size_t index) {
  const Napi::Value value = info[index];
  if (!is_handle<T>(value)) {
    throw Error(ErrorCode::kInvalidArgument, std::string("Expected a ") + Kind<T>::name + " handle, as " +
                                                 Kind<T>::source + " gives, for argument " + std::to_string(index + 1) +
                                                 "; found " + describe_handle(value) + ".");
  }
  return *value.As<Napi::External<Box<T>>>().Data();
}

}  // namespace

template <typename T>
Napi::Value Handle<T>::wrap(Napi::Env env, std::shared_ptr<T> object, int64_t bytes) {
  auto owner = std::make_unique<Box<T>>(Box<T>{std::move(object), bytes});
  const auto external = Napi::External<Box<T>>::New(env, owner.get(), [](Napi::Env env, Box<T>* box) {
    box->give_up(env);
    delete box;
  });
  owner.release();  // the finalizer's now
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  const napi_type_tag type = tag(Kind<T>::number);
  external.TypeTag(&type);
  return external;
}

template <typename T>
std::shared_ptr<T> Handle<T>::get(const Napi::CallbackInfo& info, size_t index) {
  const Box<T>& found = box<T>(info, index);
  if (!found.object) {
    throw Error(ErrorCode::kDisposed, std::string("The ") + Kind<T>::name + " of argument " +
                                          std::to_string(index + 1) + " was disposed; create a new one.");
  }
  return found.object;
}

template <typename T>
std::shared_ptr<T> Handle<T>::of(const Napi::Value& value, const std::string& what) {
  if (!is_handle<T>(value))
    throw Error(ErrorCode::kInvalidArgument,
                what + " must be a " + Kind<T>::name + " handle; found " + describe_handle(value) + ".");
  const auto& object = value.As<Napi::External<Box<T>>>().Data()->object;
  if (!object)
    throw Error(ErrorCode::kDisposed, "The " + (Kind<T>::name + (" " + what)) + " was disposed; create a new one.");
  return object;
}

template <typename T>
void Handle<T>::dispose(const Napi::CallbackInfo& info, size_t index) {
  box<T>(info, index).give_up(info.Env());
}

template class Handle<Model>;
template class Handle<Dataset>;
template class Handle<Trainer>;
template class Handle<search::Vectors>;
template class Handle<search::TopK>;

}  // namespace vectune::binding
