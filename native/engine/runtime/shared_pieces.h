#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace vectune {

/// 0 … n in pieces, of which each thread of a team has a fixed share that it works off from its begin. One that has
/// none left takes from the end of what another has: a thread that something else keeps from its core holds up one
/// piece.
class SharedPieces {
 public:
  /// Pieces have at most `most`, and none lies on both sides of a multiple of `border`. n < 2³².
  SharedPieces(int64_t n, int64_t most, int64_t border, int threads)
      : n_(n), most_(most), border_(border), left_(static_cast<size_t>(threads)) {
    for (int t = 0; t < threads; ++t) left_[static_cast<size_t>(t)].range = range(share(t), share(t + 1));
  }

  /// Whether this thread has `at` in its share.
  bool shares(int thread, int64_t at) const { return at >= share(thread) && at < share(thread + 1); }

  /// The next piece begin … end for this thread; false where none is left.
  bool take(int thread, int64_t& begin, int64_t& end) {
    if (take_of(left_[static_cast<size_t>(thread)].range, true, begin, end)) return true;
    for (;;) {
      Left* from = nullptr;
      int64_t most = 0;
      for (Left& other : left_) {
        const uint64_t range = other.range.load(std::memory_order_relaxed);
        if (end_of(range) - begin_of(range) > most) most = end_of(range) - begin_of(range), from = &other;
      }
      if (from == nullptr) return false;
      if (take_of(from->range, false, begin, end)) return true;
    }
  }

 private:
  struct alignas(64) Left {
    std::atomic<uint64_t> range;  // begin in the upper half
  };
  int64_t share(int thread) const { return n_ * thread / static_cast<int64_t>(left_.size()); }
  static uint64_t range(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }
  static int64_t begin_of(uint64_t range) { return static_cast<int64_t>(range >> 32); }
  static int64_t end_of(uint64_t range) { return static_cast<int64_t>(range & 0xffffffff); }

  bool take_of(std::atomic<uint64_t>& left, bool first, int64_t& begin, int64_t& end) const {
    uint64_t known = left.load(std::memory_order_relaxed), then;
    do {
      begin = begin_of(known), end = end_of(known);
      if (begin >= end) return false;
      if (first) {
        then = range(end = std::min({end, begin + most_, (begin / border_ + 1) * border_}), end_of(known));
      } else {
        begin = std::max({begin, end - most_, (end - 1) / border_ * border_});
        then = range(begin_of(known), begin);
      }
    } while (!left.compare_exchange_weak(known, then, std::memory_order_relaxed));
    return true;
  }

  int64_t n_, most_, border_;
  std::vector<Left> left_;
};

}  // namespace vectune
