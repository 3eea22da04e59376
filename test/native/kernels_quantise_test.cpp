// int8 operands and products against exact ones.
//
// Tolerances: an operand is within half a step of its scale (and 1e-3 of a step for the fp32 roundings of x/s, of at
// most 255·2^-23); a product within the sum of what its operands' errors make.
#include "cpu/engine_info.h"
#include "cpu/quantised.h"
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

constexpr double kHalfStep = 0.501;

/// Rows of every kind that layers see: around zero, of one sign, with an outlier, constant, zero.
std::vector<float> rows_of_every_kind(int64_t rows, int64_t width, Random& random) {
  auto x = random.normals(rows * width);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < width; ++c) {
      float& v = x[r * width + c];
      switch (r % 8) {
        case 1: v = std::abs(v); break;
        case 2: v = -std::abs(v); break;
        case 3: v = v > 0 ? v : 0.01f * v; break;  // as gelu leaves them
        case 4: v = 0; break;
        case 5: v = -3.25f; break;
        case 6: v *= 1e-20f; break;
        case 7: v = c == width / 2 ? 300.0f : v; break;
        default: break;
      }
    }
  return x;
}

/// Rows [count × quantised_row(width)] without what is more than the row, which must be zero; each number less
/// `offset`.
template <typename T>
std::vector<double> integers(const Guarded<T>& q, int64_t count, int64_t width, int offset) {
  const int64_t row = kernels::quantised_row(width);
  std::vector<double> found;
  bool zero = true;
  for (int64_t i = 0; i < count * row; ++i) {
    if (i % row < width) found.push_back(int{q[i]} - offset);
    else zero = zero && q[i] == 0;
  }
  q.check_guards();
  CHECK(zero);
  return found;
}

/// The integers of an int8 product's operand, and what they stand for.
struct Operand {
  std::vector<double> q;
  Guarded<float> scales, second;  // second: sums of weights; rows keep zero points among the scales

  static Operand weights(const kernels::Table& table, const std::vector<float>& w, int64_t rows, int64_t width) {
    Guarded<int8_t> q(rows * kernels::quantised_row(width));
    Operand o{{}, Guarded<float>(rows), Guarded<float>(rows)};
    table.common.quantise_weights(w.data(), rows, width, q.data(), o.scales.data(), o.second.data());
    o.q = integers(q, rows, width, 0);
    return o;
  }
  static Operand activations(const kernels::Table& table, const std::vector<float>& x, int64_t rows, int64_t width) {
    Operand o{{}, Guarded<float>(2 * rows), Guarded<float>(0)};
    const auto quantise = [&](auto q, int offset) {
      table.common.quantise_rows(x.data(), rows, width, q.data(), o.scales.data());
      o.q = integers(q, rows, width, offset);
    };
    const int64_t elements = rows * kernels::quantised_row(width);
    if (table.common.quantised_bytes == 1) quantise(Guarded<uint8_t>(elements), 128);
    else quantise(Guarded<int16_t>(elements), 0);
    return o;
  }
  double weight(int64_t i, int64_t width) const { return double{scales[i / width]} * q[i]; }
  double activation(int64_t i, int64_t width) const {
    return double{scales[2 * (i / width)]} * (q[i] - double{scales[2 * (i / width) + 1]});
  }
};

/// Integers may differ by one between levels (a fused multiply-add rounds once less), the rest by rounding.
void check_operand(const char* kernel, const std::function<Operand(const kernels::Table&)>& run) {
  const auto found = [](const Operand& o) { return Found{o.q, o.scales.values(), o.second.values()}; };
  const Found plain = with_threads(1, [&] { return found(run(kernels::table(SimdLevel::kPlain))); });
  for (const SimdLevel level : levels()) {
    const Found one = with_threads(1, [&] { return found(run(kernels::table(level))); });
    const Found two = with_threads(2, [&] { return found(run(kernels::table(level))); });
    const std::string name = std::string(name_of(level)) + ", " + kernel;
    test::report(one == two, __FILE__, __LINE__, name + " differs between 1 and 2 threads");
    check_close(name + " integers", one[0], plain[0], 1, 0);
    if (std::string(kernel) == "quantise_weights") check_close(name + " scales", one[1], plain[1], 0, 1e-6);
    else check_close(name + " scales and zeros", one[1], plain[1], 1, 0);  // a zero point is an integer too
  }
}

}  // namespace

TEST(kernels_quantise_weights_is_within_half_a_step) {
  Random random(31);
  for (const int64_t width : {44, 60, 101, 1, 16, 384}) {
    const int64_t outputs = random.whole(9, 40);
    const auto w = rows_of_every_kind(outputs, width, random);
    for (const SimdLevel level : levels()) {
      const Operand o = with_threads(2, [&] { return Operand::weights(kernels::table(level), w, outputs, width); });
      for (int64_t r = 0; r < outputs; ++r) {
        double most = 0, sum = 0, off = 0, largest = 0;
        for (int64_t i = r * width; i < (r + 1) * width; ++i) {
          most = std::max<double>(most, std::abs(w[i]));
          sum += o.q[i];
          largest = std::max(largest, std::abs(o.q[i]));
          off = std::max(off, std::abs(w[i] - o.weight(i, width)));
        }
        CHECK(std::abs(o.scales[r] - most / 127) <= 1e-6 * most);
        CHECK_EQ(double{o.second[r]}, sum);
        CHECK_EQ(largest, most > 0 ? 127.0 : 0.0);
        CHECK(off <= kHalfStep * o.scales[r]);
      }
    }
    check_operand("quantise_weights", [&](const kernels::Table& t) { return Operand::weights(t, w, outputs, width); });
  }
}

