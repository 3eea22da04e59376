#include "runtime/shared_pieces.h"

#include "check.h"
#include "kernels_reference.h"
#include "runtime/thread_team.h"

using namespace vectune;
using namespace vectune::test;

TEST(shared_pieces_are_each_taken_once_and_none_crosses_a_border) {
  reference::with_threads(4, [] {
    for (const int64_t n : {0, 1, 3, 15, 16, 17, 1001})
      for (const int64_t border : {1, 7, 40, 2000}) {
        std::vector<int> times(static_cast<size_t>(n));
        std::atomic<int> crossing{0};
        SharedPieces pieces(n, 16, border, 4);
        on_team([&](int thread, int) {
          for (int64_t begin, end; pieces.take(thread, begin, end);) {
            crossing += begin >= end || end - begin > 16 || begin / border != (end - 1) / border;
            for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
          }
        });
        CHECK_EQ(times, std::vector<int>(static_cast<size_t>(n), 1));
        CHECK_EQ(crossing.load(), 0);
      }
  });
}

TEST(the_share_of_a_thread_that_is_held_up_is_done_by_the_others) {
  reference::with_threads(2, [] {
    std::atomic<int> of_the_other{0};
    SharedPieces pieces(100, 10, 25, 2);
    CHECK(pieces.shares(0, 49) && !pieces.shares(0, 50) && pieces.shares(1, 50) && !pieces.shares(1, 100));
    on_team([&](int thread, int) {
      int64_t begin, end;
      if (thread == 1) {
        if (pieces.take(1, begin, end)) of_the_other += static_cast<int>(end - begin);
        // holds its first piece until nothing else is left
        while (of_the_other.load() < 50) std::this_thread::yield();
        CHECK(!pieces.take(1, begin, end));
      } else {
        while (pieces.take(0, begin, end))
          if (begin >= 50) of_the_other += static_cast<int>(end - begin);
      }
    });
    CHECK_EQ(of_the_other.load(), 50);
  });
}
