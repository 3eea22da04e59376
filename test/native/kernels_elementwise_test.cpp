// Activations, sums, copies and AdamW against their formulas in double.
//
// Tolerances: kFp32 of the largest magnitude unless a test says otherwise; bf16 outputs one rounding more.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

const char* name_of(HiddenActivation activation) {
  switch (activation) {
    case HiddenActivation::kGelu: return "gelu";
    case HiddenActivation::kRelu: return "relu";
    case HiddenActivation::kGeluTanh: return "gelu_tanh";
    case HiddenActivation::kSilu: return "silu";
  }
  return "";
}
constexpr HiddenActivation kActivations[] = {HiddenActivation::kGelu, HiddenActivation::kRelu,
                                             HiddenActivation::kGeluTanh, HiddenActivation::kSilu};
constexpr double kPi = 3.141592653589793;

double value(HiddenActivation activation, double x) {
  switch (activation) {
    case HiddenActivation::kGelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case HiddenActivation::kRelu: return x > 0 ? x : 0;
    case HiddenActivation::kGeluTanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    case HiddenActivation::kSilu: return x / (1 + std::exp(-x));
  }
  return NAN;
}
double slope(HiddenActivation activation, double x) {
  switch (activation) {
    case HiddenActivation::kGelu:
      return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * kPi);
    case HiddenActivation::kRelu: return x > 0 ? 1 : 0;
    case HiddenActivation::kSilu: {
      const double s = 1 / (1 + std::exp(-x));
      return s * (1 + x * (1 - s));
    }
    case HiddenActivation::kGeluTanh: {
      const double t = std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / kPi) * (1 + 3 * 0.044715 * x * x);
    }
  }
  return NAN;
}

kernels::Rows rows_of(int64_t rows, int64_t padded) {
  kernels::Rows r;
  r.rows = rows;
  r.padded = padded;
  return r;
}

/// Inputs with a few far out and, where bias cancels them, zeros: relu's corner.
template <typename T>
std::vector<T> activation_inputs(Random& random, int64_t rows, int64_t width, const std::vector<float>& bias) {
  auto x = random.normals<T>(rows * width, 2.0);
  for (int64_t i = 0; i < rows * width; i += 7) x[i] = narrow<T>(i % 2 ? -bias[i % width] : 10.0 * random.normal());
  return x;
}

template <typename T>
void bias_activation(HiddenActivation activation, int64_t rows, int64_t padding, int64_t width, bool accumulate,
                     Random& random) {
  const int64_t padded = rows + padding, extra = padding * width;
  const auto bias = random.normals<bf16>(width);  // so that bf16 inputs can cancel it
  std::vector<float> b;
  for (const bf16 x : bias) b.push_back(to_float(x));
  const auto x = activation_inputs<T>(random, rows, width, b);
  const auto dy = random.normals<T>(rows * width);
  const auto dbias = accumulate ? random.normals(width) : with_nans(std::vector<float>{}, width);

  std::vector<double> y(padded * width), dx(padded * width), sums(width);
  for (int64_t c = 0; c < width; ++c) sums[c] = accumulate ? dbias[c] : 0.0;
  for (int64_t i = 0; i < rows * width; ++i) {
    const double in = widen(x[i]) + b[i % width];
    y[i] = value(activation, in);
    dx[i] = widen(dy[i]) * slope(activation, in);
    sums[i % width] += dx[i];
  }
  const auto x_padded = with_nans(x, extra);
  const std::string what =
      std::string(name_of(activation)) + ", " + std::to_string(rows) + " × " + std::to_string(width);
  check_levels("bias_activation_forward, " + what,
               {Expected::near<T>("y", y, extra), Expected::near<T>("y in place", y, extra)},
               [&](const kernels::Table& table, int) {
                 Guarded<T> out(padded * width), in_place(x_padded);
                 const auto forward = kernels::of<T>(table).bias_activation_forward;
                 forward({rows_of(rows, padded), width, activation, x_padded.data(), b.data(), out.data()});
                 forward({rows_of(rows, padded), width, activation, in_place.data(), b.data(), in_place.data()});
                 return Found{out.values(), in_place.values()};
               });
  check_levels(
      "bias_activation_backward, " + what, {Expected::near<T>("dx", dx, extra), Expected::sum("dbias", sums)},
      [&](const kernels::Table& table, int threads) {
        Guarded<T> d(with_nans(dy, extra));
        Guarded<float> to(dbias), partials(threads * width);
        kernels::of<T>(table).bias_activation_backward({rows_of(rows, padded), width, activation, x_padded.data(),
                                                        b.data(), d.data(), to.data(), accumulate, partials.data()});
        partials.check_guards();
        return Found{d.values(), to.values()};
      });
}

