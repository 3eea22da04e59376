// The k most similar vectors against a sort of all, at every level of this processor, for teams of 1 to 3 and whatever
// the number of vectors and queries.
//
// Where numbers are small integers every sum is exact and most are equal, so that hits must be those of the sort, ties
// included. Of other numbers a similarity is within kFp32 of the one in double, and hits are in order of what was
// found.
#include "search/top_k.h"

#include <numeric>

#include "kernels_reference.h"
#include "runtime/memory_budget.h"
#include "search/vectors.h"

using namespace vectune;
using namespace vectune::reference;
using search::Similarity;
using search::TopK;
using search::Vectors;

namespace {

struct Result {
  std::vector<float> similarities;
  std::vector<int32_t> rows;
  bool operator==(const Result&) const = default;
};

/// Appended in pieces of different sizes.
template <typename T>
std::shared_ptr<Vectors> vectors_of(const std::vector<T>& all, int64_t width, Similarity similarity, int64_t piece) {
  auto vectors = std::make_shared<Vectors>(width, search::kTypeOf<T>, similarity);
  const auto count = static_cast<int64_t>(all.size()) / width;
  for (int64_t from = 0; from < count; from += piece)
    vectors->append(all.data() + from * width, std::min(piece, count - from) * width);
  return vectors;
}

template <typename T>
Result search_all(const std::shared_ptr<Vectors>& vectors, const std::vector<T>& queries, int64_t k,
                  const kernels::Table& table = kernels::table()) {
  TopK search(vectors, queries.data(), static_cast<int64_t>(queries.size()), k, vectors->count(), table);
  while (search.step() < search.vectors()) {
  }
  Result found;
  found.similarities.resize(static_cast<size_t>(search.queries() * search.k()));
  found.rows.resize(found.similarities.size());
  search.hits(found.similarities.data(), found.rows.data());
  return found;
}

template <typename T>
double similarity_of(const T* a, const T* b, int64_t width, Similarity similarity) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < width; ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (similarity == Similarity::kDot) return ab;
  return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa) / std::sqrt(bb);
}

/// Numbers of the vectors, the most similar first and of equal ones the lower, in double.
template <typename T>
std::vector<int32_t> sorted(const std::vector<T>& all, const T* query, int64_t width, Similarity similarity) {
  const auto count = static_cast<int64_t>(all.size()) / width;
  std::vector<double> similarities;
  for (int64_t v = 0; v < count; ++v)
    similarities.push_back(similarity_of(query, all.data() + v * width, width, similarity));
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return similarities[a] > similarities[b]; });
  return order;
}

/// Vectors of four ±1 among zeros: cosines are multiples of a quarter, and all sums exact in fp32.
template <typename T>
std::vector<T> tied(int64_t count, int64_t width, Random& random) {
  std::vector<T> all(static_cast<size_t>(count * width), T{0});
  for (int64_t v = 0; v < count; ++v)
    for (int placed = 0; placed < 4;) {
      T& at = all[static_cast<size_t>(v * width + random.whole(0, width - 1))];
      if (at != 0) continue;
      at = static_cast<T>(random.whole(0, 1) == 0 ? 1 : -1);
      ++placed;
    }
  return all;
}

std::vector<int8_t> bytes(int64_t count, Random& random) {
  std::vector<int8_t> all(static_cast<size_t>(count));
  for (int8_t& x : all) x = static_cast<int8_t>(random.whole(-128, 127));
  return all;
}

struct Shape {
  int64_t queries, count, width, k;
};
/// Around the borders of tiles, panels and blocks, more hits than vectors, and at random.
std::vector<Shape> shapes(Random& random) {
  std::vector<Shape> all{{1, 1, 8, 1},    {1, 5, 9, 10},     {48, 64, 16, 1},     {49, 65, 17, 7},
                         {50, 700, 5, 3}, {3, 2000, 33, 20}, {100, 300, 30, 300}, {2, 4097, 4, 500}};
  for (int i = 0; i < 12; ++i)
    all.push_back({random.whole(1, 120), random.whole(1, 900), random.whole(4, 70), random.whole(1, 40)});
  return all;
}

