// Both paths' heads where texts have equal rows.
#include <algorithm>
#include <vector>

#include "check.h"
#include "cpu/head.h"
#include "runtime/engine_thread.h"
#include "tiny_device.h"
#include "torch/head.h"

using namespace vectune;
using namespace vectune::tiny;

TEST(the_gradient_of_a_maximum_goes_whole_to_the_first_of_equal_rows) {
  const ModelSpec spec = spec_of(Architecture::kBert, {}, {PoolingMode::kMax});
  const ParameterTable table(spec);
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
    Head head(spec, table);
    kernels::Rows packed;
    packed.rows = packed.padded = rows;
    packed.texts = texts;
    packed.starts = starts.data();
    head.forward(packed, y.data(), {});
    std::vector<float> dy(rows * hidden), gradient = d;
    head.backward(packed, {}, gradient.data(), dy.data(), {}, false);
    CHECK(dy == expected);

    const device::DeviceBatch batch = device::stage(
        kTensors, texts,
        [&](int64_t t) { return device::StagedText{ids.data() + starts[t], starts[t + 1] - starts[t]}; }, {}, 0,
        nullptr);
    at::Tensor all = at::zeros({batch.rows, hidden});
    std::copy(y.begin(), y.end(), all.data_ptr<float>());
    device::DeviceHead device_head(spec, table);
    device_head.forward(batch, all, {});
    const at::Tensor device_dy =
        device_head.backward(batch, at::from_blob(d.data(), {texts, hidden}).clone(), {}, {}, false);
    const float* made = device_dy.data_ptr<float>();
    CHECK(std::equal(expected.begin(), expected.end(), made));
    CHECK(std::all_of(made + rows * hidden, made + batch.rows * hidden, [](float x) { return x == 0; }));
  });
}
