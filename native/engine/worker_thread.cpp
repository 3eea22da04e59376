#include "worker_thread.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace vectune {

struct WorkerThread::State {
  const char* name = "";
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  std::atomic<bool> stopping{true};
  std::mutex lifetime;  // serialises start and stop
  std::thread thread;

  void loop() {
    pthread_setname_np(pthread_self(), name);
    for (;;) {
      std::function<void()> job;
      {
        std::unique_lock<std::mutex> lock(mutex);
        wake.wait(lock, [this] { return stopping || !queue.empty(); });
        if (stopping) return;
        job = std::move(queue.front());
        queue.pop_front();
      }
      job();
    }
  }
};

WorkerThread::WorkerThread(const char* name) : state_(new State) { state_->name = name; }

bool WorkerThread::post(std::function<void()> job) {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->stopping) return false;
    state_->queue.push_back(std::move(job));
  }
  state_->wake.notify_one();
  return true;
}

void WorkerThread::start() {
  std::lock_guard<std::mutex> lifetime(state_->lifetime);
  if (state_->thread.joinable()) return;
  sigset_t all, before;  // signals are the host's
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->stopping = false;
  try {
    state_->thread = std::thread([state = state_] { state->loop(); });
  } catch (...) {
    state_->stopping = true;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void WorkerThread::stop() {
  std::lock_guard<std::mutex> lifetime(state_->lifetime);
  if (!state_->thread.joinable()) return;
  std::deque<std::function<void()>> dropped;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopping = true;
    dropped.swap(state_->queue);
  }
  state_->wake.notify_one();
  state_->thread.join();
  // `dropped` is destroyed here, without the queue's lock: a job's destructor may post.
}

bool WorkerThread::stopping() const { return state_->stopping; }

}  // namespace vectune