template <typename T>
void check_tied(const Shape& s, Similarity similarity, Random& random) {
  const auto all = tied<T>(s.count, s.width, random), queries = tied<T>(s.queries, s.width, random);
  const auto vectors = vectors_of(all, s.width, similarity, random.whole(1, s.count));
  std::vector<int32_t> expected;
  for (int64_t q = 0; q < s.queries; ++q) {
    auto order = sorted(all, queries.data() + q * s.width, s.width, similarity);
    order.resize(static_cast<size_t>(std::min(s.k, s.count)));
    expected.insert(expected.end(), order.begin(), order.end());
  }
  for (const SimdLevel level : levels())
    for (const int team : {1, 3})
      with_threads(team, [&] { CHECK(search_all(vectors, queries, s.k, kernels::table(level)).rows == expected); });
}

}  // namespace

TEST(search_ties_go_to_the_lower_number) {
  Random random(71);
  for (const Shape& s : shapes(random))
    for (const Similarity similarity : {Similarity::kCosine, Similarity::kDot}) {
      check_tied<float>(s, similarity, random);
      check_tied<int8_t>(s, similarity, random);
    }
}

TEST(search_of_fp32_finds_the_most_similar) {
  Random random(72);
  for (const Shape& s : shapes(random))
    for (const Similarity similarity : {Similarity::kCosine, Similarity::kDot}) {
      const auto all = random.normals(s.count * s.width), queries = random.normals(s.queries * s.width);
      const auto vectors = vectors_of(all, s.width, similarity, 100);
      const int64_t k = std::min(s.k, s.count);
      const double close = similarity == Similarity::kCosine ? kFp32 : kFp32 * static_cast<double>(s.width);
      for (const SimdLevel level : levels()) {
        const Result found = search_all(vectors, queries, s.k, kernels::table(level));
        bool right = true, in_order = true;
        for (int64_t q = 0; q < s.queries; ++q) {
          const float* const query = queries.data() + q * s.width;
          const auto order = sorted(all, query, s.width, similarity);
          for (int64_t i = 0; i < k; ++i) {
            const auto at = static_cast<size_t>(q * k + i);
            const auto of = [&](int32_t row) { return similarity_of(query, &all[row * s.width], s.width, similarity); };
            right = right && std::abs(found.similarities[at] - of(found.rows[at])) <= close &&
                    std::abs(found.similarities[at] - of(order[static_cast<size_t>(i)])) <= close;
            if (i == 0) continue;
            in_order = in_order &&
                       (found.similarities[at] < found.similarities[at - 1] ||
                        (found.similarities[at] == found.similarities[at - 1] && found.rows[at] > found.rows[at - 1]));
          }
        }
        CHECK(right);
        CHECK(in_order);
      }
    }
}

TEST(search_of_int8_is_exact_at_every_level) {
  Random random(73);
  for (const Shape& s : shapes(random)) {
    const auto all = bytes(s.count * s.width, random), queries = bytes(s.queries * s.width, random);
    const auto products = vectors_of(all, s.width, Similarity::kDot, 50);
    const int64_t k = std::min(s.k, s.count);
    std::vector<int32_t> expected;
    std::vector<float> similarities;
    for (int64_t q = 0; q < s.queries; ++q) {
      const int8_t* const query = queries.data() + q * s.width;
      const auto order = sorted(all, query, s.width, Similarity::kDot);
      for (int64_t i = 0; i < k; ++i) {
        const int32_t row = order[static_cast<size_t>(i)];
        expected.push_back(row);
        similarities.push_back(
            static_cast<float>(similarity_of(query, &all[row * s.width], s.width, Similarity::kDot)));
      }
    }
    const auto cosines = vectors_of(all, s.width, Similarity::kCosine, 50);
    const Result plain = search_all(cosines, queries, s.k, kernels::table(SimdLevel::kPlain));
    for (const SimdLevel level : levels()) {
      const Result found = search_all(products, queries, s.k, kernels::table(level));
      CHECK(found.rows == expected);
      CHECK(found.similarities == similarities);
      CHECK(search_all(cosines, queries, s.k, kernels::table(level)) == plain);
    }
  }
}

