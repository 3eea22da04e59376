#include "train/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "losses/cosine.h"
#include "runtime/alone.h"
#include "runtime/errors.h"
#include "runtime/split_mix.h"

namespace vectune {

namespace {

at::Tensor scaled(const at::Tensor& gradient, const at::Tensor& scale) {
  return scale.defined() ? gradient * scale : gradient;
}

}  // namespace

LossRows Step::rows_of(const GroupBatch& batch, int64_t in_step, std::vector<int64_t> layers) const {
  LossRows rows{batch.rows(), in_step, batch.columns, batch.offsets, {}, batch.in_order(), {}, {}, std::move(layers)};
  // Places and labels in one copy.
  const auto places = static_cast<int64_t>(batch.places.size()), labels = static_cast<int64_t>(batch.labels.size());
  at::Tensor both = at::empty({places + labels}, at::TensorOptions().dtype(at::kInt));
  auto* to = both.mutable_data_ptr<int32_t>();
  std::memcpy(to, batch.places.data(), sizeof(int32_t) * batch.places.size());
  // memcpy takes no null pointer, even of nothing.
  if (labels > 0) std::memcpy(to + places, batch.labels.data(), sizeof(float) * batch.labels.size());
  both = passes_.send(both);
  rows.places = both.narrow(0, 0, places);
  if (labels > 0) rows.labels = both.narrow(0, places, labels).view(at::kFloat).view({rows.count, -1});
  const std::string prefix = losses_.prefix(batch.set);
  for (const auto& [parameter, begin, _] : layout_.of_loss())
    if (parameter.name.starts_with(prefix))
      rows.parameters[parameter.name.substr(prefix.size())] =
          state_.weights.narrow(0, begin, parameter.elements()).view(parameter.shape);
  return rows;
}

std::vector<int64_t> Step::layers_of_step(const Loss& loss) const {
  const auto step = static_cast<uint64_t>(state_.steps.load());
  return loss.layers(of_.layers, split_mix(split_mix(uint64_t{of_.seed}) + step));
}

void Step::store_gradients(const LossTensors& of_parameters, int64_t set, const at::Tensor& scale, bool add) const {
  const std::string prefix = losses_.prefix(set);
  for (const auto& [parameter, _, begin] : layout_.of_loss()) {
    at::Tensor to = state_.gradients.narrow(0, begin, parameter.elements()).view(parameter.shape);
    if (!parameter.name.starts_with(prefix)) {
      if (!add) to.zero_();
      continue;
    }
    const at::Tensor gradient = scaled(of_parameters.at(parameter.name.substr(prefix.size())), scale);
    if (add) to.add_(gradient);
    else to.copy_(gradient);
  }
}

Step::Result Step::gradients(const Request& request) {
  forget();
  const bool whole = at_once(request.rows, request.count, request.micro_batch) == request.count;
  return whole || loss_of(request.rows[0]).separable() ? part_by_part(request) : vectors_first(request);
}

Step::Result Step::part_by_part(const Request& request) {
  const Loss& loss = loss_of(request.rows[0]);
  const std::vector<int64_t> layers = layers_of_step(loss);
  const MicroBatch micro_batch = loss.separable() && !of_.whole ? enough_of(request) : request.micro_batch;
  Result result{{}, 0};
  for (int64_t first = 0, some = 0; first < request.count; first += some) {
    some = at_once(request.rows + first, request.count - first, micro_batch);
    const GroupBatch batch(dataset_, request.rows + first, some, request.repeats);
    result.tokens += batch.tokens;
    const LossRows rows = rows_of(batch, request.count, layers);
    const at::Tensor vectors = passes_.forward(batch.texts, layers, {request.epoch, state_.steps, first}, true);
    const LossValue value = loss.of(vectors, rows);
    result.loss = result.loss.defined() ? result.loss + value.loss : value.loss;
    passes_.backward(scaled(value.gradient, request.scale), state_, first > 0);
    store_gradients(value.of_parameters, batch.set, request.scale, first > 0);
  }
  return result;
}

MicroBatch Step::enough_of(const Request& request) const {
  MicroBatch enough = request.micro_batch;
  int64_t tokens = 0, longest = 0;
  for (int64_t row = 0; row < request.count; ++row) {
    const int64_t of_row = tokens_of(request.rows[row]);
    tokens += of_row;
    longest = std::max(longest, of_row);
  }
  const int64_t most = passes_.enough_tokens();
  if (tokens <= most) return enough;
  const int64_t parts = (tokens + most - 1) / most;
  enough.tokens = std::min({enough.tokens, most, tokens / parts + longest - 1});
  return enough;
}

int64_t Step::tokens_of(int32_t row) const {
  int64_t tokens = 0;
  for (const int32_t text : dataset_.columns(row)) tokens += dataset_.length(text);
  return tokens;
}

int64_t Step::at_once(const int32_t* rows, int64_t count, const MicroBatch& micro_batch) const {
  const int64_t most = std::min(micro_batch.rows, count);
  if (micro_batch.tokens == MicroBatch::kAnyTokens) return most;
  int64_t tokens = 0;
  for (int64_t row = 0; row < most; ++row) {
    tokens += tokens_of(rows[row]);
    if (tokens > micro_batch.tokens && row > 0) return row;
  }
  return most;
}

std::vector<Step::Part> Step::parts_of(const GroupBatch& batch, const int32_t* rows,
                                       const MicroBatch& micro_batch) const {
  std::vector<Part> parts;
  for (int64_t row = 0, some = 0; row < batch.rows(); row += some) {
    some = at_once(rows + row, batch.rows() - row, micro_batch);
    const int64_t begin = batch.texts_before(row), end = batch.texts_before(row + some);
    if (begin == end) continue;  // its texts are all in parts before it
    parts.push_back({row, begin, {batch.texts.data() + begin, static_cast<size_t>(end - begin)}});
  }
  return parts;
}

template <typename Each>
at::Tensor Step::all_vectors(const GroupBatch& batch, const std::vector<Part>& parts, const Each& each) {
  if (parts.size() == 1) return each(parts.front());
  at::Tensor vectors;
  for (const Part& part : parts) {
    const at::Tensor some = each(part);
    if (!vectors.defined())
      vectors = at::empty({static_cast<int64_t>(batch.texts.size()), some.size(1)}, some.options());
    vectors.narrow(0, part.begin, some.size(0)).copy_(some);
  }
  return vectors;
}

at::Tensor Step::forward(const Request& request, const GroupBatch& batch, const std::vector<Part>& parts,
                         const std::vector<int64_t>& layers) {
  return all_vectors(batch, parts, [&](const Part& part) {
    return passes_.forward(part.texts, layers, {request.epoch, state_.steps, part.row}, &part == &parts.back());
  });
}

void Step::backward(const Request& request, const std::vector<Part>& parts, const std::vector<int64_t>& layers,
                    const at::Tensor& gradient, bool kept) {
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!kept) passes_.forward(part->texts, layers, {request.epoch, state_.steps, part->row}, true);
    kept = false;
    passes_.backward(gradient.narrow(0, part->begin, static_cast<int64_t>(part->texts.size())), state_,
                     part != parts.rbegin());
  }
}

