#include "trainer_binding.h"

#include "arguments.h"
#include "environment.h"
#include "handles.h"
#include "register.h"
#include "runtime/engine_thread.h"
#include "runtime/file_thread.h"
#include "spec_from_js.h"
#include "train/trainer.h"

namespace vectune::binding {
namespace {

Napi::Value create_trainer(const Napi::CallbackInfo& info) {
  auto model = Handle<Model>::get(info, 0);
  auto dataset = Handle<Dataset>::get(info, 1);
  TrainerOptions options = to_trainer_options(info[2]);
  return Environment::of(info.Env())
      .lane_of(model)
      .promise(
          info.Env(),
          [model = std::move(model), dataset = std::move(dataset), options = std::move(options)]() mutable {
            return std::make_shared<Trainer>(std::move(model), std::move(dataset), std::move(options));
          },
          [](Napi::Env env, std::shared_ptr<Trainer>& trainer) {
            Environment::of(env).cancel_at_end(trainer);
            const int64_t bytes = trainer->stats().bytes;
            return Handle<Trainer>::wrap(env, std::move(trainer), bytes);
          });
}

CountedArray<int32_t> to_rows(const Napi::Value& value, const std::string& what) {
  auto rows = to_int32_array(value, what);
  if (rows.size() == 0) throw Error(ErrorCode::kInvalidArgument, what + " must name at least one row; found none.");
  return rows;
}

/// What a step gets of a loss that is computed elsewhere.
struct GivenLoss {
  double loss;
  CountedArray<float> gradient;
};

Napi::Value step(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  Fields fields(info[1], "request");
  auto rows = to_rows(fields["rows"], fields.path("rows"));
  MicroBatch micro_batch(fields.integer("microBatch", 1, kLargestInt32));
  if (!fields["microTokens"].IsUndefined()) micro_batch.tokens = fields.integer("microTokens", 1, kLargestInteger);
  const double learning_rate = fields.finite("learningRate");
  const int64_t epoch = fields.integer("epoch", 0, kLargestInt32);
  // Steps are queued behind each other before the first is known to have gone well.
  std::optional<int64_t> after;
  if (!fields["after"].IsUndefined()) after = fields.integer("after", 0, kLargestInteger);
  std::optional<GivenLoss> given;
  if (!fields["given"].IsUndefined()) {
    Fields of_given(fields["given"], fields.path("given"));
    const double loss = of_given.finite("loss");
    given.emplace(GivenLoss{loss, to_float32_array(of_given["gradient"], of_given.path("gradient"))});
    of_given.finish();
  }
  fields.finish();
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), rows = std::move(rows), micro_batch, learning_rate, epoch, after,
           given = std::move(given)]() -> StepOutcome {
            if (after && trainer->stats().steps != *after) return StepOutcome(std::nullopt);
            if (given)
              return trainer->begin_given_step(rows.data(), rows.size(), micro_batch, learning_rate, epoch, given->loss,
                                               given->gradient.data(), given->gradient.size());
            return trainer->begin_step(rows.data(), rows.size(), micro_batch, learning_rate, epoch);
          },
          [](Napi::Env env, std::optional<StepResult>& step) -> Napi::Value {
            if (!step) return env.Null();
            auto result = Napi::Object::New(env);
            result.Set("loss", step->loss);
            result.Set("gradientNorm", step->gradient_norm ? Napi::Number::New(env, *step->gradient_norm) : env.Null());
            result.Set("tokens", static_cast<double>(step->tokens));
            return result;
          },
          std::move(keep_alive));
}

CountedArray<float> copy_of(const at::Tensor& tensor) { return {tensor.const_data_ptr<float>(), tensor.numel()}; }

struct StepVectors {
  CountedArray<float> values, labels;
  int64_t columns, rows, dimension;
};

