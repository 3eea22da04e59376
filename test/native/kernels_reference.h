#pragma once
// What the tests of the kernels share: random inputs, outputs between guards, the dropout hash in scalars, and the
// comparison of every level of this processor with a reference in double.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/kernels.h"
#include "runtime/engine_thread.h"

namespace vectune::reference {

using kernels::SimdLevel;

/// fp32 results: a few hundred roundings of 2^-24, relative to the largest magnitude of the compared buffer.
inline constexpr double kFp32 = 1e-5;
/// bf16 results come on top of that: half a step of an 8-bit significand is at most 2^-8 of the value.
inline constexpr double kBf16 = 1.0 / 256;
template <typename T>
inline constexpr double kRounding = std::is_same_v<T, bf16> ? kBf16 : 0.0;

template <typename T>
T narrow(double x) {
  if constexpr (std::is_same_v<T, bf16>) return to_bf16(static_cast<float>(x));
  else return static_cast<T>(x);
}
inline double widen(bf16 x) { return to_float(x); }
inline double widen(double x) { return x; }

/// The same numbers on every machine (std's distributions are not): SplitMix64, normal by Box & Muller.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t x = state_ += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }
  double uniform() { return (static_cast<double>(bits() >> 11) + 0.5) / 9007199254740992.0; }
  double normal() { return std::sqrt(-2.0 * std::log(uniform())) * std::cos(6.283185307179586 * uniform()); }
  int64_t whole(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(bits() % static_cast<uint64_t>(most - least + 1));
  }
  template <typename T = float>
  std::vector<T> normals(int64_t n, double scale = 1.0, double mean = 0.0) {
    std::vector<T> v(static_cast<size_t>(n));
    for (T& x : v) x = narrow<T>(mean + scale * normal());
    return v;
  }

 private:
  uint64_t state_;
};

/// `v` followed by NaNs: rows up to `padded` that a kernel may see but must not use.
template <typename T>
std::vector<T> with_nans(std::vector<T> v, int64_t more) {
  v.resize(v.size() + static_cast<size_t>(more), narrow<T>(NAN));
  return v;
}

/// An output between guards. It starts as NaNs (all bits 1), so what is never written shows; and off any alignment,
/// because gradients of vectors lie anywhere in the flat buffer.
template <typename T>
class Guarded {
 public:
  explicit Guarded(int64_t n) : all_(static_cast<size_t>(n + 2 * kGuard)) {
    std::memset(static_cast<void*>(all_.data()), 0xff, all_.size() * sizeof(T));
  }
  explicit Guarded(const std::vector<T>& start) : Guarded(static_cast<int64_t>(start.size())) {
    std::copy(start.begin(), start.end(), data());
  }
  T* data() { return all_.data() + kGuard; }
  int64_t size() const { return static_cast<int64_t>(all_.size()) - 2 * kGuard; }
  T operator[](int64_t i) const { return all_[static_cast<size_t>(i + kGuard)]; }

  /// The values from `begin` on as doubles (exact, so that equal doubles are equal bits); checks the guards.
  std::vector<double> values(int64_t begin = 0, int64_t count = -1, int64_t step = 1,
                             std::source_location at = std::source_location::current()) const {
    check_guards(at);
    if (count < 0) count = (size() - begin + step - 1) / step;
    std::vector<double> v(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) v[static_cast<size_t>(i)] = widen((*this)[begin + i * step]);
    return v;
  }
  void check_guards(std::source_location at = std::source_location::current()) const {
    bool whole = true;
    for (int64_t i = 0; i < kGuard; ++i)
      for (const T* p : {all_.data() + i, all_.data() + all_.size() - 1 - i})
        for (size_t b = 0; b < sizeof(T); ++b) whole = whole && reinterpret_cast<const unsigned char*>(p)[b] == 0xff;
    test::report(whole, at.file_name(), static_cast<int>(at.line()), "a kernel wrote outside its output");
  }

 private:
  static constexpr int64_t kGuard = 19;
  std::vector<T> all_;
};

/// Texts of mixed lengths in one packed batch, with more rows than tokens.
struct Batch {
  std::vector<int32_t> starts{0}, ids, positions, text_index;
  std::vector<uint64_t> row_keys;
  int64_t padded = 0;

