// The gated unit, forward and backward, against its formula in double.
//
// Tolerances: kFp32 of the largest magnitude; bf16 outputs one rounding more.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// f and f'.
std::pair<double, double> activation_of(HiddenActivation f, double x) {
  if (f == HiddenActivation::kSilu) return {x * sigmoid(x), sigmoid(x) * (1 + x * (1 - sigmoid(x)))};
  const double phi = 0.5 * std::erfc(-x / std::sqrt(2.0));
  return {x * phi, phi + x * std::exp(-0.5 * x * x) / std::sqrt(2 * 3.141592653589793)};
}

template <typename T>
void gate(HiddenActivation f, bool first, int64_t width, double p, bool accumulate, Random& random) {
  const Batch batch(random_lengths(random, 60), random.whole(0, 20), random);
  const int64_t rows = batch.count(), extra = batch.padded - rows;
  const auto x = random.normals<T>(rows * 2 * width, 2.0), dy = random.normals<T>(rows * width);
  const auto bias = random.normals(2 * width, 0.3);
  const auto dbias = accumulate ? random.normals(2 * width) : with_nans(std::vector<float>{}, 2 * width);
  const kernels::Dropout dropout = dropout_of(p, random.bits());

  std::vector<double> y(batch.padded * width), dx(batch.padded * 2 * width), sums(2 * width);
  for (int64_t c = 0; c < 2 * width; ++c) sums[c] = accumulate ? dbias[c] : 0.0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < width; ++c) {
      const int64_t a = first ? c : width + c, b = first ? width + c : c;
      const double in = widen(x[r * 2 * width + a]) + bias[a], by = widen(x[r * 2 * width + b]) + bias[b];
      const double mask = kept(dropout, batch.row_keys[r], c), d = widen(dy[r * width + c]) * mask;
      const auto [value, slope] = activation_of(f, in);
      y[r * width + c] = mask * value * by;
      sums[a] += dx[r * 2 * width + a] = d * by * slope;
      sums[b] += dx[r * 2 * width + b] = d * value;
    }
  const auto x_padded = with_nans(x, extra * 2 * width), dy_padded = with_nans(dy, extra * width);
  const std::string what = std::to_string(rows) + " × " + std::to_string(width) + (first ? ", first" : ", second");
  check_levels("gate_forward, " + what, {Expected::near<T>("y", y, extra * width)},
               [&](const kernels::Table& table, int) {
                 Guarded<T> out(batch.padded * width);
                 kernels::of<T>(table).gate_forward(
                     {batch.rows(), width, f, first, x_padded.data(), bias.data(), dropout, out.data()});
                 return Found{out.values()};
               });
  check_levels(
      "gate_backward, " + what, {Expected::near<T>("dx", dx, extra * 2 * width), Expected::sum("dbias", sums)},
      [&](const kernels::Table& table, int threads) {
        Guarded<T> d(batch.padded * 2 * width);
        Guarded<float> to(dbias), partials(threads * 2 * width);
        kernels::of<T>(table).gate_backward({batch.rows(), width, f, first, x_padded.data(), bias.data(), dropout,
                                             dy_padded.data(), d.data(), to.data(), accumulate, partials.data()});
        partials.check_guards();
        return Found{d.values(), to.values()};
      });
}

}  // namespace

TEST(kernels_gate_is_the_formula) {
  Random random(51);
  for (const HiddenActivation f : {HiddenActivation::kGelu, HiddenActivation::kSilu})
    for (const bool first : {true, false})
      for (const int64_t width : {44, 1, 16, 17, 256}) {
        gate<float>(f, first, width, 0.0, first, random);
        gate<bf16>(f, first, width, 0.3, !first, random);
      }
}
