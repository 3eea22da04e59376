#include "runtime/engine_thread.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <omp.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/errors.h"

using vectune::EngineThread;
using vectune::ErrorCode;

namespace {

void wait_until(const std::function<bool()>& ready) {
  while (!ready()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

TEST(engine_thread_runs_jobs_in_order_on_one_thread) {
  auto& engine = EngineThread::instance();
  std::vector<int> order;
  std::vector<std::thread::id> ids;
  for (int i = 0; i < 100; ++i) {
    engine.post([&, i] {
      order.push_back(i);
      ids.push_back(std::this_thread::get_id());
    });
  }
  const auto engine_id = engine.run([] { return std::this_thread::get_id(); });
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK_EQ(order[static_cast<size_t>(i)], i);
    CHECK(ids[static_cast<size_t>(i)] == engine_id);
  }
  CHECK(engine_id != std::this_thread::get_id());
  CHECK(engine.run([&] { return engine.is_current(); }));
  CHECK(!engine.is_current());
}

TEST(engine_thread_lets_lanes_take_turns) {
  auto& engine = EngineThread::instance();
  const int lanes[3] = {};
  std::atomic<bool> go{false};
  std::string order;
  const auto queue = [&](int lane, char name) { engine.post([&order, name] { order += name; }, &lanes[lane]); };
  engine.post([&] { wait_until([&] { return go.load(); }); }, &lanes[0]);
  for (int i = 0; i < 4; ++i) queue(0, 'a');
  for (int i = 0; i < 2; ++i) queue(1, 'b');
  engine.post([&] { order += '.'; });  // without a lane: after all of these
  queue(2, 'c');                       // idle so far: in the turn that is on
  go = true;
  engine.run([] {});
  CHECK_EQ(order, "bcabaaa.");

  // A lane that was busy and is idle again has neither lost a turn nor saved any.
  order.clear();
  go = false;
  engine.post([&] { wait_until([&] { return go.load(); }); }, &lanes[1]);
  for (int i = 0; i < 3; ++i) queue(1, 'b');
  for (int i = 0; i < 3; ++i) queue(0, 'a');
  go = true;
  engine.run([] {});
  CHECK_EQ(order, "bababa");
}

TEST(engine_thread_hands_exceptions_to_who_waits) {
  CHECK_THROWS_CODE(EngineThread::instance().run([] { throw vectune::Error(ErrorCode::kFile, "lost"); }),
                    ErrorCode::kFile, "lost");
}

TEST(engine_thread_has_gradients_off_and_flushes_denormals) {
  auto& engine = EngineThread::instance();
  CHECK(!engine.run([] { return c10::GradMode::is_enabled(); }));
  CHECK(c10::GradMode::is_enabled());
  const auto halved = [] {
    volatile float tiny = std::numeric_limits<float>::min();
    tiny = tiny * 0.5f;
    return tiny == 0.0f;
  };
  CHECK(engine.run(halved));
  CHECK(!halved());
  // and so does every thread of its team
  const int flushing = engine.run([&] {
    int count = 0;
#pragma omp parallel num_threads(3) reduction(+ : count)
    count += halved() ? 1 : 0;
    return count;
  });
  CHECK_EQ(flushing, 3);
}

TEST(engine_thread_takes_no_signals) {
  const bool blocked = EngineThread::instance().run([] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGINT) == 1;
  });
  CHECK(blocked);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK_EQ(sigismember(&mask, SIGTERM), 0);
}

TEST(engine_thread_sets_the_number_of_threads) {
  auto& engine = EngineThread::instance();
  const int before = vectune::threads();
  CHECK(before >= 1);
  CHECK_EQ(engine.run([] { return at::get_num_threads(); }), before);
  engine.run([] { vectune::set_threads(3); });
  CHECK_EQ(vectune::threads(), 3);
  CHECK_EQ(engine.run([] { return omp_get_max_threads(); }), 3);
  engine.stop();
  engine.start();
  CHECK_EQ(engine.run([] { return omp_get_max_threads(); }), 3);
  CHECK_THROWS_CODE(engine.run([] { vectune::set_threads(0); }), ErrorCode::kInvalidArgument);
  engine.run([=] { vectune::set_threads(before); });
}

TEST(engine_thread_stops_in_the_middle_of_its_work) {
  auto& engine = EngineThread::instance();
  std::atomic<bool> running{false}, saw_stop{false};
  int later = 0;
  auto token = std::make_shared<int>(0);
  engine.post([&] {
    running = true;
    wait_until([&] { return engine.stopping(); });
    saw_stop = true;
  });
  for (int i = 0; i < 10; ++i) engine.post([&later, token] { ++later; });
  wait_until([&] { return running.load(); });
  engine.stop();
  CHECK(saw_stop.load());
  CHECK_EQ(later, 0);
  CHECK_EQ(token.use_count(), 1L);  // dropped jobs are destroyed, not kept
  CHECK(engine.stopping());
  CHECK(!engine.post([&later] { ++later; }));
  engine.stop();  // once more does nothing
  engine.start();
  engine.start();
  CHECK(!engine.stopping());
  CHECK_EQ(engine.run([] { return 7; }), 7);
  CHECK_EQ(later, 0);
}

TEST(engine_thread_survives_starts_and_stops_from_many_threads) {
  auto& engine = EngineThread::instance();
  std::atomic<int> done{0}, accepted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        if (t == 0) engine.stop();
        engine.start();
        if (engine.post([&done] { ++done; })) ++accepted;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  engine.start();
  engine.run([] { return 0; });
  CHECK(done.load() > 0);
  CHECK(done.load() <= accepted.load());
}
