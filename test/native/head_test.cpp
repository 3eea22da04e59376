// Both backends' pooling where texts have equal rows.
#include <algorithm>
#include <vector>

#include "check.h"
#include "cpu/pooling.h"
#include "runtime/engine_thread.h"
#include "tiny_device.h"
#include "torch/pooling.h"

using namespace vectune;
using namespace vectune::tiny;

TEST(the_gradient_of_a_maximum_goes_whole_to_the_first_of_equal_rows) {
  const ModelSpec spec = spec_of("bert", {}, {PoolingMode::kMax});
  const std::vector<PoolingMode> modes{PoolingMode::kMax};
  const int64_t hidden = spec.encoder.hidden_size;
  const std::vector<int32_t> starts{0, 5, 6, 19}, ids(19, 1);
  const int64_t texts = 3, rows = starts.back();
  // Of four values, as rounding to bf16 makes equal ones, and gradients of both signs.
  std::vector<float> y(rows * hidden), d(texts * hidden), expected(rows * hidden);
  for (int64_t i = 0; i < rows * hidden; ++i) y[i] = static_cast<float>(i * 7919 % 31 % 4) - 1.5f;
  for (int64_t i = 0; i < texts * hidden; ++i) d[i] = static_cast<float>(i * 104729 % 13) - 6.0f;
  int ties = 0;
  for (int64_t t = 0; t < texts; ++t)
    for (int64_t c = 0; c < hidden; ++c) {
      const auto at = [&](int64_t r) { return y[r * hidden + c]; };
      int64_t best = starts[t];
      for (int64_t r = starts[t]; r < starts[t + 1]; ++r) {
        ties += r != best && at(r) == at(best) && d[t * hidden + c] < 0;
        if (at(r) > at(best)) best = r;
      }
      expected[best * hidden + c] = d[t * hidden + c];
    }
  CHECK(ties > 10);

  EngineThread::instance().run([&] {
    kernels::Rows packed;
    packed.rows = packed.padded = rows;
    packed.texts = texts;
    packed.starts = starts.data();
    std::vector<float> dy(rows * hidden), pooled(texts * hidden);
    std::vector<int32_t> maxima(texts * hidden);
    cpu::pool(packed, hidden, modes, y.data(), pooled.data(), maxima.data());
    cpu::pool_backward(packed, hidden, modes, d.data(), dy.data(), maxima.data());
    CHECK(dy == expected);

    const device::DeviceBatch batch =
        device::stage(kTensors, Texts::of(ids.data(), starts.data(), texts), spec.encoder);
    at::Tensor all = at::zeros({batch.rows, hidden}), device_maxima;
    std::copy(y.begin(), y.end(), all.data_ptr<float>());
    device::pool(batch, modes, all, device_maxima);
    const at::Tensor device_dy =
        device::pool_backward(batch, modes, at::from_blob(d.data(), {texts, hidden}).clone(), all, device_maxima);
    const float* made = device_dy.data_ptr<float>();
    CHECK(std::equal(expected.begin(), expected.end(), made));
    CHECK(std::all_of(made + rows * hidden, made + batch.rows * hidden, [](float x) { return x == 0; }));
  });
}