TEST(kernels_quantise_rows_is_within_half_a_step) {
  Random random(32);
  for (const int64_t width : {44, 60, 101, 1, 16, 384}) {
    const int64_t rows = random.whole(9, 40);
    const auto x = rows_of_every_kind(rows, width, random);
    for (const SimdLevel level : levels()) {
      const Operand o = with_threads(2, [&] { return Operand::activations(kernels::table(level), x, rows, width); });
      for (int64_t r = 0; r < rows; ++r) {
        double low = 0, high = 0, off = 0;  // 0 is always in the range
        for (int64_t i = r * width; i < (r + 1) * width; ++i) {
          low = std::min<double>(low, x[i]);
          high = std::max<double>(high, x[i]);
          off = std::max(off, std::abs(x[i] - o.activation(i, width)));
        }
        const double zero = o.scales[2 * r + 1];
        CHECK(std::abs(o.scales[2 * r] - (high - low) / 255) <= 1e-6 * (high - low));
        CHECK(zero == std::round(zero) && zero >= -128 && zero <= 127);  // so that 0 stays 0
        CHECK(off <= kHalfStep * o.scales[2 * r]);
      }
    }
    check_operand("quantise_rows", [&](const kernels::Table& t) { return Operand::activations(t, x, rows, width); });
  }
}

TEST(kernels_quantise_takes_rows_of_tiny_numbers_for_zeros) {
  // 127 divided by them would be infinite
  const std::vector<float> tiny{-1e-37f, 0.0f, 1e-37f, 1e-38f};
  for (const SimdLevel level : levels()) {
    const auto& table = kernels::table(level);
    const Operand w = with_threads(1, [&] { return Operand::weights(table, tiny, 1, 4); });
    const Operand x = with_threads(1, [&] { return Operand::activations(table, tiny, 1, 4); });
    for (int64_t i = 0; i < 4; ++i) {
      CHECK_EQ(w.weight(i, 4), 0.0);
      CHECK_EQ(x.activation(i, 4), 0.0);
    }
    CHECK_EQ(w.second[0], 0.0f);
    CHECK_EQ(x.scales[1], -128.0f);
  }
}

TEST(kernels_quantised_product_is_within_the_bound_that_the_scales_give) {
  if (!engine_info().int8) SKIP("this processor does not sum int8 products exactly");
  Random random(34);
  for (const int64_t in : {44, 101, 384, 1536})
    for (const int64_t rows : {1, 17, 64}) {
      const int64_t outputs = in == 44 ? 60 : 128;
      const auto x = rows_of_every_kind(rows, in, random), w = random.normals(outputs * in, 0.05);
      const auto& table = kernels::table();
      Operand b = with_threads(1, [&] { return Operand::weights(table, w, outputs, in); });
      std::vector<int8_t> by_rows(outputs * kernels::quantised_row(in)),
          packed(kernels::packed_elements(kernels::quantised_row(in), outputs));
      with_threads(2, [&] {
        table.common.quantise_weights(w.data(), outputs, in, by_rows.data(), b.scales.data(), b.second.data());
        table.common.int8_pack(by_rows.data(), in, outputs, packed.data());
      });
      Found bits;
      for (const int threads : {1, 2}) {
        Guarded<float> y(rows * outputs), scales(2 * rows);
        Guarded<int16_t> q(cpu::quantised_bytes(rows, in) /
                           2);  // of whole words, so that its guards begin where it ends
        with_threads(threads, [&] {
          ProductScratch none;
          cpu::QuantisedLinear(packed.data(), b.scales.data(), b.second.data(), in, outputs)
              .forward(x.data(), y.data(), rows, {none, reinterpret_cast<std::byte*>(q.data()), scales.data()});
        });
        q.check_guards();
        scales.check_guards();
        bits.push_back(y.values());

        // e = x − x̂, f = w − ŵ, both at most half a step:  x·w − x̂·ŵ = Σ x·f + e·ŵ.
        // As independent uniform errors they also give the typical size: Σ (x²·s_w² + ŵ²·s_x²)/12, which a wrong
        // scale or zero point exceeds long before it exceeds the bound.
        double squares = 0, typical = 0;
        bool within = true;
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t o = 0; o < outputs; ++o) {
            const double sx = scales[2 * r], sw = b.scales[o];
            double exact = 0, bound = 0, variance = 0, size = 0;
            for (int64_t c = 0; c < in; ++c) {
              const double xc = x[r * in + c], wc = w[o * in + c], what = b.weight(o * in + c, in);
              exact += xc * wc;
              size += std::abs(xc * wc);
              bound += kHalfStep * (std::abs(xc) * sw + std::abs(what) * sx);
              variance += (xc * xc * sw * sw + what * what * sx * sx) / 12;
            }
            const double error = y[r * outputs + o] - exact;
            within = within && std::abs(error) <= bound + kFp32 * size;
            if (r % 8 == 0 || r % 8 == 1 || r % 8 == 3) {  // rows whose errors are as good as independent
              squares += error * error / (variance + 1e-30);
              typical += 1;
            }
          }
        CHECK(within);
        CHECK(squares < 1.5 * typical);
      }
      CHECK(bits[0] == bits[1]);
    }
}