Napi::Value vectors(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto rows = to_rows(info[1], "rows");
  const int64_t micro_batch = to_integer(info[2], "microBatch", 1, kLargestInt32);
  const int64_t epoch = to_integer(info[3], "epoch", 0, kLargestInt32);
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), rows = std::move(rows), micro_batch, epoch] {
            const at::Tensor found = trainer->vectors(rows.data(), rows.size(), micro_batch, epoch);
            const auto labels = trainer->labels(rows.data(), rows.size());
            return StepVectors{copy_of(found),
                               {labels.data(), static_cast<int64_t>(labels.size())},
                               found.size(0),
                               found.size(1),
                               found.size(2)};
          },
          [](Napi::Env env, StepVectors& found) {
            auto result = Napi::Object::New(env);
            result.Set("vectors", to_js_array(env, found.values));
            result.Set("labels", to_js_array(env, found.labels));
            const auto set = [&](const char* name, int64_t number) { result.Set(name, static_cast<double>(number)); };
            set("columns", found.columns);
            set("rows", found.rows);
            set("dimensions", found.dimension);
            return result;
          },
          std::move(keep_alive));
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto rows = to_rows(info[1], "rows");
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), rows = std::move(rows)] { trainer->probe(rows.data(), rows.size()); },
          std::move(keep_alive));
}

struct Evaluation {
  CountedArray<float> similarities;
  double loss;
  std::optional<CountedArray<float>> vectors;  // of a loss that is given
};

Napi::Value evaluate(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto rows = to_rows(info[1], "rows");
  const int64_t micro_batch = to_integer(info[2], "microBatch", 1, kLargestInt32);
  const int64_t batch = to_integer(info[3], "batch", 1, kLargestInt32);
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), rows = std::move(rows), micro_batch, batch] {
            Evaluation out{CountedArray<float>(trainer->similarities(rows.data(), rows.size())), 0.0, std::nullopt};
            at::Tensor vectors;
            out.loss =
                trainer->evaluate(rows.data(), rows.size(), micro_batch, batch, out.similarities.data(), &vectors);
            if (vectors.defined()) out.vectors.emplace(copy_of(vectors));
            return out;
          },
          [](Napi::Env env, Evaluation& out) {
            auto result = Napi::Object::New(env);
            result.Set("loss", out.loss);
            result.Set("similarities", to_js_array(env, out.similarities));
            result.Set("vectors", out.vectors ? to_js_array(env, *out.vectors) : env.Null());
            return result;
          },
          std::move(keep_alive));
}

Napi::Value embed_texts(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto texts = to_int32_array(info[1], "texts");
  if (texts.size() == 0) throw Error(ErrorCode::kInvalidArgument, "texts must name at least one text; found none.");
  const int64_t at_once = to_integer(info[2], "atOnce", 1, kLargestInt32);
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), texts = std::move(texts), at_once] {
            CountedArray<float> out(texts.size() * trainer->dimension());
            trainer->embed(texts.data(), texts.size(), at_once, out.data());
            return out;
          },
          [](Napi::Env env, CountedArray<float>& out) { return to_js_array(env, out); }, std::move(keep_alive));
}

Napi::Value blend(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  const double share = to_finite(info[1], "share");
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(info.Env(), [trainer = std::move(trainer), share] { trainer->blend(share); }, std::move(keep_alive));
}

Napi::Value commit(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(info.Env(), [trainer = std::move(trainer)] { trainer->commit(); }, std::move(keep_alive));
}

Napi::Value copy_state(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(info.Env(), [trainer = std::move(trainer)] { trainer->copy_state(); }, std::move(keep_alive));
}

Napi::Value to_js_text(Napi::Env env, std::string& text) { return Napi::String::New(env, text); }

Napi::Value write_copy(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  std::string path = to_path(info[1], "path");
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  auto copy = trainer->take_copy();
  if (!copy)
    throw Error(ErrorCode::kInvalidArgument, "The trainer has no copy of its state to write; copyState makes one.");
  return Environment::of(info.Env())
      .file_promise(
          info.Env(),
          [copy = std::move(copy), path = std::move(path)] { return copy->write(path, &FileThread::check).text(); },
          &to_js_text, std::move(keep_alive));
}

Napi::Value write_state(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  std::string path = to_path(info[1], "path");
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), path = std::move(path)] {
            return trainer->state()
                .write(path,
                       [] {
                         if (EngineThread::instance().stopping())
                           throw Error(ErrorCode::kAborted, "The process is ending.");
                       })
                .text();
          },
          &to_js_text, std::move(keep_alive));
}

