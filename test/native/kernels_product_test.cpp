// The products of a linear layer and of int8 operands against sums in double, and exactly.
//
// Tolerances: kFp32 of the largest magnitude (sums of up to 3,000 fp32 roundings, whose errors grow with the square
// root); bf16 outputs one rounding more. int8 sums are exact.
#include "cpu/gemm.h"
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

struct Shape {
  int64_t rows, in, out;
};

/// Around the borders of tiles (8 rows, 48 columns), of vectors, of few rows (48) and of the depth that weight
/// gradients take at a time (1,024 rows); and at random.
std::vector<Shape> shapes(Random& random) {
  std::vector<Shape> all{{1, 384, 1152}, {13, 384, 384}, {48, 64, 100},  {49, 64, 100}, {40, 1536, 52},
                         {1030, 18, 50}, {1024, 32, 96}, {8, 16, 48},    {7, 2, 2},     {64, 48, 16},
                         {65, 96, 17},   {480, 98, 146}, {70, 770, 1030}};
  for (int i = 0; i < 20; ++i) all.push_back({random.whole(1, 150), random.whole(1, 200), random.whole(1, 200)});
  return all;
}

template <typename T>
std::string name_of(const char* product, const Shape& s) {
  return std::string(product) + (std::is_same_v<T, float> ? ", fp32, " : ", bf16, ") + std::to_string(s.rows) + " × " +
         std::to_string(s.in) + " × " + std::to_string(s.out) + " ";
}

/// Σ_k a[i·a_row + k·a_step] · b[j·b_row + k·b_step] for all i, j.
template <typename T>
std::vector<double> exact(int64_t m, int64_t n, int64_t depth, const std::vector<T>& a, int64_t a_row, int64_t a_step,
                          const std::vector<T>& b, int64_t b_row, int64_t b_step) {
  std::vector<double> c;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < depth; ++k) sum += widen(a[i * a_row + k * a_step]) * widen(b[j * b_row + k * b_step]);
      c.push_back(sum);
    }
  return c;
}
std::vector<double> plus(std::vector<double> a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// Runs a product into what `start` holds (NaNs where it is overwritten) at each level that has one, with 1 and 2
/// threads, which must give the same bits.
template <typename T, typename Out, typename Run>
void check_product(const std::string& name, const std::vector<double>& expected, const std::vector<Out>& start,
                   Run run) {
  for (const SimdLevel level : levels()) {
    const auto& product = kernels::of<T>(kernels::table(level)).product;
    if (!product.forward) continue;
    Found found;
    for (const int team : {1, 2}) {
      Guarded<Out> to(start);
      with_threads(team, [&] { run(product, to.data(), int64_t{team}); });
      found.push_back(to.values());
    }
    const std::string what = std::string(reference::name_of(level)) + ", " + name;
    check_close(what, found[0], expected, kFp32 * largest(expected), kRounding<Out>);
    test::report(found[0] == found[1], __FILE__, __LINE__, what + "differs between 1 and 2 threads");
  }
}

template <typename T>
void products(const Shape& s, Random& random) {
  const auto [rows, in, out] = s;
  const auto x = random.normals<T>(rows * in), w = random.normals<T>(out * in), dy = random.normals<T>(rows * out);
  const auto dx = random.normals(rows * in), dw = random.normals(out * in);
  const auto nothing = [](int64_t n) { return with_nans(std::vector<float>{}, n); };
  const auto nothing_t = [](int64_t n) { return with_nans(std::vector<T>{}, n); };
  const auto scratch = [](int64_t elements) { return std::vector<T>(static_cast<size_t>(elements)); };

  check_product<T>(name_of<T>("forward", s), exact(rows, out, in, x, in, 1, w, in, 1), nothing_t(rows * out),
                   [&](const auto& p, T* y, int64_t team) {
                     auto panels = scratch(kernels::product_panels(in, team));
                     p.forward(x.data(), w.data(), y, rows, in, out, panels.data());
                   });
  check_product<T>(name_of<T>("forward of packed weights", s), exact(rows, out, in, x, in, 1, w, in, 1),
                   nothing_t(rows * out), [&](const auto& p, T* y, int64_t) {
                     Guarded<T> packed(kernels::packed_elements(in, out));
                     p.pack(w.data(), in, out, packed.data());
                     packed.check_guards();
                     p.forward_packed(x.data(), packed.data(), y, rows, in, out);
                   });
  const auto input = exact(rows, in, out, dy, out, 1, w, 1, in);
  check_product<T>(name_of<T>("input gradient", s), input, nothing_t(rows * in),
                   [&](const auto& p, T* to, int64_t team) {
                     auto panels = scratch(kernels::product_panels(out, team));
                     p.input_gradient(dy.data(), w.data(), to, rows, in, out, false, panels.data());
                   });
  check_product<T>(name_of<T>("input gradient added", s), plus(input, dx), dx,
                   [&](const auto& p, float* to, int64_t team) {
                     auto panels = scratch(kernels::product_panels(out, team));
                     p.input_gradient_fp32(dy.data(), w.data(), to, rows, in, out, true, panels.data());
                   });
  const auto weights = exact(out, in, rows, dy, 1, out, x, 1, in);
  for (const bool accumulate : {false, true})
    check_product<T>(name_of<T>(accumulate ? "weight gradient added" : "weight gradient", s),
                     accumulate ? plus(weights, dw) : weights, accumulate ? dw : nothing(out * in),
                     [&](const auto& p, float* to, int64_t team) {
                       auto space = scratch(p.weight_gradient_scratch(rows, in, out, team));
                       p.weight_gradient(dy.data(), x.data(), to, rows, in, out, accumulate, space.data());
                     });
}

}  // namespace

