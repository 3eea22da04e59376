#include "cpu/head.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/gemm.h"
#include "runtime/thread_team.h"

namespace vectune {

namespace {

constexpr float kNormalizeEps = 1e-12f;  // torch.nn.functional.normalize

float activate(DenseActivation f, float x) {
  switch (f) {
    case DenseActivation::kTanh: return std::tanh(x);
    case DenseActivation::kRelu: return x > 0.0f ? x : 0.0f;
    case DenseActivation::kGelu: return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
    case DenseActivation::kIdentity: break;
  }
  return x;
}

/// The slope at pre-activation x with value y = f(x).
float slope(DenseActivation f, float x, float y) {
  switch (f) {
    case DenseActivation::kTanh: return 1.0f - y * y;
    case DenseActivation::kRelu: return x > 0.0f ? 1.0f : 0.0f;
    case DenseActivation::kGelu:
      return 0.5f * (1.0f + std::erf(x * 0.70710678f)) + x * 0.39894228f * std::exp(-0.5f * x * x);
    case DenseActivation::kIdentity: break;
  }
  return 1.0f;
}

float norm(const float* x, int64_t width) {
  double s = 0;
  for (int64_t i = 0; i < width; ++i) s += double{x[i]} * x[i];
  return static_cast<float>(std::sqrt(s));
}

}  // namespace

Head::Head(const ModelSpec& spec, const ParameterTable& table) : spec_(spec), table_(table) {
  int64_t width = 0;
  for (const auto& module : spec.head) {
    if (const auto* pooling = std::get_if<PoolingSpec>(&module))
      width = spec.encoder.hidden_size * static_cast<int64_t>(pooling->modes.size());
    else if (const auto* dense = std::get_if<DenseSpec>(&module)) width = dense->out_features;
    widths_.push_back(width);
  }
  values_.resize(widths_.size());
}

void Head::reserve(int64_t texts) {
  if (texts <= texts_) return;
  release();
  const auto& modes = std::get<PoolingSpec>(spec_.head.front()).modes;
  const bool has_max = std::find(modes.begin(), modes.end(), PoolingMode::kMax) != modes.end();
  arena_.carve([&](Arena::Carver& carver) {
    for (size_t i = 0; i < widths_.size(); ++i) {
      // a Dense also keeps what its activation saw: [texts × width] behind its output
      const bool dense = std::holds_alternative<DenseSpec>(spec_.head[i]);
      values_[i] = carver.take<float>(texts * widths_[i] * (dense ? 2 : 1));
    }
    gradient_ = carver.take<float>(texts * *std::max_element(widths_.begin(), widths_.end()));
    argmax_ = has_max ? carver.take<int32_t>(texts * spec_.encoder.hidden_size) : nullptr;
  });
  texts_ = texts;
}

void Head::release() {
  arena_.release();
  products_.release();
  texts_ = 0;
}

const float* Head::forward(const kernels::Rows& rows, const float* y, const FlatView<const float>& weights) {
  reserve(rows.texts);
  pool(rows, y, values_.front());
  for (size_t i = 1; i < spec_.head.size(); ++i) {
    const float* x = values_[i - 1];
    const int64_t in = widths_[i - 1], out = widths_[i];
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      const LinearAt& at = table_.head[i];
      float* before = values_[i] + texts_ * out;
      Gemm<float>::forward(x, weights.at(at.weight), before, rows.texts, in, out, products_);
      for (int64_t t = 0; t < rows.texts; ++t)
        for (int64_t c = 0; c < out; ++c) {
          float& z = before[t * out + c];
          if (at.bias >= 0) z += weights.at(at.bias)[c];
          values_[i][t * out + c] = activate(dense->activation, z);
        }
    } else {
      for (int64_t t = 0; t < rows.texts; ++t) {
        const float scale = 1.0f / std::max(norm(x + t * in, in), kNormalizeEps);
        for (int64_t c = 0; c < in; ++c) values_[i][t * in + c] = x[t * in + c] * scale;
      }
    }
  }
  return values_.back();
}

