// Rotary positions against their formula in double: kFp32 of the largest magnitude; bf16 outputs one rounding more.
#include "kernels_reference.h"

using namespace vectune;
using namespace vectune::reference;

namespace {

struct Angles {
  std::vector<float> cosines, sines;
  Angles(int64_t positions, int64_t half) {
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(p) * std::pow(100.0, -static_cast<double>(i) / half);
        cosines.push_back(static_cast<float>(std::cos(angle)));
        sines.push_back(static_cast<float>(std::sin(angle)));
      }
  }
};

/// `heads` of `all` heads are turned.
template <typename T>
void rotate(int64_t heads, int64_t all, int64_t size, bool with_bias, bool back, Random& random) {
  const Batch batch(random_lengths(random, 90), random.whole(0, 9), random);
  const int64_t rows = batch.count(), width = all * size, half = size / 2;
  const auto x = random.normals<T>(batch.padded * width);
  const auto bias = random.normals(width);
  const Angles angles(batch.longest(), half);
  std::vector<double> y;
  for (const T& value : x) y.push_back(widen(value));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < width && with_bias; ++c) y[r * width + c] += bias[c];
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        double &u = y[r * width + h * size + i], &v = y[r * width + h * size + half + i];
        const double cosine = angles.cosines[batch.positions[r] * half + i];
        const double sine = angles.sines[batch.positions[r] * half + i] * (back ? -1.0 : 1.0);
        const double turned = u * cosine - v * sine;
        v = v * cosine + u * sine;
        u = turned;
      }
  }
  check_levels("rotate " + std::to_string(heads) + " of " + std::to_string(all) + " heads of " + std::to_string(size),
               {Expected::near<T>("x", y)}, [&](const kernels::Table& table, int) {
                 Guarded<T> out(x);
                 kernels::of<T>(table).rotate({batch.rows(), heads, size, width, with_bias ? bias.data() : nullptr,
                                               angles.cosines.data(), angles.sines.data(), back, out.data()});
                 return Found{out.values()};
               });
}

}  // namespace

TEST(kernels_rotate_is_the_formula) {
  Random random(52);
  for (const int64_t size : {2, 8, 20, 32, 64, 96})
    for (const bool back : {false, true}) {
      rotate<float>(4, 6, size, !back, back, random);
      rotate<bf16>(2, 3, size, back, back, random);
      rotate<float>(5, 5, size, false, back, random);
    }
}
