#include "search/top_k.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "runtime/cancel.h"
#include "runtime/errors.h"
#include "runtime/thread_team.h"

namespace vectune::search {
namespace {

std::atomic<int64_t> live_searches{0};

using kernels::Hit;

/// Products of a step for each thread, of fp32 and of int8, and compared bytes: about a hundredth of a second.
constexpr int64_t kStepFp32 = int64_t{1} << 30, kStepInt8 = int64_t{1} << 32, kStepBits = int64_t{1} << 29;
/// Packed queries that stay in the second cache while vectors pass by.
constexpr int64_t kGroupBytes = 512 << 10;
/// Each share of the vectors has hits of its own: not more of them than fit here, where queries would keep all threads
/// busy alone.
constexpr int64_t kShareBytes = int64_t{64} << 20;

int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

bool before(const Hit& a, const Hit& b) {
  return a.similarity > b.similarity || (a.similarity == b.similarity && a.row < b.row);
}

void cut(const kernels::Hits& all, int64_t query) {
  Hit* const hits = all.hits + query * all.capacity;
  std::nth_element(hits, hits + all.k - 1, hits + all.held[query], before);
  all.held[query] = static_cast<int32_t>(all.k);
  all.least[query] = hits[all.k - 1].similarity;
}

}  // namespace

TopK::TopK(std::shared_ptr<const Vectors> vectors, const float* queries, int64_t size, int64_t k, int64_t count,
           const kernels::Table& table)
    : source_(std::move(vectors)), table_(table), count_(std::min(count, source_->count())), k_(std::min(k, count_)) {
  prepare(queries, size);
  ++live_searches;
}

TopK::TopK(std::shared_ptr<const Vectors> vectors, const int8_t* queries, int64_t size, int64_t k, int64_t count,
           const kernels::Table& table)
    : source_(std::move(vectors)), table_(table), count_(std::min(count, source_->count())), k_(std::min(k, count_)) {
  prepare(queries, size);
  ++live_searches;
}

TopK::TopK(std::shared_ptr<const Vectors> vectors, const uint8_t* queries, int64_t size, int64_t k, int64_t count,
           const kernels::Table& table)
    : source_(std::move(vectors)), table_(table), count_(std::min(count, source_->count())), k_(std::min(k, count_)) {
  prepare(queries, size);
  ++live_searches;
}

TopK::~TopK() { --live_searches; }

int64_t TopK::live() { return live_searches; }

template <typename T>
void TopK::prepare(const T* queries, int64_t size) {
  constexpr bool fp32 = std::is_same_v<T, float>, int8 = std::is_same_v<T, int8_t>;
  check_type(source_->type(), kTypeOf<T>, "The", "the queries must be");
  const int64_t width = source_->width();
  check_vectors(queries, size, width, "Query", 0);
  queries_ = size / width;
  if (queries_ == 0 || k_ == 0) {
    done_ = count_;
    return;
  }
  const int64_t depth = int8 ? kernels::quantised_row(width) : width;
  const bool cosine = source_->similarity() == Similarity::kCosine;
  constexpr int64_t panel = kernels::kProductPanel;
  group_ = panel * std::max<int64_t>(1, kGroupBytes / (panel * depth * static_cast<int64_t>(sizeof(T))));
  groups_ = (queries_ + group_ - 1) / group_;
  capacity_ = 2 * k_ + 8;
  lanes_ = up(queries_, panel);
  const int64_t busy = 4 * ThreadTeam::size();
  const int64_t hit_bytes = queries_ * capacity_ * static_cast<int64_t>(sizeof(Hit));
  shares_ = std::max<int64_t>(1, std::min((busy + groups_ - 1) / groups_, kShareBytes / hit_bytes));
  scratch_threads_ = ThreadTeam::size();
  scratch_bytes_ = int8 ? up(table_.common.search_scratch(width), 64) : 0;
  arena_.carve([&](Arena::Carver& carver) {
    packed_ = carver.take<T>(kernels::packed_elements(depth, queries_));
    hits_ = carver.take<Hit>(shares_ * queries_ * capacity_);
    held_ = carver.take<int32_t>(shares_ * queries_);
    least_ = carver.take<float>(shares_ * lanes_);
    query_factors_ = int8 && cosine ? carver.take<float>(lanes_) : nullptr;
    query_sums_ = int8 ? carver.take<int32_t>(lanes_) : nullptr;
    scratch_ = carver.take<std::byte>(scratch_threads_ * scratch_bytes_);
  });
  std::fill_n(held_, shares_ * queries_, 0);
  for (int64_t s = 0; s < shares_; ++s) {
    std::fill_n(least_ + s * lanes_, queries_, -std::numeric_limits<float>::infinity());
    std::fill_n(least_ + s * lanes_ + queries_, lanes_ - queries_, std::numeric_limits<float>::infinity());
  }
  // As they are packed: whole words, and of length 1 for the cosine of fp32.
  Arena rows;
  T* copy = nullptr;
  rows.carve([&](Arena::Carver& carver) { copy = carver.take<T>(queries_ * depth); });
  for (int64_t q = 0; q < queries_; ++q) {
    const T* const from = queries + q * width;
    T* const to = copy + q * depth;
    if constexpr (fp32) {
      if (cosine) normalise(from, width, to);
      else std::copy_n(from, width, to);
    } else if constexpr (!int8) {
      std::copy_n(from, width, to);
    } else {
      std::copy_n(from, width, to);
      std::fill(to + width, to + depth, int8_t{0});
      int32_t sum = 0;
      for (int64_t i = 0; i < width; ++i) sum += from[i];
      query_sums_[q] = sum;
      if (cosine) query_factors_[q] = inverse_length(from, width);
    }
  }
  if constexpr (fp32) table_.common.search_pack(copy, depth, queries_, static_cast<float*>(packed_));
  else if constexpr (int8) table_.common.search_pack_int8(copy, depth, queries_, static_cast<int8_t*>(packed_));
  else table_.common.search_pack_bits(copy, depth, queries_, static_cast<uint8_t*>(packed_));
  if (query_sums_) std::fill_n(query_sums_ + queries_, lanes_ - queries_, 0);
  if (query_factors_) std::fill_n(query_factors_ + queries_, lanes_ - queries_, 0.0f);
}

kernels::Hits TopK::share(int64_t number) const {
  return {capacity_, k_, hits_ + number * queries_ * capacity_, held_ + number * queries_, least_ + number * lanes_,
          cut};
}

int64_t TopK::step() {
  Cancel{}.check();
  if (done_ == count_) return done_;
  const Vectors::Type type = source_->type();
  const int64_t of_thread = type == Vectors::Type::kFp32   ? kStepFp32
                            : type == Vectors::Type::kInt8 ? kStepInt8
                                                           : kStepBits;
  const int64_t products = of_thread * ThreadTeam::size();
  const int64_t vectors = std::max<int64_t>(256 * shares_, products / (queries_ * source_->width()));
  const int64_t end = std::min(count_, done_ + vectors);
  if (type == Vectors::Type::kFp32) search<float>(done_, end);
  else if (type == Vectors::Type::kInt8) search<int8_t>(done_, end);
  else search<uint8_t>(done_, end);
  done_ = end;
  return done_;
}

template <typename T>
void TopK::search(int64_t from, int64_t to) {
  // Each unit of work has hits that are nobody else's, and sees the vectors in order, so that of equal ones those that
  // are there already stay.
  const auto unit = [&](int64_t number, int64_t thread) {
    const int64_t group = number % groups_, share_number = number / groups_;
    const int64_t begin = from + (to - from) * share_number / shares_;
    const int64_t end = from + (to - from) * (share_number + 1) / shares_;
    kernels::Search<T> search{};
    search.width = source_->width();
    search.queries = static_cast<const T*>(packed_);
    search.begin = group * group_;
    search.end = std::min(queries_, search.begin + group_);
    search.query_factors = query_factors_;
    search.query_sums = query_sums_;
    search.scratch = scratch_ + thread * scratch_bytes_;
    search.found = share(share_number);
    for (int64_t at = begin; at < end; at += search.count) {
      const Vectors::Run run = source_->run(at, end - at);
      search.rows = static_cast<const T*>(run.numbers);
      search.count = run.count;
      search.first = static_cast<int32_t>(run.first);
      search.row_factors = run.factors;
      if constexpr (std::is_same_v<T, float>) table_.common.search(search);
      else if constexpr (std::is_same_v<T, int8_t>) table_.common.search_int8(search);
      else table_.common.search_bits(search);
    }
  };
  // More threads than when this was made have no scratch of their own.
  std::atomic<int64_t> next{0};
  on_team([&](int thread, int) {
    if (thread >= scratch_threads_) return;
    for (int64_t number; (number = next.fetch_add(1, std::memory_order_relaxed)) < groups_ * shares_;)
      unit(number, thread);
  });
}

void TopK::hits(float* similarities, int32_t* rows) {
  if (done_ < count_)
    throw Error(ErrorCode::kInvalidArgument, "The search has seen " + std::to_string(done_) + " of " +
                                                 std::to_string(count_) + " vectors; its hits are there after all.");
  if (k_ == 0) return;
  for_parts(queries_, [&](int64_t begin, int64_t end, int) {
    for (int64_t q = begin; q < end; ++q) {
      // The shares' hits move together in the first one's room.
      const kernels::Hits first = share(0);
      Hit* const best = first.hits + q * capacity_;
      for (int64_t s = 1; s < shares_; ++s) {
        const kernels::Hits more = share(s);
        for (int64_t i = 0; i < more.held[q]; ++i) {
          best[first.held[q]++] = more.hits[q * capacity_ + i];
          if (first.held[q] == capacity_) cut(first, q);
        }
        more.held[q] = 0;
      }
      std::sort(best, best + first.held[q], before);
      first.held[q] = static_cast<int32_t>(k_);
      for (int64_t i = 0; i < k_; ++i) {
        similarities[q * k_ + i] = best[i].similarity;
        rows[q * k_ + i] = best[i].row;
      }
    }
  });
}

}  // namespace vectune::search