Step::Result Step::vectors_first(const Request& request) {
  const Loss& loss = loss_of(request.rows[0]);
  const std::vector<int64_t> layers = layers_of_step(loss);
  const GroupBatch batch(dataset_, request.rows, request.count, request.repeats);
  const auto parts = parts_of(batch, request.rows, request.micro_batch);
  at::Tensor vectors = forward(request, batch, parts, layers);
  bool kept = true;
  const LossRows rows = rows_of(batch, request.count, layers);
  LossValue value;
  try {
    value = loss.of(vectors, rows);
  } catch (...) {
    if (current_error().code() != ErrorCode::kOutOfMemory) throw;
    passes_.release();  // the loss of a large batch may have the room of what can be computed again
    kept = false;
    value = loss.of(vectors, rows);
  }
  vectors.reset();
  backward(request, parts, layers, scaled(value.gradient, request.scale), kept);
  store_gradients(value.of_parameters, batch.set, request.scale, false);
  return {value.loss, batch.tokens};
}

Step::Kept Step::kept_by(const Request& request) const {
  return {{request.rows, request.rows + request.count}, request.micro_batch, request.epoch, state_.steps};
}

at::Tensor Step::vectors(const Request& request) {
  forget();
  const GroupBatch batch(dataset_, request.rows, request.count, request.repeats);
  const at::Tensor vectors = forward(request, batch, parts_of(batch, request.rows, request.micro_batch), {});
  // A copy in any case: those of one part are good until the next call alone.
  const at::Tensor columns = at::empty({batch.columns, batch.rows(), vectors.size(1)}, vectors.options());
  columns.copy_(vectors_of(rows_of(batch, request.count, {}), vectors).transpose(0, 1));
  kept_ = kept_by(request);
  return columns;
}