TEST(kernels_product_fp32_is_the_sum_over_the_products) {
  if (!kernels::table(levels().back()).fp32.product.forward) SKIP("this processor has no product of ours in fp32");
  Random random(41);
  for (const Shape& s : shapes(random)) products<float>(s, random);
}

TEST(kernels_product_bf16_is_the_sum_over_the_products) {
  if (!kernels::table(levels().back()).bf16_.product.forward) SKIP("this processor does not multiply bf16");
  Random random(42);
  for (Shape s : shapes(random)) {
    s.rows += s.rows % 2;  // bf16 comes in pairs
    s.in += s.in % 2;
    s.out += s.out % 2;
    products<bf16>(s, random);
  }
}

TEST(kernels_product_is_there_where_the_processor_has_the_instructions) {
  for (const SimdLevel level : levels()) {
    const auto& table = kernels::table(level);
    CHECK_EQ(table.fp32.product.forward != nullptr, level >= SimdLevel::kAvx2);
    CHECK_EQ(table.bf16_.product.forward != nullptr, level == SimdLevel::kAvx512Bf16);
    CHECK_EQ(table.common.int8_forward != nullptr, level >= SimdLevel::kAvx2);
  }
}

namespace {

/// Integers of an int8 product's operands, x in [rows × in] and w in [out × in].
struct Integers {
  std::vector<int8_t> x, w;
};

/// Rows [count × width] in the form that a level's product takes: whole words, whose rest is zero.
template <typename T>
std::vector<T> in_whole_words(const std::vector<int8_t>& q, int64_t width, int offset) {
  const int64_t count = static_cast<int64_t>(q.size()) / width, row = kernels::quantised_row(width);
  std::vector<T> padded(count * row);
  for (int64_t r = 0; r < count; ++r)
    for (int64_t c = 0; c < width; ++c) padded[r * row + c] = static_cast<T>(q[r * width + c] + offset);
  return padded;
}

/// The product of these integers at each level that has one, with 1 and 2 threads, against sums in int64. Scales are
/// powers of two: y stands for Σ (x − zero)·w, which a float is exactly below 2²⁴, and beyond it the nearest.
void int8_product(const Shape& s, const Integers& q, const std::vector<int64_t>& zeros) {
  const auto [rows, in, out] = s;
  const auto scale = [](int64_t i) { return std::ldexp(1.0f, static_cast<int>(i % 7) - 3); };
  std::vector<float> sums, scales, scales_and_zeros;
  for (int64_t o = 0; o < out; ++o) {
    int64_t sum = 0;
    for (int64_t k = 0; k < in; ++k) sum += q.w[o * in + k];
    sums.push_back(static_cast<float>(sum));
    scales.push_back(scale(3 * o));
  }
  std::vector<double> expected;
  for (int64_t r = 0; r < rows; ++r) {
    scales_and_zeros.insert(scales_and_zeros.end(), {scale(r), static_cast<float>(zeros[r])});
    for (int64_t o = 0; o < out; ++o) {
      int64_t sum = 0;
      for (int64_t k = 0; k < in; ++k) sum += (q.x[r * in + k] - zeros[r]) * q.w[o * in + k];
      expected.push_back(scales[o] * scale(r) * static_cast<float>(sum));
    }
  }
  const auto w = in_whole_words<int8_t>(q.w, in, 0);
  for (const SimdLevel level : levels()) {
    const auto& table = kernels::table(level).common;
    if (!table.int8_forward) continue;
    const auto bytes = in_whole_words<uint8_t>(q.x, in, 128);
    const auto words = in_whole_words<int16_t>(q.x, in, 0);
    const void* const x = table.quantised_bytes == 1 ? static_cast<const void*>(bytes.data()) : words.data();
    for (const int team : {1, 2}) {
      Guarded<float> y(rows * out);
      Guarded<int8_t> packed(kernels::packed_elements(kernels::quantised_row(in), out));
      with_threads(team, [&] {
        table.int8_pack(w.data(), in, out, packed.data());
        table.int8_forward(x, scales_and_zeros.data(), packed.data(), scales.data(), sums.data(), y.data(), rows, in,
                           out);
      });
      packed.check_guards();
      check_close(std::string(reference::name_of(level)) + ", int8 product, " + std::to_string(rows) + " × " +
                      std::to_string(in) + " × " + std::to_string(out) + " ",
                  y.values(), expected, 0, 0);
    }
  }
}

std::vector<int8_t> any_integers(int64_t count, Random& random) {
  std::vector<int8_t> q(count);
  for (int8_t& v : q) v = static_cast<int8_t>(random.whole(-128, 127));
  return q;
}

}  // namespace

