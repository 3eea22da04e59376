#include "search/vectors.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "runtime/errors.h"
#include "runtime/thread_team.h"

namespace vectune::search {
namespace {

std::atomic<int64_t> live_vectors{0};

/// Bytes of the largest block.
constexpr int64_t kBlockBytes = int64_t{32} << 20;

std::string number_of(const char* what, int64_t number) {
  return std::string(what) + " " + std::to_string(number) + " (counted from 0)";
}

void check_whole(int64_t size, int64_t width, const char* what) {
  if (size % width == 0) return;
  throw Error(ErrorCode::kInvalidArgument, std::string(what) + "s have " + std::to_string(width) +
                                               " numbers each, but there are " + std::to_string(size) +
                                               " numbers, which is no multiple.");
}

double squares(const float* numbers, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(numbers[i]) * static_cast<double>(numbers[i]);
  return sum;
}

}  // namespace

void check_vectors(const float* numbers, int64_t size, int64_t width, const char* what, int64_t first) {
  check_whole(size, width, what);
  for (int64_t v = 0; v * width < size; ++v) {
    const float* const vector = numbers + v * width;
    // No partial sum of a product is larger than the lengths of both.
    if (squares(vector, width) <= static_cast<double>(std::numeric_limits<float>::max())) continue;
    const auto* const odd = std::find_if(vector, vector + width, [](float x) { return !std::isfinite(x); });
    if (odd == vector + width)
      throw Error(ErrorCode::kInvalidArgument,
                  number_of(what, first + v) + " is longer than 1.8e19: its products would not be finite.");
    throw Error(ErrorCode::kInvalidArgument, number_of(what, first + v) + " has " +
                                                 (std::isnan(*odd) ? "NaN" : "an infinite number") + " at place " +
                                                 std::to_string(odd - vector) + "; every number must be finite.");
  }
}

void check_vectors(const int8_t*, int64_t size, int64_t width, const char* what, int64_t) {
  check_whole(size, width, what);
}

void check_vectors(const uint8_t*, int64_t size, int64_t width, const char* what, int64_t) {
  check_whole(size, width, what);
}

void check_type(Vectors::Type is, Vectors::Type given, const char* whose, const char* must) {
  if (is == given) return;
  const auto name = [&] {
    switch (is) {
      case Vectors::Type::kFp32: return std::pair{"fp32", "a Float32Array"};
      case Vectors::Type::kInt8: return std::pair{"int8", "an Int8Array"};
      case Vectors::Type::kBits: break;
    }
    return std::pair{"bits", "a Uint8Array"};
  }();
  throw Error(ErrorCode::kInvalidArgument,
              std::string(whose) + " vectors are " + name.first + ": " + must + " " + name.second + ".");
}

void normalise(const float* from, int64_t width, float* to) {
  const double length = std::sqrt(squares(from, width));
  for (int64_t i = 0; i < width; ++i)
    to[i] = length == 0 ? from[i] : static_cast<float>(static_cast<double>(from[i]) / length);
}

float inverse_length(const int8_t* numbers, int64_t width) {
  int64_t sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += static_cast<int64_t>(numbers[i]) * numbers[i];
  return sum == 0 ? 0.0f : static_cast<float>(1.0 / std::sqrt(static_cast<double>(sum)));
}

Vectors::Vectors(int64_t width, Type type, Similarity similarity)
    : width_(width), type_(type), similarity_(similarity) {
  if (type == Type::kBits && width % static_cast<int64_t>(sizeof(uint64_t)) != 0)
    throw Error(ErrorCode::kInvalidArgument,
                "Bits are in whole words of 8 bytes, but a vector has " + std::to_string(width) + " bytes.");
  ++live_vectors;
}

Vectors::~Vectors() { --live_vectors; }

int64_t Vectors::live() { return live_vectors; }

void Vectors::append(const float* numbers, int64_t size) {
  check_vectors(numbers, size, width_, "Vector", count_);
  add(numbers, size / width_);
}

void Vectors::append(const int8_t* numbers, int64_t size) {
  check_vectors(numbers, size, width_, "Vector", count_);
  add(numbers, size / width_);
}

void Vectors::append(const uint8_t* bytes, int64_t size) {
  check_vectors(bytes, size, width_, "Vector", count_);
  add(bytes, size / width_);
}

void Vectors::read(const int32_t* rows, int64_t size, float* numbers) const { read_rows(rows, size, numbers); }
void Vectors::read(const int32_t* rows, int64_t size, int8_t* numbers) const { read_rows(rows, size, numbers); }
void Vectors::read(const int32_t* rows, int64_t size, uint8_t* bytes) const { read_rows(rows, size, bytes); }

template <typename T>
void Vectors::read_rows(const int32_t* rows, int64_t size, T* numbers) const {
  check_type(type_, kTypeOf<T>, "These", "read them into");
  for (int64_t i = 0; i < size; ++i)
    if (rows[i] < 0 || rows[i] >= count_)
      throw Error(ErrorCode::kInvalidArgument, "There are " + std::to_string(count_) +
                                                   " vectors, counted from 0, and none of the number " +
                                                   std::to_string(rows[i]) + ".");
  for (int64_t i = 0; i < size; ++i)
    std::memcpy(numbers + i * width_, run(rows[i], 1).numbers, static_cast<size_t>(width_ * element_bytes()));
}

template <typename T>
void Vectors::add(const T* numbers, int64_t count) {
  check_type(type_, kTypeOf<T>, "These", "append");
  if (count_ + count > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::kInvalidArgument, "There can be 2,147,483,647 vectors at most.");
  // All memory first.
  const int64_t row_bytes = width_ * element_bytes();
  const int64_t most = std::max<int64_t>(1, kBlockBytes / row_bytes);
  const bool factors = type_ == Type::kInt8 && similarity_ == Similarity::kCosine;
  const size_t full = blocks_.size();
  const int64_t room = blocks_.empty() ? 0 : blocks_.back()->capacity - blocks_.back()->count;
  try {
    for (int64_t left = count - room; left > 0;) {
      auto block = std::make_unique<Block>();
      // Twice what is there: few blocks where vectors come one by one, and no more than twice the memory.
      block->capacity = std::min(most, std::max(left, count_));
      block->arena.carve([&](Arena::Carver& carver) {
        block->numbers = carver.take<std::byte>(block->capacity * row_bytes);
        block->factors = factors ? carver.take<float>(block->capacity) : nullptr;
      });
      left -= block->capacity;
      blocks_.push_back(std::move(block));
    }
  } catch (...) {
    blocks_.resize(full);
    throw;
  }
  for (size_t b = full > 0 ? full - 1 : 0; count > 0; ++b) {
    Block& block = *blocks_[b];
    if (block.count == 0) block.first = count_;
    const int64_t some = std::min(count, block.capacity - block.count);
    auto* const to = static_cast<T*>(block.numbers) + block.count * width_;
    if constexpr (std::is_same_v<T, float>) {
      if (similarity_ == Similarity::kCosine)
        for_each_on_team(some, [&](int64_t v) { normalise(numbers + v * width_, width_, to + v * width_); });
    }
    if (!std::is_same_v<T, float> || similarity_ == Similarity::kDot)
      std::memcpy(to, numbers, static_cast<size_t>(some * row_bytes));
    if constexpr (std::is_same_v<T, int8_t>) {
      for (int64_t v = 0; factors && v < some; ++v)
        block.factors[block.count + v] = inverse_length(numbers + v * width_, width_);
    }
    block.count += some;
    count_ += some;
    count -= some;
    numbers += some * width_;
  }
}

int64_t Vectors::bytes() const {
  int64_t sum = 0;
  for (const auto& block : blocks_) sum += block->arena.bytes();
  return sum;
}

Vectors::Run Vectors::run(int64_t from, int64_t most) const {
  const auto after = std::upper_bound(blocks_.begin(), blocks_.end(), from,
                                      [](int64_t at, const auto& block) { return at < block->first; });
  const Block& block = **std::prev(after);
  const int64_t offset = from - block.first;
  return {from, std::min(most, block.count - offset),
          static_cast<const std::byte*>(block.numbers) + offset * width_ * element_bytes(),
          block.factors == nullptr ? nullptr : block.factors + offset};
}

}  // namespace vectune::search