int64_t Step::given_gradients(const Request& request, const at::Tensor& gradient) {
  const bool kept = kept_ == kept_by(request);
  forget();
  const GroupBatch batch(dataset_, request.rows, request.count, request.repeats);
  const at::Tensor of_texts =
      gradient_of_vectors(rows_of(batch, request.count, {}), gradient.transpose(0, 1).contiguous(),
                          static_cast<int64_t>(batch.texts.size()));
  backward(request, parts_of(batch, request.rows, request.micro_batch), {}, scaled(of_texts, request.scale), kept);
  store_gradients({}, batch.set, request.scale, false);
  return batch.tokens;
}

Step::Evaluation Step::evaluate(const int32_t* rows, int64_t count, int64_t micro_batch, int64_t batch_rows) {
  forget();
  const Loss& of_set = loss_of(rows[0]);
  const bool separable = of_set.separable();
  const int64_t of_batch = separable ? micro_batch : batch_rows;
  const std::vector<int64_t> layers = of_set.layers(of_.layers, std::nullopt);
  Evaluation result;
  std::vector<at::Tensor> similar, columns;
  for (int64_t first = 0; first < count; first += of_batch) {
    const GroupBatch batch(dataset_, rows + first, std::min(of_batch, count - first));
    const at::Tensor vectors = all_vectors(batch, parts_of(batch, rows + first, micro_batch),
                                           [&](const Part& part) { return passes_.evaluate(part.texts, layers); });
    at::Tensor loss;
    {
      const LossRows seen = rows_of(batch, separable ? count : batch.rows(), layers);
      loss = of_set.of(vectors, seen).loss;
      if (of_set.given()) columns.push_back(vectors_of(seen, vectors).transpose(0, 1));
    }
    if (!separable) loss = loss * (static_cast<double>(batch.rows()) / static_cast<double>(count));
    result.loss = result.loss.defined() ? result.loss + loss : loss;
    similar.push_back(
        similarities(batch, vectors.narrow(1, 0, vectors.size(1) / static_cast<int64_t>(layers.size() + 1))));
  }
  result.similarities = similar.size() == 1 ? similar.front() : at::cat(similar);
  if (!columns.empty()) result.vectors = at::cat(columns, 1).contiguous();
  return result;
}

at::Tensor Step::similarities(const GroupBatch& batch, const at::Tensor& vectors) const {
  const int64_t count = static_cast<int64_t>(batch.places.size()) - batch.rows();
  at::Tensor places = at::empty({2, count}, at::TensorOptions().dtype(at::kInt));
  int32_t *first = places.mutable_data_ptr<int32_t>(), *other = first + count;
  for (size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const auto begin = static_cast<size_t>(batch.offsets[row]), end = static_cast<size_t>(batch.offsets[row + 1]);
    for (size_t i = begin + 1; i < end; ++i) *first++ = batch.places[begin], *other++ = batch.places[i];
  }
  places = passes_.send(places);
  const Alone alone;
  const at::Tensor wide = vectors.is_cpu() ? vectors.to(at::kDouble) : vectors;
  return Cosines::of(at::index_select(wide, 0, places.select(0, 0)), at::index_select(wide, 0, places.select(0, 1)))
      .value.view({count})
      .to(at::kFloat);
}

}  // namespace vectune
