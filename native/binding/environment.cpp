#include "environment.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cpu/gemm.h"
#include "runtime/engine_thread.h"
#include "runtime/file_thread.h"
#include "runtime/wait_thread.h"
#include "train/trainer.h"

namespace vectune::binding {
namespace {

// Environments that are open, and the engine thread's life, which follows from it. Never destroyed: workers
// may end after the static objects.
struct Process {
  std::mutex mutex;
  int open = 0;
};
Process& process() {
  static Process* const instance = new Process;
  return *instance;
}

void stop_threads() {
  FileThread::instance().stop();
  if (!EngineThread::instance().is_current()) EngineThread::instance().stop();
  device::WaitThread::instance().stop();
}

// The net under `exit` called from native code, which runs no hook of Node's. What the engine thread uses is destroyed
// by handlers of `exit`, last in, first out, and LibTorch adds some at any time (the first product of a new shape makes
// a kernel). Before all of them go the objects of the thread that calls `exit`: where that is the main thread, the
// engine thread stops in time. From any other, a handler must do, which stands after those that are known.
struct MainThreadEnds {
  ~MainThreadEnds() { stop_threads(); }
};
void stop_threads_at_exit() {
  if (::syscall(SYS_gettid) == ::getpid()) {
    thread_local const MainThreadEnds here;
    static_cast<void>(here);
  }
  static std::once_flag once;
  std::call_once(once, [] {
    EngineThread::instance().post([] {
      prepare_products();
      std::atexit(stop_threads);
    });
  });
}

void enter_process() {
  std::lock_guard<std::mutex> lock(process().mutex);
  if (process().open++ == 0) {
    EngineThread::instance().start();
    FileThread::instance().start();
    device::WaitThread::instance().start();
  }
  stop_threads_at_exit();
}

void leave_process() {
  std::lock_guard<std::mutex> lock(process().mutex);
  if (--process().open > 0) return;
  FileThread::instance().stop();
  EngineThread::instance().stop();
  device::WaitThread::instance().stop();
}

void check(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

void Environment::open(Napi::Env env) {
  auto state = std::make_shared<Environment>();
  // The function keeps the state alive for `deliver`, and is gone before or after it: neither order is promised.
  auto* const owner = new std::shared_ptr<Environment>(state);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, Napi::String::New(env, "vectune"), 0, 1, owner,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Environment>*>(data); }, state.get(),
      &Environment::deliver, &state->wake_);
  if (status != napi_ok) {
    delete owner;
    throw Napi::Error::New(env);
  }
  check(env, napi_unref_threadsafe_function(env, state->wake_));

  enter_process();
  env.SetInstanceData<std::shared_ptr<Environment>>(new std::shared_ptr<Environment>(state));
  // Hooks run last in, first out: this one before the thread-safe function's own.
  env.AddCleanupHook([state] { state->close(); });

  // On the main thread `process.exit` and an uncaught exception run no clean-up hook, but they emit 'exit'.
  const Napi::Value node_process = env.Global().Get("process");
  if (!node_process.IsObject()) return;
  const Napi::Value once = node_process.As<Napi::Object>().Get("once");
  if (!once.IsFunction()) return;
  once.As<Napi::Function>().Call(node_process,
                                 {Napi::String::New(env, "exit"),
                                  Napi::Function::New(env, [state](const Napi::CallbackInfo&) { state->close(); })});
}

Environment& Environment::of(Napi::Env env) { return **env.GetInstanceData<std::shared_ptr<Environment>>(); }

Napi::Promise Environment::queue(Napi::Env env, std::shared_ptr<PromiseJob> job, std::shared_ptr<KeepAlive> keep_alive,
                                 const Post& post) {
  const Napi::Promise promise = job->promise();
  job->keep_alive = keep_alive;  // before another thread has the job
  bool accepted;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    accepted = !closed_;
  }
  accepted = accepted && post([self = shared_from_this(), job]() mutable { self->run(std::move(job)); });
  if (!accepted) {
    job->reject(env, Error(ErrorCode::kAborted, "The environment is ending; the engine takes no more work from it."));
    return promise;
  }
  if (keep_alive) ++keep_alive->pending;
  if (!keep_alive || keep_alive->wanted) hold(env, 1);
  return promise;
}