void Head::pool(const kernels::Rows& rows, const float* y, float* out) {
  const int64_t hidden = spec_.encoder.hidden_size, width = widths_.front();
  const auto& modes = std::get<PoolingSpec>(spec_.head.front()).modes;
  for_each_on_team(rows.texts, [&](int64_t t) {
    const int64_t begin = rows.starts[t], end = rows.starts[t + 1];
    float* to = out + t * width;
    for (const PoolingMode mode : modes) {
      if (mode == PoolingMode::kCls) {
        std::memcpy(to, y + begin * hidden, sizeof(float) * static_cast<size_t>(hidden));
      } else if (mode == PoolingMode::kMax) {
        int32_t* arg = argmax_ + t * hidden;
        for (int64_t c = 0; c < hidden; ++c) {
          int64_t best = begin;
          for (int64_t r = begin + 1; r < end; ++r)
            if (y[r * hidden + c] > y[best * hidden + c]) best = r;
          arg[c] = static_cast<int32_t>(best);
          to[c] = y[best * hidden + c];
        }
      } else {
        const float length = static_cast<float>(end - begin);
        const float scale = 1.0f / (mode == PoolingMode::kMean ? length : std::sqrt(length));
        std::memset(to, 0, sizeof(float) * static_cast<size_t>(hidden));
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c) to[c] += y[r * hidden + c];
        for (int64_t c = 0; c < hidden; ++c) to[c] *= scale;
      }
      to += hidden;
    }
  });
}

void Head::pool_backward(const kernels::Rows& rows, const float* d, float* dy) const {
  const int64_t hidden = spec_.encoder.hidden_size, width = widths_.front();
  const auto& modes = std::get<PoolingSpec>(spec_.head.front()).modes;
  for_each_on_team(rows.texts, [&](int64_t t) {
    const int64_t begin = rows.starts[t], end = rows.starts[t + 1];
    std::memset(dy + begin * hidden, 0, sizeof(float) * static_cast<size_t>((end - begin) * hidden));
    const float* from = d + t * width;
    for (const PoolingMode mode : modes) {
      if (mode == PoolingMode::kCls) {
        for (int64_t c = 0; c < hidden; ++c) dy[begin * hidden + c] += from[c];
      } else if (mode == PoolingMode::kMax) {
        for (int64_t c = 0; c < hidden; ++c) dy[int64_t{argmax_[t * hidden + c]} * hidden + c] += from[c];
      } else {
        const float length = static_cast<float>(end - begin);
        const float scale = 1.0f / (mode == PoolingMode::kMean ? length : std::sqrt(length));
        for (int64_t r = begin; r < end; ++r)
          for (int64_t c = 0; c < hidden; ++c) dy[r * hidden + c] += from[c] * scale;
      }
      from += hidden;
    }
  });
  std::memset(dy + rows.rows * hidden, 0, sizeof(float) * static_cast<size_t>((rows.padded - rows.rows) * hidden));
}

void Head::backward(const kernels::Rows& rows, const FlatView<const float>& weights, float* d, float* dy,
                    const FlatView<float>& gradients, bool accumulate) {
  float* now = d;
  float* next = gradient_;
  for (size_t i = spec_.head.size() - 1; i >= 1; --i) {
    const float* x = values_[i - 1];
    const int64_t in = widths_[i - 1], out = widths_[i];
    if (const auto* dense = std::get_if<DenseSpec>(&spec_.head[i])) {
      const LinearAt& at = table_.head[i];
      const float* before = values_[i] + texts_ * out;
      for (int64_t k = 0; k < rows.texts * out; ++k) now[k] *= slope(dense->activation, before[k], values_[i][k]);
      Gemm<float>::weight_gradient(now, x, gradients.at(at.weight), rows.texts, in, out, accumulate, products_);
      if (at.bias >= 0) {
        float* dbias = gradients.at(at.bias);
        if (!accumulate) std::memset(dbias, 0, sizeof(float) * static_cast<size_t>(out));
        for (int64_t t = 0; t < rows.texts; ++t)
          for (int64_t c = 0; c < out; ++c) dbias[c] += now[t * out + c];
      }
      Gemm<float>::input_gradient(now, weights.at(at.weight), next, rows.texts, in, out, products_);
    } else {
      // y = x/|x|:  dx = (dy − y·(y·dy))/|x|
      for (int64_t t = 0; t < rows.texts; ++t) {
        const float* v = values_[i] + t * in;
        const float scale = 1.0f / std::max(norm(x + t * in, in), kNormalizeEps);
        double dot = 0;
        for (int64_t c = 0; c < in; ++c) dot += double{v[c]} * now[t * in + c];
        for (int64_t c = 0; c < in; ++c) next[t * in + c] = (now[t * in + c] - v[c] * static_cast<float>(dot)) * scale;
      }
    }
    std::swap(now, next);
  }
  pool_backward(rows, now, dy);
}

}  // namespace vectune