  Batch(const std::vector<int64_t>& lengths, int64_t padding, Random& random, int64_t vocab = 50) {
    for (const int64_t length : lengths) {
      // indices over the whole range, the largest int32 among them
      const auto index = text_index.empty() ? INT32_MAX : static_cast<int32_t>(random.bits() >> 33);
      text_index.push_back(index);
      for (int64_t token = 0; token < length; ++token) {
        ids.push_back(static_cast<int32_t>(random.whole(0, vocab - 1)));
        positions.push_back(static_cast<int32_t>(token));
        row_keys.push_back(static_cast<uint64_t>(index) << 32 | static_cast<uint64_t>(token));
      }
      starts.push_back(static_cast<int32_t>(ids.size()));
    }
    padded = count() + padding;
  }
  int64_t count() const { return static_cast<int64_t>(ids.size()); }
  int64_t texts() const { return static_cast<int64_t>(text_index.size()); }
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t t = 0; t < texts(); ++t) most = std::max<int64_t>(most, starts[t + 1] - starts[t]);
    return most;
  }
  kernels::Rows rows() const {
    return {count(), padded, texts(), starts.data(), ids.data(), positions.data(), row_keys.data(), text_index.data()};
  }
};

/// Lengths around every border of vectors and tiles, mixed.
inline std::vector<int64_t> border_lengths() { return {33, 1, 512, 16, 63, 2, 15, 511, 64, 17, 32, 65, 31}; }
inline std::vector<int64_t> random_lengths(Random& random, int64_t most) {
  std::vector<int64_t> lengths(static_cast<size_t>(random.whole(1, 9)));
  for (auto& l : lengths) l = std::max<int64_t>(1, std::llround(std::pow(static_cast<double>(most), random.uniform())));
  return lengths;
}

// --- dropout as kernels/mask.h describes it ----------------------------------------------------------------------

inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
inline uint32_t mix32(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}
/// What an element is multiplied by.
inline double kept(const kernels::Dropout& d, uint64_t row_key, int64_t feature) {
  if (!d.on()) return 1.0;
  const auto row = static_cast<uint32_t>(mix64(d.key ^ mix64(row_key)) >> 16);
  const uint32_t h = mix32(static_cast<uint32_t>(feature) * 0x9e3779b9u + row);
  return h < d.threshold ? 0.0 : static_cast<double>(d.scale);
}
/// A head of attention has a key of its own; its rows are the queries and its features the keys of the text.
inline kernels::Dropout of_head(kernels::Dropout d, int64_t head) {
  d.key += static_cast<uint64_t>(head) * 0x9e3779b97f4a7c15ull;
  return d;
}
inline kernels::Dropout dropout_of(double p, uint64_t key) {
  if (p == 0.0) return {};
  return {key, static_cast<uint32_t>(std::llround(p * 4294967296.0)), static_cast<float>(1.0 / (1.0 - p))};
}

// --- comparison --------------------------------------------------------------------------------------------------

inline double largest(const std::vector<double>& v) {
  double most = 0;
  for (const double x : v) most = std::max(most, std::abs(x));
  return most;
}

/// |found − expected| ≤ absolute + relative·|expected|, element by element. NaN is never close.
inline void check_close(const std::string& what, const std::vector<double>& found, const std::vector<double>& expected,
                        double absolute, double relative, std::source_location at = std::source_location::current()) {
  std::string off;
  double worst = 1.0;
  if (found.size() != expected.size()) off = "sizes differ";
  for (size_t i = 0; i < expected.size() && i < found.size(); ++i) {
    const double error = std::abs(found[i] - expected[i]), allowed = absolute + relative * std::abs(expected[i]);
    if (error <= allowed || found[i] == expected[i]) continue;
    const double ratio = std::isnan(error) || allowed == 0 ? INFINITY : error / allowed;
    if (!off.empty() && !(ratio > worst)) continue;
    worst = ratio;
    off = "[" + std::to_string(i) + "] is " + test::text(found[i]) + ", expected " + test::text(expected[i]) +
          ", off by " + test::text(ratio) + " of the tolerance";
  }
  test::report(off.empty(), at.file_name(), static_cast<int>(at.line()), what + off);
}

/// One output of a kernel and what it should be.
struct Expected {
  std::string name;
  std::vector<double> values;
  double absolute = 0;
  double relative = 0;
  bool any_team = true;  // the same bits for any number of threads; sums across rows need only repeat
  int64_t zeros = 0;     // elements at the end that must be +0 exactly (rows from `rows` to `padded`)

