#pragma once
#include <cstdint>
#include <memory>

#include "cpu/kernels.h"
#include "runtime/arena.h"
#include "search/vectors.h"

namespace vectune::search {

/// The k most similar vectors of each query, exactly: of equal similarities the vector of lower number goes first.
/// Similarities are fp32: what differs by less is equal. Neither the number of threads nor how the work is cut changes
/// anything. Memory is for the queries and their hits. Engine thread.
class TopK {
 public:
  /// `queries` are whole vectors as `vectors` has them, of which the first `count` are searched, or all; k ≥ 1. Those
  /// that are added later are not looked at. Error(kInvalidArgument) as Vectors::append.
  TopK(std::shared_ptr<const Vectors> vectors, const float* queries, int64_t size, int64_t k, int64_t count,
       const kernels::Table& table = kernels::table());
  TopK(std::shared_ptr<const Vectors> vectors, const int8_t* queries, int64_t size, int64_t k, int64_t count,
       const kernels::Table& table = kernels::table());
  /// Of bits: a similarity is the number of bits that differ, negative.
  TopK(std::shared_ptr<const Vectors> vectors, const uint8_t* queries, int64_t size, int64_t k, int64_t count,
       const kernels::Table& table = kernels::table());
  ~TopK();
  TopK(const TopK&) = delete;
  TopK& operator=(const TopK&) = delete;

  /// Searches some more vectors, for some hundredths of a second; gives how many have been searched.
  int64_t step();
  /// Vectors to search.
  int64_t vectors() const { return count_; }
  int64_t queries() const { return queries_; }
  /// k, or all vectors where there are fewer.
  int64_t k() const { return k_; }
  int64_t bytes() const { return arena_.bytes(); }

  /// The best first, [queries × k] each. After the last step.
  void hits(float* similarities, int32_t* rows);

  static int64_t live();

 private:
  template <typename T>
  void prepare(const T* queries, int64_t size);
  template <typename T>
  void search(int64_t from, int64_t to);
  kernels::Hits share(int64_t number) const;

  std::shared_ptr<const Vectors> source_;
  const kernels::Table& table_;
  int64_t count_, queries_ = 0, k_;
  int64_t done_ = 0;
  int64_t group_ = 0, groups_ = 0;  // queries that are searched together, and how many such
  int64_t shares_ = 0;              // parts of the vectors, each with hits of its own
  int64_t capacity_ = 0, lanes_ = 0;
  Arena arena_;
  void* packed_ = nullptr;
  float* query_factors_ = nullptr;
  int32_t* query_sums_ = nullptr;
  kernels::Hit* hits_ = nullptr;  // [shares × queries × capacity]
  int32_t* held_ = nullptr;       // [shares × queries]
  float* least_ = nullptr;        // [shares × lanes]
  std::byte* scratch_ = nullptr;  // of each thread
  int64_t scratch_bytes_ = 0, scratch_threads_ = 0;
};

}  // namespace vectune::search
