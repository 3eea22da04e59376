#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "runtime/arena.h"

namespace vectune::search {

/// The cosine of two vectors' angle, which is 0 where one is all zeros; or their product.
enum class Similarity { kCosine, kDot };

/// What is searched: vectors of one width, fp32, int8 or bits, in the order in which they came. For the cosine those of
/// fp32 are kept at length 1 (divided in double, rounded); those of int8 as they are, with the inverse of their length.
/// Bits are whole words of 64, `width` bytes of them; they are compared by how many differ, whatever the similarity.
/// Engine thread.
class Vectors {
 public:
  enum class Type { kFp32, kInt8, kBits };

  Vectors(int64_t width, Type type, Similarity similarity);
  ~Vectors();
  Vectors(const Vectors&) = delete;
  Vectors& operator=(const Vectors&) = delete;

  /// Copies `numbers`, whole vectors of this object's type. On Error(kInvalidArgument), where there are no whole
  /// vectors, a number is not finite, or too large for products, and kOutOfMemory nothing is added.
  void append(const float* numbers, int64_t size);
  void append(const int8_t* numbers, int64_t size);
  void append(const uint8_t* bytes, int64_t size);

  /// Copies vectors by their numbers, as they are kept, [rows × width]. Error(kInvalidArgument): another type, or a
  /// number that there is not.
  void read(const int32_t* rows, int64_t size, float* numbers) const;
  void read(const int32_t* rows, int64_t size, int8_t* numbers) const;
  void read(const int32_t* rows, int64_t size, uint8_t* bytes) const;

  int64_t count() const { return count_; }
  int64_t width() const { return width_; }
  Type type() const { return type_; }
  Similarity similarity() const { return similarity_; }
  int64_t bytes() const;

  /// Vectors that lie one behind the other, of which the first has the number `first`.
  struct Run {
    int64_t first, count;
    const void* numbers;   // floats, int8 or bytes of bits
    const float* factors;  // [count] for int8 and the cosine, else null
  };
  /// As many of `from` … `from + most` as lie together, at least one.
  Run run(int64_t from, int64_t most) const;

  /// Objects of the process that are not freed.
  static int64_t live();

 private:
  struct Block {
    Arena arena;
    int64_t first = 0, count = 0, capacity = 0;
    void* numbers = nullptr;
    float* factors = nullptr;
  };
  template <typename T>
  void add(const T* numbers, int64_t count);
  template <typename T>
  void read_rows(const int32_t* rows, int64_t size, T* numbers) const;
  int64_t element_bytes() const { return type_ == Type::kFp32 ? 4 : 1; }

  int64_t width_;
  Type type_;
  Similarity similarity_;
  int64_t count_ = 0;
  std::vector<std::unique_ptr<Block>> blocks_;  // in order; all but the last are full
};

/// Refuses `size` numbers that are no whole vectors, or not finite, or so large that a product could be infinite;
/// `what` they are called, and `first` the number of the first.
void check_vectors(const float* numbers, int64_t size, int64_t width, const char* what, int64_t first);
void check_vectors(const int8_t* numbers, int64_t size, int64_t width, const char* what, int64_t first);
void check_vectors(const uint8_t* bytes, int64_t size, int64_t width, const char* what, int64_t first);

/// The type of vectors whose elements are T.
template <typename T>
inline constexpr Vectors::Type kTypeOf = std::is_same_v<T, float>    ? Vectors::Type::kFp32
                                         : std::is_same_v<T, int8_t> ? Vectors::Type::kInt8
                                                                     : Vectors::Type::kBits;
/// Refuses what is of another type than vectors are: "These vectors are int8: append an Int8Array."
void check_type(Vectors::Type is, Vectors::Type given, const char* whose, const char* must);

/// One vector at length 1, or all zeros as it is.
void normalise(const float* from, int64_t width, float* to);
/// 1 / its length, or 0 for all zeros.
float inverse_length(const int8_t* numbers, int64_t width);

}  // namespace vectune::search
