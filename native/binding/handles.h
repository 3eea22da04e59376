#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "environment.h"
#include "napi_setup.h"

namespace vectune {
class Dataset;
class Model;
class Trainer;
namespace search {
class TopK;
class Vectors;
}  // namespace search
}  // namespace vectune

namespace vectune::binding {

/// A native object as JavaScript holds it: an external value tagged with its type, which shares the object with
/// the jobs that use it. Disposing takes the object out at once (later calls are refused) and frees it on the
/// engine thread after the jobs queued before; garbage collection does the same for a handle that was not disposed.
/// All functions on the JavaScript thread.
template <typename T>
class Handle {
 public:
  /// `bytes` are what V8 should know that the handle keeps alive.
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<T> object, int64_t bytes);
  /// The object of argument `index`; Error(kInvalidArgument) for any other value, Error(kDisposed).
  static std::shared_ptr<T> get(const Napi::CallbackInfo& info, size_t index);
  /// The same of a value that is called `what`.
  static std::shared_ptr<T> of(const Napi::Value& value, const std::string& what);
  /// Idempotent; Error(kInvalidArgument) for any other value.
  static void dispose(const Napi::CallbackInfo& info, size_t index);
};

extern template class Handle<Model>;
extern template class Handle<Dataset>;
extern template class Handle<Trainer>;
extern template class Handle<search::Vectors>;
extern template class Handle<search::TopK>;

}  // namespace vectune::binding
