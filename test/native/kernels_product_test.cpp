// The products of a linear layer and of int8 operands against sums in double, and exactly.
//
// Tolerances: kFp32 of the largest magnitude (sums of up to 3,000 fp32 roundings, whose errors grow with the square
// root); bf16 outputs one rounding more. int8 sums are exact.
#include "gemm.h"
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
  std::vector<Shape> all{{1, 384, 1152}, {13, 384, 384}, {48, 64, 100}, {49, 64, 100}, {40, 1536, 52}, {1030, 18, 50},
                         {1024, 32, 96}, {8, 16, 48},    {7, 2, 2},     {64, 48, 16},  {65, 96, 17},   {480, 98, 146}};
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
void check_product(const std::string& name, const std::vector<double>& expected, const std::vector<Out>& start, Run run) {
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
  check_product<T>(name_of<T>("forward of packed weights", s), exact(rows, out, in, x, in, 1, w, in, 1), nothing_t(rows * out),
                   [&](const auto& p, T* y, int64_t) {
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
                       auto space = scratch(p.weight_gradient_scratch(rows, out, team));
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
    CHECK_EQ(table.common.int8_forward != nullptr, level >= SimdLevel::kAvx512Vnni);
  }
}

TEST(kernels_product_int8_is_exact) {
  const auto& table = kernels::table().common;
  if (!table.int8_forward) SKIP("this processor does not sum int8 products in int32");
  Random random(43);
  for (const auto& [rows, in, out] : {Shape{1, 384, 1152}, Shape{13, 1536, 384}, Shape{48, 68, 3}, Shape{6, 4, 60},
                                     Shape{49, 384, 1152}, Shape{70, 100, 53}}) {
    std::vector<int8_t> x(rows * in), w(out * in);
    for (auto* v : {&x, &w})
      for (int8_t& q : *v) q = static_cast<int8_t>(random.whole(-128, 127));
    // Scales of 1 and zero points of 0: the floats are the sums themselves, all below 2²⁴ here.
    std::vector<float> sums, ones(out, 1.0f), scales_and_zeros(2 * rows);
    for (int64_t r = 0; r < rows; ++r) scales_and_zeros[2 * r] = 1.0f;
    std::vector<double> expected;
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (int64_t k = 0; k < in; ++k) sum += w[o * in + k];
      sums.push_back(static_cast<float>(sum));
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t o = 0; o < out; ++o) {
        int64_t sum = 0;
        for (int64_t k = 0; k < in; ++k) sum += int64_t{x[r * in + k]} * w[o * in + k];
        expected.push_back(static_cast<double>(sum));
      }
    for (int8_t& q : x) q = static_cast<int8_t>(q ^ -128);  // as unsigned, 128 more
    for (const int team : {1, 2}) {
      Guarded<float> y(rows * out);
      Guarded<int8_t> packed(kernels::packed_elements(in, out));
      with_threads(team, [&] {
        table.int8_pack(w.data(), in, out, packed.data());
        table.int8_forward(x.data(), scales_and_zeros.data(), packed.data(), ones.data(), sums.data(), y.data(), rows, in, out);
      });
      packed.check_guards();
      check_close("int8 product", y.values(), expected, 0, 0);
    }
  }
}

TEST(gemm_of_odd_bf16_dimensions_goes_to_the_library) {
  Random random(44);
  const int64_t rows = 5, in = 7, out = 9;
  const auto x = random.normals<bf16>(rows * in), w = random.normals<bf16>(out * in), dy = random.normals<bf16>(rows * out);
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
        with_threads(1, [&] { Gemm<T>::forward_packed(x.data() + r * in, packed.data(), some.data(), count, in, out); });
        CHECK(std::memcmp(some.data(), all.data() + r * out, sizeof(T) * some.size()) == 0);
      }
    return true;
  };
  const bool fp32 = each(float{}), bf16_ = each(bf16{});
  if (!fp32 && !bf16_) SKIP("this processor has no product of ours");
}