TEST(search_of_bits_counts_those_that_differ_at_every_level) {
  Random random(76);
  for (const Shape& s : shapes(random)) {
    const int64_t width = 8 * ((s.width + 15) / 16);  // bytes
    const auto draw = [&](int64_t count) {
      std::vector<uint8_t> drawn;
      for (int8_t x : bytes(count * width, random)) drawn.push_back(static_cast<uint8_t>(x));
      return drawn;
    };
    const auto all = draw(s.count), queries = draw(s.queries);
    const auto vectors = vectors_of(all, width, Similarity::kDot, 50);
    const int64_t k = std::min(s.k, s.count);
    Result expected;
    for (int64_t q = 0; q < s.queries; ++q) {
      std::vector<int32_t> order(static_cast<size_t>(s.count)), differ(order.size());
      std::iota(order.begin(), order.end(), 0);
      for (int64_t v = 0; v < s.count; ++v)
        for (int64_t i = 0; i < width; ++i)
          for (int bits = all[v * width + i] ^ queries[q * width + i]; bits != 0; bits &= bits - 1) ++differ[v];
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return differ[a] < differ[b]; });
      for (int64_t i = 0; i < k; ++i) {
        expected.rows.push_back(order[i]);
        expected.similarities.push_back(-static_cast<float>(differ[order[i]]));
      }
    }
    for (const SimdLevel level : levels())
      for (const int team : {1, 3})
        with_threads(team, [&] { CHECK(search_all(vectors, queries, s.k, kernels::table(level)) == expected); });
  }
}

TEST(search_reads_vectors_as_they_are_kept) {
  Random random(77);
  const auto all = bytes(900 * 7, random);
  const auto vectors = vectors_of(all, 7, Similarity::kCosine, 100);
  const std::vector<int32_t> rows{899, 0, 100, 99, 0};
  std::vector<int8_t> read(rows.size() * 7);
  vectors->read(rows.data(), 5, read.data());
  for (size_t i = 0; i < rows.size(); ++i)
    CHECK(std::equal(read.begin() + 7 * static_cast<int64_t>(i), read.begin() + 7 * static_cast<int64_t>(i + 1),
                     all.begin() + 7 * rows[i]));
  for (const int32_t row : {-1, 900})
    CHECK_THROWS_CODE(vectors->read(&row, 1, read.data()), ErrorCode::kInvalidArgument,
                      "There are 900 vectors, counted from 0, and none of the number " + std::to_string(row) + ".");
  CHECK_THROWS_CODE(Vectors(12, Vectors::Type::kBits, Similarity::kDot), ErrorCode::kInvalidArgument,
                    "Bits are in whole words of 8 bytes, but a vector has 12 bytes.");
}

TEST(search_gives_the_same_bits_for_any_team_and_any_pieces) {
  Random random(74);
  const int64_t width = 100, count = 3000, k = 9;
  const auto all = random.normals(count * width), queries = random.normals(70 * width);
  const Result whole = search_all(vectors_of(all, width, Similarity::kCosine, count), queries, k);
  for (const int team : {1, 2, 3, 7})
    for (const int64_t piece : {1, 333, 2999})
      with_threads(team,
                   [&] { CHECK(search_all(vectors_of(all, width, Similarity::kCosine, piece), queries, k) == whole); });
  // One query at a time, and a part of the vectors at a time.
  for (const int64_t q : {0, 47, 48, 69}) {
    const std::vector<float> one(queries.begin() + q * width, queries.begin() + (q + 1) * width);
    const Result found = search_all(vectors_of(all, width, Similarity::kCosine, count), one, k);
    CHECK(std::equal(found.rows.begin(), found.rows.end(), whole.rows.begin() + q * k));
    CHECK(std::equal(found.similarities.begin(), found.similarities.end(), whole.similarities.begin() + q * k));
  }
}

TEST(search_holds_more_vectors_than_a_block_and_looks_at_those_that_were_there) {
  Random random(75);
  const int64_t width = 4096, count = 2100;  // 34 MB
  const auto all = tied<float>(count, width, random), queries = tied<float>(2, width, random);
  const auto vectors = vectors_of(all, width, Similarity::kDot, 700);
  TopK search(vectors, queries.data(), 2 * width, 5, count);
  vectors->append(queries.data(), 2 * width);
  CHECK_EQ(search.vectors(), count);
  while (search.step() < count) {
  }
  Result found{std::vector<float>(10), std::vector<int32_t>(10)};
  search.hits(found.similarities.data(), found.rows.data());
  for (int64_t q = 0; q < 2; ++q) {
    auto order = sorted(all, queries.data() + q * width, width, Similarity::kDot);
    CHECK(std::equal(order.begin(), order.begin() + 5, found.rows.begin() + q * 5));
  }
  // Again: the same.
  const Result before = found;
  search.hits(found.similarities.data(), found.rows.data());
  CHECK(found == before);
  CHECK_EQ(vectors->count(), count + 2);
}

