#pragma once
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "js_errors.h"

namespace vectune::binding {

/// Whether jobs that belong together, those of one trainer, keep the event loop alive. JavaScript thread only.
struct KeepAlive {
  bool wanted = true;
  size_t pending = 0;
};

/// What work may return in place of its result: the result is there once `wait` has returned, which may take time.
template <typename T>
concept Deferred = requires(T outcome) {
  { outcome.ready() } -> std::same_as<bool>;
  outcome.wait();
};

/// One promise of the addon: work for the engine thread, then a value for JavaScript. The two halves never
/// meet: `run` touches no Node-API, `settle` waits for nothing. If the environment ends in between, the job is
/// destroyed on the engine thread without `settle`, and its promise stays pending, as nobody can see it any more.
class PromiseJob {
 public:
  explicit PromiseJob(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}
  virtual ~PromiseJob() = default;
  PromiseJob(const PromiseJob&) = delete;
  PromiseJob& operator=(const PromiseJob&) = delete;

  Napi::Promise promise() const { return deferred_.Promise(); }

  /// Null: keeps the event loop alive until it is settled.
  std::shared_ptr<KeepAlive> keep_alive;

  /// Engine thread. Keeps an exception for `settle`. Whatever the work held is released here.
  void run();
  /// After `run`: whether a device is still at work on the result, so that `finish` must come before `settle`.
  virtual bool waits() const { return false; }
  /// The wait thread. Keeps an exception for `settle`.
  void finish();
  /// JavaScript thread, once.
  void settle(Napi::Env env);
  /// JavaScript thread, instead of `settle`.
  void reject(Napi::Env env, const Error& error) { deferred_.Reject(to_js(env, error).Value()); }

 protected:
  virtual void execute() = 0;
  virtual void await() {}
  virtual void release() = 0;
  virtual Napi::Value value(Napi::Env env) = 0;

 private:
  Napi::Promise::Deferred deferred_;
  std::optional<Error> error_;
};

/// `Work` is called on the engine thread and may return void; `ToJs` gets (env, Work's result&).
/// Work owns all it uses (handles by shared_ptr, arrays by copy).
template <typename Work, typename ToJs>
class PromiseJobOf final : public PromiseJob {
  using Returned = std::invoke_result_t<Work&>;
  template <typename T>
  struct ResultOf {
    using Type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  };
  template <Deferred T>
  struct ResultOf<T> {
    using Type = decltype(std::declval<T&>().wait());
  };
  using Result = typename ResultOf<Returned>::Type;
  using Outcome = std::conditional_t<Deferred<Returned>, Returned, std::monostate>;

 public:
  PromiseJobOf(Napi::Env env, Work work, ToJs to_js)
      : PromiseJob(env), work_(std::move(work)), to_js_(std::move(to_js)) {}
  bool waits() const override { return outcome_.has_value(); }

 private:
  void execute() override {
    if constexpr (std::is_void_v<Returned>) {
      (*work_)();
      result_.emplace();
    } else if constexpr (Deferred<Returned>) {
      Returned outcome = (*work_)();
      if (outcome.ready()) result_.emplace(outcome.wait());
      else outcome_.emplace(std::move(outcome));
    } else {
      result_.emplace((*work_)());
    }
  }
  void await() override {
    if constexpr (Deferred<Returned>) result_.emplace(outcome_->wait());
    outcome_.reset();
  }
  void release() override { work_.reset(); }
  Napi::Value value(Napi::Env env) override { return to_js_(env, *result_); }

  std::optional<Work> work_;
  std::optional<Outcome> outcome_;
  std::optional<Result> result_;
  ToJs to_js_;
};

}  // namespace vectune::binding
