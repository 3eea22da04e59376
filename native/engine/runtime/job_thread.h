#pragma once
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace vectune {

using Job = std::function<void()>;

/// A thread that runs jobs, which must not throw, in the order in which Queue (empty, push(job, …), pop) gives them.
/// Runs from `start` to `stop`, and may be started again. Must outlive the thread: its owners are never destroyed.
template <typename Queue>
class JobThread {
 public:
  /// Queues a job. After `stop` it is dropped (destroyed, not run) and false returned.
  template <typename... Order>
  bool post(Job job, Order... order) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return false;
      queue_.push(std::move(job), order...);
    }
    wake_.notify_one();
    return true;
  }

  /// `prepare` is the first that the thread does. Does nothing while it runs.
  void start(Job prepare) {
    std::lock_guard<std::mutex> lifetime(lifetime_);
    if (thread_.joinable()) return;
    // Signals are the host's: no thread made here, nor any that it makes, may be chosen to run a handler.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      stopping_ = false;
      thread_ = std::thread([this, prepare = std::move(prepare)] { loop(prepare); });
    } catch (...) {
      stopping_ = true;
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  /// Drops what is queued, waits for the running job (which sees `stopping`), joins. Idempotent.
  void stop() {
    std::lock_guard<std::mutex> lifetime(lifetime_);
    if (!thread_.joinable()) return;
    Queue dropped;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      std::swap(dropped, queue_);
    }
    wake_.notify_one();
    thread_.join();
    id_.store(std::thread::id());
    // `dropped` is destroyed here, without the queue's lock: a job's destructor may post.
  }

  bool stopping() const { return stopping_; }
  bool is_current() const { return id_.load() == std::this_thread::get_id(); }

 private:
  void loop(const Job& prepare) {
    id_.store(std::this_thread::get_id());
    prepare();
    for (;;) {
      Job job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        job = queue_.pop();
      }
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  Queue queue_;
  std::atomic<bool> stopping_{true};
  std::atomic<std::thread::id> id_{};
  std::mutex lifetime_;  // serialises start and stop
  std::thread thread_;
};

}  // namespace vectune