template <typename T>
void column_sum(int64_t rows, int64_t width, bool accumulate, Random& random) {
  const auto x = random.normals<T>(rows * width);
  const auto start = accumulate ? random.normals(width) : with_nans(std::vector<float>{}, width);
  std::vector<double> sums(width);
  for (int64_t c = 0; c < width; ++c) sums[c] = accumulate ? start[c] : 0.0;
  for (int64_t i = 0; i < rows * width; ++i) sums[i % width] += widen(x[i]);
  check_levels("column_sum, " + std::to_string(rows) + " × " + std::to_string(width), {Expected::sum("sums", sums)},
               [&](const kernels::Table& table, int threads) {
                 Guarded<float> to(start), partials(threads * width);
                 kernels::of<T>(table).column_sum({rows, width, x.data(), to.data(), accumulate, partials.data()});
                 partials.check_guards();
                 return Found{to.values()};
               });
}

template <typename T>
void add_and_store(int64_t n, Random& random) {
  const auto x = random.normals<T>(n);
  const auto start = random.normals(n);
  std::vector<double> added, stored;
  for (int64_t i = 0; i < n; ++i) {
    added.push_back(static_cast<double>(start[i] + to_float(x[i])));  // one fp32 addition: no tolerance
    stored.push_back(widen(x[i]));
  }
  check_levels("add and store, " + std::to_string(n),
               {{"add", added}, {"store, accumulating", added}, {"store", stored}},
               [&](const kernels::Table& table, int) {
                 Guarded<float> a(start), b(start), c(n);
                 kernels::of<T>(table).add(a.data(), x.data(), n);
                 kernels::of<T>(table).store(b.data(), x.data(), n, true);
                 kernels::of<T>(table).store(c.data(), x.data(), n, false);
                 return Found{a.values(), b.values(), c.values()};
               });
}

struct AdamWCase {
  int64_t n;
  double learning_rate, decay;
  int step;  // 0: no correction of the moments' bias
  float scale = 1.0f;
  bool copies = false;
};

void adamw(const AdamWCase& t, Random& random) {
  constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEps = 1e-8f;
  const auto p = random.normals(t.n), g = random.normals(t.n, 0.1), m = random.normals(t.n, 0.05);
  auto v = random.normals(t.n, 0.01);
  for (float& x : v) x *= x;
  const auto decay = static_cast<float>(1.0 - t.learning_rate * t.decay);
  const auto step = static_cast<float>(t.learning_rate / (t.step ? 1.0 - std::pow(kBeta1, t.step) : 1.0));
  const auto root = static_cast<float>(t.step ? 1.0 / std::sqrt(1.0 - std::pow(double{kBeta2}, t.step)) : 1.0);
  std::vector<double> p1, m1, v1;
  for (int64_t i = 0; i < t.n; ++i) {
    const double gradient = double{g[i]} * t.scale;
    m1.push_back(double{kBeta1} * m[i] + (1.0 - kBeta1) * gradient);
    v1.push_back(double{kBeta2} * v[i] + (1.0 - kBeta2) * gradient * gradient);
    p1.push_back(double{p[i]} * decay - step * m1[i] / (std::sqrt(v1[i]) * root + kEps));
  }
  std::vector<Expected> expected{Expected::near("p", p1), Expected::near("m", m1), Expected::near("v", v1)};
  if (t.copies) expected.push_back(Expected::near<bf16>("bf16 copy", p1));
  check_levels("adamw, " + std::to_string(t.n), expected, [&](const kernels::Table& table, int) {
    Guarded<float> to_p(p), to_m(m), to_v(v);
    Guarded<bf16> copy(t.n);
    table.common.adamw({t.n, to_p.data(), to_m.data(), to_v.data(), g.data(), t.copies ? copy.data() : nullptr, t.scale,
                        decay, kBeta1, kBeta2, kEps, step, root});
    Found found{to_p.values(), to_m.values(), to_v.values()};
    if (t.copies) found.push_back(copy.values());
    return found;
  });
}