TEST(search_takes_vectors_of_zeros_and_none_at_all) {
  const std::vector<float> zeros(12, 0.0f), query{1, 2, 3};
  Result found = search_all(vectors_of(zeros, 3, Similarity::kCosine, 4), query, 9);
  CHECK(found.rows == (std::vector<int32_t>{0, 1, 2, 3}));
  CHECK(found.similarities == std::vector<float>(4, 0.0f));
  found = search_all(vectors_of(zeros, 3, Similarity::kCosine, 4), std::vector<float>{0, 0, 0}, 1);
  CHECK(found.rows == std::vector<int32_t>{0});
  CHECK(search_all(std::make_shared<Vectors>(3, Vectors::Type::kFp32, Similarity::kDot), query, 2).rows.empty());
  CHECK(search_all(vectors_of(zeros, 3, Similarity::kCosine, 4), std::vector<float>{}, 2).rows.empty());
}

TEST(search_refuses_numbers_that_are_none_and_adds_nothing_then) {
  Vectors vectors(2, Vectors::Type::kFp32, Similarity::kCosine);
  const std::vector<float> good{1, 2}, nan{1, 2, 3, NAN}, infinite{-INFINITY, 1}, large{2e19f, 1}, odd{1, 2, 3};
  vectors.append(good.data(), 2);
  CHECK_THROWS_CODE(vectors.append(nan.data(), 4), ErrorCode::kInvalidArgument,
                    "Vector 2 (counted from 0) has NaN at place 1; every number must be finite.");
  CHECK_THROWS_CODE(vectors.append(infinite.data(), 2), ErrorCode::kInvalidArgument,
                    "Vector 1 (counted from 0) has an infinite number at place 0; every number must be finite.");
  CHECK_THROWS_CODE(vectors.append(large.data(), 2), ErrorCode::kInvalidArgument,
                    "Vector 1 (counted from 0) is longer than 1.8e19: its products would not be finite.");
  CHECK_THROWS_CODE(vectors.append(odd.data(), 3), ErrorCode::kInvalidArgument,
                    "Vectors have 2 numbers each, but there are 3 numbers, which is no multiple.");
  const int8_t byte[2] = {1, 2};
  CHECK_THROWS_CODE(vectors.append(byte, 2), ErrorCode::kInvalidArgument,
                    "These vectors are fp32: append a Float32Array.");
  CHECK_EQ(vectors.count(), 1);
  const auto shared = vectors_of(good, 2, Similarity::kDot, 1);
  CHECK_THROWS_CODE(TopK(shared, nan.data(), 4, 1, 1), ErrorCode::kInvalidArgument,
                    "Query 1 (counted from 0) has NaN at place 1; every number must be finite.");
  CHECK_THROWS_CODE(TopK(shared, byte, 2, 1, 1), ErrorCode::kInvalidArgument,
                    "The vectors are fp32: the queries must be a Float32Array.");
}

TEST(search_adds_nothing_where_there_is_no_memory) {
  Vectors vectors(1000, Vectors::Type::kFp32, Similarity::kDot);
  const std::vector<float> all(9000 * 1000, 1.0f);
  EngineThread::instance();  // whose budget this is
  memory_budget::set_limit(memory_budget::in_use() + (20 << 20));
  bool refused = false;
  try {
    vectors.append(all.data(), 9000 * 1000);
  } catch (...) {
    refused = current_error().code() == ErrorCode::kOutOfMemory;
  }
  memory_budget::set_limit(std::nullopt);
  CHECK(refused);
  CHECK_EQ(vectors.count(), 0);
  CHECK_EQ(vectors.bytes(), 0);
  vectors.append(all.data(), 1000);
  CHECK_EQ(vectors.count(), 1);
}