  /// Within `tolerance` of the largest magnitude, and a rounding to T.
  template <typename T = float>
  static Expected near(std::string name, std::vector<double> values, int64_t zeros = 0, double tolerance = kFp32) {
    const double absolute = tolerance * largest(values);
    return {std::move(name), std::move(values), absolute, kRounding<T>, true, zeros};
  }
  /// The same of a sum across rows, whose order depends on the number of threads.
  static Expected sum(std::string name, std::vector<double> values) {
    Expected e = near(std::move(name), std::move(values));
    e.any_team = false;
    return e;
  }
};
using Found = std::vector<std::vector<double>>;

/// The levels that this processor has.
inline std::vector<SimdLevel> levels() {
  std::vector<SimdLevel> all{SimdLevel::kPlain};
  if (kernels::simd_level() != SimdLevel::kPlain) all.push_back(SimdLevel::kAvx2);
  if (kernels::simd_level() >= SimdLevel::kAvx512) all.push_back(SimdLevel::kAvx512);
  if (kernels::simd_level() >= SimdLevel::kAvx512Vnni) all.push_back(SimdLevel::kAvx512Vnni);
  if (kernels::simd_level() >= SimdLevel::kAvx512Bf16) all.push_back(SimdLevel::kAvx512Bf16);
  return all;
}
inline const char* name_of(SimdLevel level) {
  switch (level) {
    case SimdLevel::kPlain: return "plain";
    case SimdLevel::kAvx2: return "avx2";
    case SimdLevel::kAvx512: return "avx512";
    case SimdLevel::kAvx512Vnni: return "avx512_vnni";
    case SimdLevel::kAvx512Bf16: return "avx512_bf16";
  }
  return "";
}

/// Runs work on the engine's thread (where kernels run, with denormals flushed) with a team of so many.
template <typename Work>
auto with_threads(int count, Work work) {
  return EngineThread::instance().run([&] {
    struct Restore {
      int before = threads();
      ~Restore() { set_threads(before); }
    } restore;
    set_threads(count);
    CHECK_EQ(omp_get_max_threads(), count);
    return work();
  });
}

/// Runs a kernel at every level and compares with the reference and with the plain level; at the best level also with
/// 2 threads, bit by bit. `run(table, threads)` gives the outputs in the order of `expected`.
template <typename Run>
void check_levels(const std::string& what, const std::vector<Expected>& expected, Run run,
                  std::source_location at = std::source_location::current()) {
  const auto same_bits = [&](const std::string& name, const std::vector<double>& a, const std::vector<double>& b) {
    const bool same =
        a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), sizeof(double) * a.size()) == 0);
    test::report(same, at.file_name(), static_cast<int>(at.line()), name);
  };
  bool sums = false;
  for (const Expected& e : expected) sums = sums || !e.any_team;
  Found plain;
  for (const SimdLevel level : levels()) {
    const kernels::Table& table = kernels::table(level);
    const bool teams = level == levels().back();  // how work is cut is the same source at every level
    const Found one = with_threads(1, [&] { return run(table, 1); });
    const Found two = teams ? with_threads(2, [&] { return run(table, 2); }) : Found{};
    const Found again = teams && sums ? with_threads(2, [&] { return run(table, 2); }) : two;
    if (level == SimdLevel::kPlain) plain = one;
    REQUIRE(one.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const Expected& e = expected[i];
      const std::string name = std::string(name_of(level)) + ", " + what + ": " + e.name + " ";
      check_close(name, one[i], e.values, e.absolute, e.relative, at);
      // near a tie two levels may round to bf16 either way: a whole step, twice the half
      check_close(name + "against plain ", one[i], plain[i], e.absolute, 2 * e.relative, at);
      const std::vector<double> tail(one[i].end() - std::min<int64_t>(e.zeros, one[i].size()), one[i].end());
      same_bits(name + "is not zero after the last row", tail, std::vector<double>(e.zeros));
      if (!teams) continue;
      same_bits(name + "differs between two runs with 2 threads", two[i], again[i]);
      if (e.any_team) same_bits(name + "differs between 1 and 2 threads", one[i], two[i]);
      else check_close(name + "with 2 threads ", two[i], e.values, e.absolute, e.relative, at);
    }
  }
}

}  // namespace vectune::reference