constexpr int64_t kSizes[] = {1, 15, 16, 17, 31, 33, 100, 1000, 4099};

}  // namespace

TEST(kernels_bias_activation_is_the_formula) {
  Random random(21);
  for (const HiddenActivation activation : kActivations)
    for (const int64_t width : {44, 60, 100, 1, 16, 17, 256})
      for (const bool accumulate : {false, true}) {
        const int64_t rows = width == 44 && accumulate ? 1400 : random.whole(1, 90);
        bias_activation<float>(activation, rows, random.whole(0, 20), width, accumulate, random);
        bias_activation<bf16>(activation, rows, random.whole(0, 20), width, accumulate, random);
      }
}

TEST(kernels_activations_are_close_at_every_magnitude) {
  // erf is within 4e-7, so gelu within |x|·2e-7 and its slope within 2e-7, and a few fp32 roundings on top; tanh by exp
  // is as good. The slope of the tanh form has (1 − t²), in which t's rounding (2^-24) is all that is left, times up to
  // 17 around x = 5: hence its larger limit. That of silu is a product of two numbers that come of an exp each.
  std::vector<float> x;
  for (int i = -6000; i <= 6000; ++i) x.push_back(static_cast<float>(i) / 500.0f);
  for (const float far : {0.0f, 1e-30f, 1e-6f, 20.0f, 87.0f, 89.0f, 1000.0f, 1e6f, 1e12f})
    x.insert(x.end(), {far, -far});
  const auto n = static_cast<int64_t>(x.size());
  const std::vector<float> no_bias(1);
  for (const HiddenActivation activation : kActivations)
    for (const SimdLevel level : levels()) {
      Guarded<float> y(n), dx(std::vector<float>(n, 1.0f)), dbias(1), partials(1);
      with_threads(1, [&] {
        const auto& k = kernels::table(level).fp32;
        k.bias_activation_forward({rows_of(n, n), 1, activation, x.data(), no_bias.data(), y.data()});
        k.bias_activation_backward(
            {rows_of(n, n), 1, activation, x.data(), no_bias.data(), dx.data(), dbias.data(), false, partials.data()});
      });
      double worst_value = 0, worst_slope = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double off = std::abs(y[i] - value(activation, x[i])) / (std::abs(x[i]) + 1e-30);
        const double slope_off = std::abs(dx[i] - slope(activation, x[i]));
        worst_value = std::max(worst_value, std::isnan(off) ? INFINITY : off);
        worst_slope = std::max(worst_slope, std::isnan(slope_off) ? INFINITY : slope_off);
      }
      const std::string name = std::string(reference::name_of(level)) + ", " + name_of(activation);
      test::report(worst_value < 4e-7, __FILE__, __LINE__, name + ": off by x times " + test::text(worst_value));
      const double limit = activation == HiddenActivation::kGeluTanh ? 4e-6
                           : activation == HiddenActivation::kSilu   ? 1e-6
                                                                     : 6e-7;
      test::report(worst_slope < limit, __FILE__, __LINE__, name + ": slope off by " + test::text(worst_slope));
    }
}

TEST(kernels_column_sum_is_the_sum) {
  Random random(22);
  for (const int64_t width : {44, 60, 100, 1, 15, 16, 64})
    for (const int64_t rows : {1, 33, 700}) {
      column_sum<float>(rows, width, width % 2 == 0, random);
      column_sum<bf16>(rows, width, width % 3 == 0, random);
    }
  column_sum<float>(0, 20, false, random);
}

TEST(kernels_add_and_store_are_exact) {
  Random random(23);
  for (const int64_t n : kSizes) {
    add_and_store<float>(n, random);
    add_and_store<bf16>(n, random);
  }
}