TEST(kernels_product_int8_is_exact) {
  if (!kernels::table().common.int8_forward) SKIP("this processor does not sum int8 products in int32");
  Random random(43);
  const auto check = [&](const Shape& s) {
    std::vector<int64_t> zeros;
    for (int64_t r = 0; r < s.rows; ++r) zeros.push_back(random.whole(-128, 127));
    int8_product(s, {any_integers(s.rows * s.in, random), any_integers(s.out * s.in, random)}, zeros);
  };
  for (const Shape& s : {Shape{1, 384, 1152}, Shape{13, 1536, 384}, Shape{48, 68, 3}, Shape{6, 4, 60},
                         Shape{49, 384, 1152}, Shape{70, 100, 53}, Shape{3, 1, 1}, Shape{5, 2, 17}, Shape{7, 1535, 49}})
    check(s);
  for (int64_t rows = 1; rows <= 49; ++rows) check({rows, random.whole(1, 150), random.whole(1, 120)});
}

TEST(kernels_product_int8_does_not_overflow) {
  if (!kernels::table().common.int8_forward) SKIP("this processor does not sum int8 products in int32");
  // The largest products all along, and also up to the middle and back again, so that the float is the very sum.
  constexpr int64_t rows = 13, out = 50;
  const auto filled = [](int64_t count, int64_t in, int first, int second) {
    std::vector<int8_t> q(count * in);
    for (int64_t i = 0; i < count * in; ++i) q[i] = static_cast<int8_t>(i % in < in / 2 ? first : second);
    return q;
  };
  for (const int64_t in : {3072, 3071})
    for (const int w : {-128, -127, 127})
      for (const auto& [first, second] : {std::pair{-128, -128}, {127, 127}, {-128, 127}, {127, -128}})
        int8_product({rows, in, out}, {filled(rows, in, first, second), filled(out, in, w, w)},
                     std::vector<int64_t>(rows));
}

TEST(gemm_of_odd_bf16_dimensions_goes_to_the_library) {
  Random random(44);
  const int64_t rows = 5, in = 7, out = 9;
  const auto x = random.normals<bf16>(rows * in), w = random.normals<bf16>(out * in),
             dy = random.normals<bf16>(rows * out);
  const auto dx = random.normals(rows * in);
  Guarded<bf16> y(rows * out);
  Guarded<float> added(dx), dw(out * in);
  ProductScratch scratch;
  with_threads(2, [&] {
    Gemm<bf16>::forward(x.data(), w.data(), y.data(), rows, in, out, scratch);
    Gemm<bf16>::add_input_gradient(dy.data(), w.data(), added.data(), rows, in, out, scratch);
    Gemm<bf16>::weight_gradient(dy.data(), x.data(), dw.data(), rows, in, out, false, scratch);
  });
  const auto check = [](const char* name, const std::vector<double>& found, const std::vector<double>& expected) {
    check_close(name, found, expected, kBf16 * largest(expected), 0);  // the library rounds to bf16 on the way
  };
  check("y ", y.values(), exact(rows, out, in, x, in, 1, w, in, 1));
  check("dx ", added.values(), plus(exact(rows, in, out, dy, out, 1, w, 1, in), dx));
  check("dw ", dw.values(), exact(out, in, rows, dy, 1, out, x, 1, in));
}

TEST(a_row_times_packed_weights_does_not_depend_on_its_neighbours) {
  const auto each = [](auto zero) {
    using T = decltype(zero);
    if (!Gemm<T>::packs(96, 100)) return false;
    Random random(45);
    constexpr int64_t rows = 61, in = 96, out = 100;
    const auto x = random.normals<T>(rows * in), w = random.normals<T>(out * in);
    std::vector<T> packed(kernels::packed_elements(in, out)), all(rows * out);
    with_threads(2, [&] {
      Gemm<T>::pack(w.data(), in, out, packed.data());
      Gemm<T>::forward_packed(x.data(), packed.data(), all.data(), rows, in, out);
    });
    for (int64_t r = 0; r < rows; ++r)
      for (const int64_t count : {1, 5, 12}) {
        if (r + count > rows) continue;
        std::vector<T> some(count * out);
        with_threads(1,
                     [&] { Gemm<T>::forward_packed(x.data() + r * in, packed.data(), some.data(), count, in, out); });
        CHECK(std::memcmp(some.data(), all.data() + r * out, sizeof(T) * some.size()) == 0);
      }
    return true;
  };
  const bool fp32 = each(float{}), bf16_ = each(bf16{});
  if (!fp32 && !bf16_) SKIP("this processor has no product of ours");
}