void Environment::hold(Napi::Env env, size_t jobs) {
  if (jobs == 0) return;
  if (pending_ == 0) check(env, napi_ref_threadsafe_function(env, wake_));
  pending_ += jobs;
}

void Environment::let_go(Napi::Env env, size_t jobs) {
  if (jobs == 0) return;
  pending_ -= jobs;
  if (pending_ == 0) napi_unref_threadsafe_function(env, wake_);
}

std::shared_ptr<KeepAlive> Environment::keep_alive_of(const std::shared_ptr<Trainer>& trainer) {
  std::erase_if(keep_alive_, [](const auto& known) { return known.first.expired(); });
  auto& found = keep_alive_[trainer];
  if (!found) found = std::make_shared<KeepAlive>();
  return found;
}

void Environment::set_keep_alive(Napi::Env env, const std::shared_ptr<Trainer>& trainer, bool wanted) {
  const auto found = keep_alive_of(trainer);
  if (found->wanted == wanted) return;
  found->wanted = wanted;
  if (wanted) hold(env, found->pending);
  else let_go(env, found->pending);
}

int64_t Environment::keep_lock(FileLock lock) {
  locks_.emplace(++locks_given_, std::move(lock));
  return locks_given_;
}

bool Environment::release_lock(int64_t number) { return locks_.erase(number) > 0; }

void Environment::run(std::shared_ptr<PromiseJob> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
  }
  job->run();
  const auto wait = [self = shared_from_this(), job] {
    job->finish();
    self->hand_over(job);
  };
  if (job->waits() && device::WaitThread::instance().post(wait)) return;
  hand_over(std::move(job));
}

void Environment::hand_over(std::shared_ptr<PromiseJob> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  done_.push_back(std::move(job));
  // One call wakes for all that are done by then; under the lock, `close` cannot release the function.
  if (done_.size() == 1) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Environment::deliver(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is being torn down
  static_cast<Environment*>(context)->settle_done(env);
}

void Environment::settle_done(Napi::Env env) {
  std::deque<std::shared_ptr<PromiseJob>> done;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    done.swap(done_);
  }
  for (auto& job : done) {
    Napi::HandleScope scope(env);
    try {
      job->settle(env);
    } catch (const Napi::Error&) {
      // The worker is being terminated and JavaScript refuses every call; nobody is left to be told.
    }
    if (const auto& group = job->keep_alive) --group->pending;
    if (!job->keep_alive || job->keep_alive->wanted) let_go(env, 1);
    job.reset();
  }
}

void Environment::cancel_at_end(const std::shared_ptr<Trainer>& trainer) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(trainers_, [](const auto& known) { return known.expired(); });
  trainers_.push_back(trainer);
}

void Environment::free_on_engine(std::shared_ptr<void> object) {
  // With the engine stopped the object goes right here: then no job can be using it.
  if (object) EngineThread::instance().post([object = std::move(object)]() mutable { object.reset(); });
}

void Environment::close() {
  std::vector<std::weak_ptr<Trainer>> trainers;
  std::deque<std::shared_ptr<PromiseJob>> unseen;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
    trainers.swap(trainers_);
    unseen.swap(done_);
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  }
  locks_.clear();
  for (const auto& trainer : trainers) {
    if (auto alive = trainer.lock()) {
      alive->cancel();
      free_on_engine(std::move(alive));  // it may have become the last owner
    }
  }
  // Results hold native objects, which the engine thread frees.
  for (auto& job : unseen) free_on_engine(std::move(job));
  leave_process();
}

}  // namespace vectune::binding