Napi::Value restore_state(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  std::string path = to_path(info[1], "path");
  const bool replay_decay = to_boolean(info[2], "replayDecay");
  auto keep_alive = Environment::of(info.Env()).keep_alive_of(trainer);
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), path = std::move(path), replay_decay] {
            trainer->restore(path, replay_decay);
          },
          std::move(keep_alive));
}

Napi::Value set_trainer_limit(const Napi::CallbackInfo& info) {
  const auto trainer = Handle<Trainer>::get(info, 0);
  if (info[1].IsNull()) trainer->set_memory_limit(std::nullopt);
  else trainer->set_memory_limit(to_integer(info[1], "bytes", 1, kLargestInteger));
  return info.Env().Undefined();
}

Napi::Value keep_alive(const Napi::CallbackInfo& info) {
  const auto trainer = Handle<Trainer>::get(info, 0);
  Environment::of(info.Env()).set_keep_alive(info.Env(), trainer, to_boolean(info[1], "wanted"));
  return info.Env().Undefined();
}

Napi::Value cancel(const Napi::CallbackInfo& info) {
  Handle<Trainer>::get(info, 0)->cancel();
  return info.Env().Undefined();
}

Napi::Value trainer_stats(const Napi::CallbackInfo& info) {
  const TrainerStats stats = Handle<Trainer>::get(info, 0)->stats();
  auto result = Napi::Object::New(info.Env());
  const auto set = [&](const char* name, int64_t number) { result.Set(name, static_cast<double>(number)); };
  set("steps", stats.steps);
  set("parameters", stats.parameters);
  set("trainableParameters", stats.trainable_parameters);
  set("optimisedParameters", stats.optimised_parameters);
  set("lossParameters", stats.loss_parameters);
  set("bytes", stats.bytes);
  set("workspaceRows", stats.workspace_rows);
  set("workspaceBytes", stats.workspace_bytes);
  set("workspaceGrowths", stats.workspace_growths);
  return result;
}

Napi::Value trace_gradients(const Napi::CallbackInfo& info) {
  auto trainer = Handle<Trainer>::get(info, 0);
  auto rows = to_rows(info[1], "rows");
  const int64_t micro_batch = to_integer(info[2], "microBatch", 1, kLargestInt32);
  std::string path = to_path(info[3], "path");
  return Environment::of(info.Env())
      .lane_of(trainer)
      .promise(
          info.Env(),
          [trainer = std::move(trainer), rows = std::move(rows), micro_batch, path = std::move(path)] {
            return trainer->trace_gradients(rows.data(), rows.size(), micro_batch, path);
          },
          [](Napi::Env env, double& loss) { return Napi::Number::New(env, loss); });
}

Napi::Value dispose_trainer(const Napi::CallbackInfo& info) {
  Handle<Trainer>::dispose(info, 0);
  return info.Env().Undefined();
}

}  // namespace

void export_trainer_functions(Napi::Object exports) {
  export_async_function<create_trainer>(exports, "createTrainer");
  export_async_function<step>(exports, "step");
  export_async_function<vectors>(exports, "vectors");
  export_async_function<probe>(exports, "probe");
  export_async_function<evaluate>(exports, "evaluate");
  export_async_function<embed_texts>(exports, "embedTexts");
  export_async_function<blend>(exports, "blend");
  export_async_function<commit>(exports, "commit");
  export_async_function<copy_state>(exports, "copyState");
  export_async_function<write_copy>(exports, "writeCopy");
  export_async_function<write_state>(exports, "writeState");
  export_async_function<restore_state>(exports, "restoreState");
  export_function<set_trainer_limit>(exports, "setTrainerLimit");
  export_function<keep_alive>(exports, "keepAlive");
  export_function<cancel>(exports, "cancel");
  export_function<trainer_stats>(exports, "trainerStats");
  export_async_function<trace_gradients>(exports, "traceGradients");
  export_function<dispose_trainer>(exports, "disposeTrainer");
}

}  // namespace vectune::binding
