#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "promise_job.h"

namespace vectune {
class Trainer;
}

namespace vectune::binding {

/// The addon's state in one Node environment (main thread, worker, or a context of its own): the way back from
/// the engine thread, and what must end with the environment.
///
/// An environment may end at any moment (`process.exit`, `worker.terminate`), with jobs running. From `close` on
/// nothing calls into it; its trainers are cancelled, its queued jobs are dropped, and the running one is left to
/// end by itself. The last environment of the process to close takes the engine thread with it, so that no
/// job runs while LibTorch's static objects are destroyed.
class Environment : public std::enable_shared_from_this<Environment> {
 public:
  /// Once per environment, when the addon is loaded into it.
  static void open(Napi::Env env);
  static Environment& of(Napi::Env env);

  Environment() = default;
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  /// Where the work of one object is queued: in the order of the calls, taking turns with the work of others.
  class Lane {
   public:
    /// Queues `work` for the engine thread; `to_js(env, result&)` makes the promise's value. JavaScript thread.
    template <typename Work, typename ToJs>
    Napi::Promise promise(Napi::Env env, Work work, ToJs to_js) {
      return environment_.queue(env, std::make_shared<PromiseJobOf<Work, ToJs>>(env, std::move(work), std::move(to_js)),
                                lane_);
    }
    /// The same for a promise of nothing.
    template <typename Work>
    Napi::Promise promise(Napi::Env env, Work work) {
      return promise(env, std::move(work), [](Napi::Env env, auto&) { return env.Undefined(); });
    }

   private:
    friend class Environment;
    Lane(Environment& environment, const void* lane) : environment_(environment), lane_(lane) {}
    Environment& environment_;
    const void* lane_;
  };
  /// The lane of an object of the engine.
  template <typename T>
  Lane lane_of(const std::shared_ptr<T>& object) {
    return {*this, object.get()};
  }
  /// The environment's own, for what concerns no object yet.
  template <typename... Arguments>
  Napi::Promise promise(Napi::Env env, Arguments... arguments) {
    return Lane(*this, this).promise(env, std::move(arguments)...);
  }
  /// For what concerns everybody: after all that is queued.
  Lane after_all() { return {*this, nullptr}; }

  /// The trainer is cancelled when the environment ends.
  void cancel_at_end(const std::shared_ptr<Trainer>& trainer);

  /// Gives up a native object: it is freed on the engine thread, after the jobs queued before.
  static void free_on_engine(std::shared_ptr<void> object);

 private:
  static void deliver(napi_env env, napi_value function, void* context, void* data);
  Napi::Promise queue(Napi::Env env, std::shared_ptr<PromiseJob> job, const void* lane);
  void run(std::shared_ptr<PromiseJob> job);
  void settle_done(Napi::Env env);
  void close();

  std::mutex mutex_;  // guards what both threads touch
  bool closed_ = false;
  std::deque<std::shared_ptr<PromiseJob>> done_;
  napi_threadsafe_function wake_ = nullptr;  // valid until closed_
  std::vector<std::weak_ptr<Trainer>> trainers_;

  size_t pending_ = 0;  // promises not settled; JavaScript thread only. The event loop lives while there is one.
};

}  // namespace vectune::binding