TEST(kernels_adamw_is_the_formula) {
  Random random(24);
  for (const int64_t n : kSizes)
    for (const bool copies : {false, true}) {
      adamw({n, 1e-3, 0.0, 1, 1.0f, copies}, random);
      adamw({n, 2e-2, 0.1, 10, 0.37f, copies}, random);  // decay and clipping
      adamw({n, 1e-3, 0.01, 0, 1.0f, copies}, random);
    }
}

TEST(kernels_adamw_leaves_what_has_no_gradient_to_decay) {
  // no gradient and no moments: p·decay and nothing else, not even 0/0
  for (const SimdLevel level : levels()) {
    const std::vector<float> p{1.0f, -2.0f, 3.5f}, zeros(3);
    Guarded<float> to_p(p), m(zeros), v(zeros);
    with_threads(1, [&] {
      kernels::table(level).common.adamw(
          {3, to_p.data(), m.data(), v.data(), zeros.data(), nullptr, 1.0f, 0.75f, 0.9f, 0.999f, 1e-8f, 1e-3f, 1.0f});
    });
    for (int i = 0; i < 3; ++i) CHECK_EQ(to_p[i], p[i] * 0.75f);
    CHECK(m.values() == std::vector<double>(3) && v.values() == std::vector<double>(3));
  }
}

TEST(kernels_to_bf16_rounds_to_nearest_even) {
  Random random(25);
  for (const int64_t n : kSizes) {
    std::vector<float> x;
    for (int64_t i = 0; i < n; ++i) {
      // any bits, and ties between two bf16; overflow rounds to infinity, NaNs with a payload do not occur
      auto bits = static_cast<uint32_t>(random.bits());
      if (i % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;
      if ((bits & 0x7f800000u) == 0x7f800000u) bits &= 0xff800000u;
      x.push_back(std::bit_cast<float>(bits));
    }
    std::vector<double> expected;
    for (const float f : x) expected.push_back(vectune::to_bf16(f).bits);
    check_levels("to_bf16, " + std::to_string(n), {{"bits", expected}}, [&](const kernels::Table& table, int) {
      Guarded<bf16> y(n);
      table.common.to_bf16(y.data(), x.data(), n);
      y.check_guards();
      std::vector<double> bits;
      for (int64_t i = 0; i < n; ++i) bits.push_back(y[i].bits);
      return Found{bits};
    });
  }
  // the scalar conversion itself: the nearer neighbour, and of two equally near the even one
  CHECK_EQ(vectune::to_bf16(1.0f + 1.0f / 256).bits, 0x3f80);
  CHECK_EQ(vectune::to_bf16(1.0f + 3.0f / 256).bits, 0x3f82);
  CHECK_EQ(vectune::to_bf16(1.0f + 1.1f / 256).bits, 0x3f81);
  for (const SimdLevel level : levels()) {
    const float nan = NAN;
    Guarded<bf16> y(1);
    kernels::table(level).common.to_bf16(y.data(), &nan, 1);
    CHECK(std::isnan(to_float(y[0])));
  }
}

TEST(kernels_sum_of_squares_is_the_sum) {
  // Each thousand elements are added in fp32, the rest in double: kFp32 of the sum.
  Random random(26);
  for (const int64_t n : {0, 1, 15, 16, 17, 1023, 1024, 1025, 65535, 65536, 65537, 200003}) {
    const auto x = random.normals(n);
    double sum = 0;
    for (const float f : x) sum += double{f} * f;
    check_levels("sum_of_squares, " + std::to_string(n), {Expected::near("sum", {sum})},
                 [&](const kernels::Table& table, int) { return Found{{table.common.sum_of_squares(x.data(), n)}}; });
  }
}

TEST(kernels_sum_of_squares_of_more_blocks_than_a_batch_is_the_sum) {
  // 256 blocks of 65536 are added at a time; every value is exact here
  const int64_t n = 257 * 65536 + 5;
  std::vector<float> x(n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(i % 4);
    sum += (i % 4) * (i % 4);
  }
  check_levels("sum_of_squares, 257 blocks", {{"sum", {sum}}},
               [&](const kernels::Table& table, int) { return Found{{table.common.sum_of_squares(x.data(), n)}}; });
}
