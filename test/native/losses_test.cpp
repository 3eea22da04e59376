// Losses on vectors: values and gradients, and what is refused.
#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "check.h"
#include "coupled_loss.h"
#include "losses/loss.h"
#include "runtime/engine_thread.h"

using namespace vectune;

namespace {

struct Rows {
  std::vector<int32_t> offsets{0};
  LossRows rows{};

  Rows(const std::vector<int32_t>& places, int64_t columns, const std::vector<float>& labels, int64_t in_step) {
    const auto count = static_cast<int64_t>(places.size()) / columns;
    for (int64_t row = 1; row <= count; ++row) offsets.push_back(static_cast<int32_t>(row * columns));
    bool in_order = true;
    for (size_t i = 0; i < places.size(); ++i) in_order = in_order && places[i] == static_cast<int32_t>(i);
    rows = {count,
            in_step,
            columns,
            offsets,
            at::tensor(places, at::kInt),
            in_order,
            at::tensor(labels, at::kFloat).view({count, -1})};
  }
};

/// The sums one after the other, as people would do them by hand.
double by_hand(const at::Tensor& vectors, const std::vector<float>& scores, int64_t in_step, at::Tensor& gradient) {
  const int64_t dimension = vectors.size(1);
  gradient = at::zeros_like(vectors);
  double loss = 0;
  for (size_t p = 0; p < scores.size(); ++p) {
    const float* u = vectors.const_data_ptr<float>() + 2 * static_cast<int64_t>(p) * dimension;
    const float* v = u + dimension;
    float* du = gradient.mutable_data_ptr<float>() + 2 * static_cast<int64_t>(p) * dimension;
    double uv = 0, uu = 0, vv = 0;
    for (int64_t i = 0; i < dimension; ++i)
      uv += double{u[i]} * v[i], uu += double{u[i]} * u[i], vv += double{v[i]} * v[i];
    const double nu = std::max(std::sqrt(uu), 1e-8), nv = std::max(std::sqrt(vv), 1e-8), cos = uv / (nu * nv);
    loss += (cos - scores[p]) * (cos - scores[p]);
    const double slope = 2.0 * (cos - scores[p]) / static_cast<double>(in_step);
    for (int64_t i = 0; i < dimension; ++i) {
      du[i] = static_cast<float>(slope / (nu * nv) * v[i] - slope * cos / (nu * nu) * u[i]);
      du[dimension + i] = static_cast<float>(slope / (nu * nv) * u[i] - slope * cos / (nv * nv) * v[i]);
    }
  }
  return loss / static_cast<double>(in_step);
}

}  // namespace

TEST(cosine_mse_is_what_it_is_by_hand) {
  EngineThread::instance().run([] {
    at::manual_seed(3);
    for (const int64_t pairs : {1, 2, 16, 128}) {
      const at::Tensor vectors = at::randn({2 * pairs, 384});
      vectors[0].zero_();
      std::vector<int32_t> places;
      std::vector<float> scores;
      for (int32_t i = 0; i < 2 * pairs; ++i) places.push_back(i);
      for (int64_t i = 0; i < pairs; ++i) scores.push_back(static_cast<float>(i % 7) / 6.0f);
      at::Tensor gradient;
      const double loss = by_hand(vectors, scores, pairs + 3, gradient);
      const LossValue value = make_loss({})->of(vectors, Rows(places, 2, scores, pairs + 3).rows);
      CHECK(std::abs(value.loss.item<double>() - loss) <= 1e-15 * loss);
      // In double; what is rounded to fp32 is the same but where a sum's last bit stands at the border of two numbers.
      const at::Tensor rounded = value.gradient.to(at::kFloat);
      CHECK(at::allclose(rounded, gradient, 2e-7, 1e-12));
      CHECK(rounded.ne(gradient).sum().item<int64_t>() <= gradient.numel() / 10000);
    }
  });
}

TEST(cosine_mse_of_shared_vectors_adds_their_gradients_up) {
  EngineThread::instance().run([] {
    at::manual_seed(4);
    const at::Tensor vectors = at::randn({3, 20});
    const std::vector<int32_t> places{0, 1, 2, 1, 1, 1};
    const std::vector<float> scores{0.0f, 0.5f, 0.25f};
    const LossValue value = make_loss({})->of(vectors, Rows(places, 2, scores, 3).rows);
    const LossValue reference = by_autograd(vectors.to(at::kDouble), [&](const at::Tensor& leaf) {
      const at::Tensor pairs = at::index_select(leaf, 0, at::tensor(places, at::kInt)).view({3, 2, 20});
      return (at::cosine_similarity(pairs.select(1, 0), pairs.select(1, 1), 1, 1e-8) - at::tensor(scores, at::kFloat))
          .pow(2)
          .mean();
    });
    CHECK(std::abs(value.loss.item<double>() - reference.loss.item<double>()) < 1e-14);
    CHECK(at::allclose(value.gradient, reference.gradient, 1e-10, 1e-14));
  });
}

TEST(losses_refuse_what_is_not_theirs) {
  const std::vector<int32_t> two{0, 2, 4}, three{0, 2, 5};
  const std::vector<float> scores{0.0f, 1.0f};
  const auto loss = make_loss({});
  loss->check({2, two, 1, scores.data()});
  CHECK(loss->separable());
  CHECK_THROWS_CODE(loss->check({2, three, 1, scores.data()}), ErrorCode::kInvalidArgument, "row 1 has 3");
  CHECK_THROWS_CODE(loss->check({2, two, 0, nullptr}), ErrorCode::kInvalidArgument, "one label of each row");
  CHECK_THROWS_CODE(make_loss({"cosine", {}}), ErrorCode::kInvalidArgument, "There is no loss 'cosine'; there is '");
  CHECK_THROWS_CODE(make_loss({"cosine-mse", {{"scale", {int64_t{1}}}}}), ErrorCode::kInvalidArgument,
                    "The loss cosine-mse has no option scale; it has none.");
}

TEST(options_of_a_loss_are_read_by_name_and_checked) {
  tiny::coupled_spec();
  const auto with = [](json::Value value) { return make_loss({"coupled", {{"scale", std::move(value)}}}); };
  with({2.5});
  with({int64_t{3}});
  CHECK_THROWS_CODE(with({-1.0}), ErrorCode::kInvalidArgument,
                    "scale of the loss coupled must be from 0 to 1000; found -1");
  CHECK_THROWS_CODE(with({std::nan("")}), ErrorCode::kInvalidArgument, "must be from 0 to 1000");
  CHECK_THROWS_CODE(with({std::string("20")}), ErrorCode::kInvalidArgument, "must be a number; found a string");
  CHECK_THROWS_CODE(make_loss({"coupled", {{"scales", {int64_t{1}}}}}), ErrorCode::kInvalidArgument,
                    "The loss coupled has no option scales; it has scale.");
  LossOptions options("test", json::Object{{"flag", {int64_t{1}}}, {"word", {std::string("third")}}});
  CHECK_THROWS_CODE(options.flag("flag", true), ErrorCode::kInvalidArgument, "must be true or false");
  CHECK_THROWS_CODE(options.word("word", "first", {"first", "second"}), ErrorCode::kInvalidArgument,
                    "one of 'first', 'second'; found 'third'");
  CHECK_EQ(options.word("other", "first", {"first", "second"}), std::string("first"));
}
