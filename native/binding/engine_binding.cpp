#include "engine_binding.h"

#include "arguments.h"
#include "cpu/engine_info.h"
#include "environment.h"
#include "files/fingerprint.h"
#include "model/model.h"
#include "register.h"
#include "runtime/engine_thread.h"
#include "runtime/file_thread.h"
#include "runtime/memory_budget.h"
#include "search/top_k.h"
#include "search/vectors.h"
#include "train/dataset.h"
#include "train/trainer.h"

namespace vectune::binding {
namespace {

// More than any machine has; a team of millions would only exhaust the process.
constexpr int64_t kMostThreads = 4096;

Napi::Value info_function(const Napi::CallbackInfo& info) {
  const EngineInfo engine = engine_info();
  auto result = Napi::Object::New(info.Env());
  result.Set("libtorch", engine.libtorch);
  result.Set("addon", VECTUNE_VERSION);
  result.Set("simd", engine.simd);
  result.Set("gemm", engine.gemm);
  result.Set("bf16", engine.bf16);
  result.Set("int8", engine.int8);
  result.Set("threads", engine.threads);
  return result;
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("inUse", static_cast<double>(memory_budget::in_use()));
  result.Set("peak", static_cast<double>(memory_budget::peak()));
  const auto limit = memory_budget::limit();
  result.Set("limit", limit ? Napi::Number::New(info.Env(), static_cast<double>(*limit)) : info.Env().Null());
  return result;
}

Napi::Value reset_peak(const Napi::CallbackInfo& info) {
  memory_budget::reset_peak();
  return info.Env().Undefined();
}

Napi::Value set_memory_limit(const Napi::CallbackInfo& info) {
  if (info[0].IsNull()) {
    memory_budget::set_limit(std::nullopt);
  } else {
    memory_budget::set_limit(to_integer(info[0], "bytes", 1, kLargestInteger));
  }
  return info.Env().Undefined();
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const int threads = static_cast<int>(to_integer(info[0], "threads", 1, kMostThreads));
  return Environment::of(info.Env()).after_all().promise(info.Env(), [threads] { vectune::set_threads(threads); });
}

Napi::Value live_objects(const Napi::CallbackInfo& info) {
  auto result = Napi::Object::New(info.Env());
  result.Set("models", static_cast<double>(Model::live()));
  result.Set("datasets", static_cast<double>(Dataset::live()));
  result.Set("trainers", static_cast<double>(Trainer::live()));
  result.Set("vectors", static_cast<double>(search::Vectors::live()));
  result.Set("searches", static_cast<double>(search::TopK::live()));
  return result;
}

Napi::Value fail_allocation(const Napi::CallbackInfo& info) {
  memory_budget::fail_nth_allocation(to_integer(info[0], "nth", 0, kLargestInteger));
  return info.Env().Undefined();
}

Napi::Value checksum(const Napi::CallbackInfo& info) {
  std::string path = to_path(info[0], "path");
  return Environment::of(info.Env())
      .file_promise(
          info.Env(), [path = std::move(path)] { return fingerprint_of_file(path, &FileThread::check).text(); },
          [](Napi::Env env, std::string& text) { return Napi::String::New(env, text); });
}

Napi::Value lock_file(const Napi::CallbackInfo& info) {
  std::string path = to_path(info[0], "path");
  return Environment::of(info.Env())
      .file_promise(
          info.Env(), [path = std::move(path)] { return FileLock::take(path); },
          [](Napi::Env env, std::optional<FileLock>& lock) -> Napi::Value {
            if (!lock) return env.Null();
            return Napi::Number::New(env, static_cast<double>(Environment::of(env).keep_lock(std::move(*lock))));
          });
}

Napi::Value unlock_file(const Napi::CallbackInfo& info) {
  const int64_t lock = to_integer(info[0], "lock", 1, kLargestInteger);
  return Napi::Boolean::New(info.Env(), Environment::of(info.Env()).release_lock(lock));
}

}  // namespace

void export_engine_functions(Napi::Object exports) {
  export_function<info_function>(exports, "info");
  export_function<memory>(exports, "memory");
  export_function<reset_peak>(exports, "resetPeak");
  export_function<set_memory_limit>(exports, "setMemoryLimit");
  export_async_function<set_threads>(exports, "setThreads");
  export_function<live_objects>(exports, "liveObjects");
  export_function<fail_allocation>(exports, "failAllocation");
  export_async_function<checksum>(exports, "checksum");
  export_async_function<lock_file>(exports, "lockFile");
  export_function<unlock_file>(exports, "unlockFile");
}

}  // namespace vectune::binding
