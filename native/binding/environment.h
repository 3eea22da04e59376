#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "files/file_lock.h"
#include "promise_job.h"
#include "runtime/engine_thread.h"
#include "runtime/file_thread.h"

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

  /// What makes the value of a promise of nothing.
  static auto nothing() {
    return [](Napi::Env env, auto&) { return env.Undefined(); };
  }
  /// Where the work of one object is queued: in the order of the calls, taking turns with the work of others.
  class Lane {
   public:
    /// Queues `work` for the engine thread; `to_js(env, result&)` makes the promise's value. JavaScript thread.
    template <typename Work, typename ToJs>
    Napi::Promise promise(Napi::Env env, Work work, ToJs to_js, std::shared_ptr<KeepAlive> keep_alive = nullptr) {
      return environment_.queue(env, std::make_shared<PromiseJobOf<Work, ToJs>>(env, std::move(work), std::move(to_js)),
                                std::move(keep_alive), [lane = lane_](std::function<void()> job) {
                                  return EngineThread::instance().post(std::move(job), lane);
                                });
    }
    /// The same for a promise of nothing.
    template <typename Work>
    Napi::Promise promise(Napi::Env env, Work work) {
      return promise(env, std::move(work), nothing());
    }
    template <typename Work>
    Napi::Promise promise(Napi::Env env, Work work, std::shared_ptr<KeepAlive> keep_alive) {
      return promise(env, std::move(work), nothing(), std::move(keep_alive));
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
  /// Queues work for the file thread.
  template <typename Work, typename ToJs>
  Napi::Promise file_promise(Napi::Env env, Work work, ToJs to_js, std::shared_ptr<KeepAlive> keep_alive = nullptr) {
    return queue(env, std::make_shared<PromiseJobOf<Work, ToJs>>(env, std::move(work), std::move(to_js)),
                 std::move(keep_alive),
                 [](std::function<void()> job) { return FileThread::instance().post(std::move(job)); });
  }

  /// Whether a trainer's jobs, those queued already too, keep the event loop alive; at first they do.
  std::shared_ptr<KeepAlive> keep_alive_of(const std::shared_ptr<Trainer>& trainer);
  void set_keep_alive(Napi::Env env, const std::shared_ptr<Trainer>& trainer, bool wanted);

  /// Locks that end with the environment at the latest; by number, which is never given twice.
  int64_t keep_lock(FileLock lock);
  /// Whether there was such a lock.
  bool release_lock(int64_t number);

  /// The trainer is cancelled when the environment ends.
  void cancel_at_end(const std::shared_ptr<Trainer>& trainer);

  /// Gives up a native object: it is freed on the engine thread, after the jobs queued before.
  static void free_on_engine(std::shared_ptr<void> object);

 private:
  static void deliver(napi_env env, napi_value function, void* context, void* data);
  /// Gives a job to a thread; false where the thread takes no more.
  using Post = std::function<bool(std::function<void()>)>;
  Napi::Promise queue(Napi::Env env, std::shared_ptr<PromiseJob> job, std::shared_ptr<KeepAlive> keep_alive,
                      const Post& post);
  /// Jobs that keep the event loop alive become more or fewer.
  void hold(Napi::Env env, size_t jobs);
  void let_go(Napi::Env env, size_t jobs);
  void run(std::shared_ptr<PromiseJob> job);
  void hand_over(std::shared_ptr<PromiseJob> job);
  void settle_done(Napi::Env env);
  void close();

  std::mutex mutex_;  // guards what both threads touch
  bool closed_ = false;
  std::deque<std::shared_ptr<PromiseJob>> done_;
  napi_threadsafe_function wake_ = nullptr;  // valid until closed_
  std::vector<std::weak_ptr<Trainer>> trainers_;

  size_t pending_ = 0;  // jobs not settled that keep the event loop alive; JavaScript thread only
  std::map<std::weak_ptr<Trainer>, std::shared_ptr<KeepAlive>, std::owner_less<>>
      keep_alive_;                     // JavaScript thread only
  std::map<int64_t, FileLock> locks_;  // JavaScript thread only
  int64_t locks_given_ = 0;
};

}  // namespace vectune::binding
