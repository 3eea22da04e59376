#include "spec_from_js.h"

#include <algorithm>

#include "arguments.h"
#include "json_from_js.h"

namespace vectune::binding {
namespace {

// Far above any model of these architectures; keeps products of sizes inside 64 bits.
constexpr int64_t kLargestSize = 1 << 28;

const Architecture* to_architecture(const Napi::Value& value, const std::string& what) {
  std::string known;
  for (const Architecture* one : architectures()) {
    if (value.IsString() && one->name == std::string(value.As<Napi::String>())) return one;
    known += (known.empty() ? "'" : ", '") + one->name + "'";
  }
  refuse(what, "one of " + known, value);
}

std::vector<LayerAttention> to_layer_attentions(const Napi::Value& value) {
  const std::string what = "spec.encoder.attention";
  std::vector<LayerAttention> layers;
  const Napi::Array array = to_array(value, what);
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Fields fields(array.Get(i), what + "[" + std::to_string(i) + "]");
    LayerAttention layer;
    if (!fields.is_null("window")) layer.reach.before = layer.reach.after = fields.integer("window", 0, kLargestSize);
    if (!fields["causal"].IsUndefined() && fields.boolean("causal")) layer.reach.after = 0;
    layer.rotary.theta = fields.finite("ropeTheta");
    layer.rotary.divisor = fields.finite("ropeDivisor");
    fields.finish();
    layers.push_back(layer);
  }
  return layers;
}

EncoderSpec to_encoder_spec(const Napi::Value& value) {
  Fields fields(value, "spec.encoder");
  EncoderSpec spec;
  spec.architecture = to_architecture(fields["architecture"], fields.path("architecture"));
  spec.vocab_size = fields.integer("vocabSize", 1, kLargestSize);
  spec.hidden_size = fields.integer("hiddenSize", 1, kLargestSize);
  spec.layers = fields.integer("layers", 0, kLargestSize);
  spec.heads = fields.integer("heads", 1, kLargestSize);
  spec.intermediate_size = fields.integer("intermediateSize", 1, kLargestSize);
  spec.positions = fields.integer("positions", 1, kLargestSize);
  spec.type_vocab_size = fields.integer("typeVocabSize", 0, kLargestSize);
  spec.position_offset = fields.integer("positionOffset", 0, kLargestSize);
  const Napi::Value pad = fields["padTokenId"];
  if (!pad.IsUndefined() && !pad.IsNull()) spec.pad_id = to_integer(pad, fields.path("padTokenId"), 0, kLargestSize);
  spec.layer_norm_eps = static_cast<float>(fields.within("layerNormEps", 0.0, 1.0));
  spec.hidden_activation = to_choice<HiddenActivation>(fields["hiddenActivation"], fields.path("hiddenActivation"),
                                                       {{"gelu", HiddenActivation::kGelu},
                                                        {"relu", HiddenActivation::kRelu},
                                                        {"gelu_tanh", HiddenActivation::kGeluTanh},
                                                        {"silu", HiddenActivation::kSilu}});
  spec.hidden_dropout = static_cast<float>(fields.within("hiddenDropout", 0.0, 1.0));
  spec.attention_dropout = static_cast<float>(fields.within("attentionDropout", 0.0, 1.0));
  if (!fields["attention"].IsUndefined()) spec.attention = to_layer_attentions(fields["attention"]);
  if (!fields["embeddingSize"].IsUndefined()) spec.embedding_size = fields.integer("embeddingSize", 1, kLargestSize);
  if (!fields["headDim"].IsUndefined()) spec.head_dim = fields.integer("headDim", 1, kLargestSize);
  if (!fields["keyValueHeads"].IsUndefined()) spec.key_value_heads = fields.integer("keyValueHeads", 1, kLargestSize);
  if (!fields["queryScale"].IsUndefined()) spec.query_scale = fields.finite("queryScale");
  fields.finish();
  return spec;
}

PoolingSpec to_pooling_spec(Fields& fields) {
  PoolingSpec spec;
  const Napi::Array modes = to_array(fields["modes"], fields.path("modes"));
  for (uint32_t i = 0; i < modes.Length(); ++i) {
    spec.modes.push_back(to_choice<PoolingMode>(modes.Get(i), fields.path("modes[" + std::to_string(i) + "]"),
                                                {{"cls", PoolingMode::kCls},
                                                 {"max", PoolingMode::kMax},
                                                 {"mean", PoolingMode::kMean},
                                                 {"mean_sqrt_len", PoolingMode::kMeanSqrtLen},
                                                 {"weightedmean", PoolingMode::kWeightedMean},
                                                 {"lasttoken", PoolingMode::kLastToken}}));
  }
  return spec;
}

DenseSpec to_dense_spec(Fields& fields) {
  DenseSpec spec;
  spec.in_features = fields.integer("inFeatures", 1, kLargestSize);
  spec.out_features = fields.integer("outFeatures", 1, kLargestSize);
  spec.bias = fields.boolean("bias");
  spec.activation = to_choice<DenseActivation>(fields["activation"], fields.path("activation"),
                                               {{"tanh", DenseActivation::kTanh},
                                                {"identity", DenseActivation::kIdentity},
                                                {"relu", DenseActivation::kRelu},
                                                {"gelu", DenseActivation::kGelu},
                                                {"sigmoid", DenseActivation::kSigmoid},
                                                {"silu", DenseActivation::kSilu},
                                                {"leaky_relu", DenseActivation::kLeakyRelu},
                                                {"elu", DenseActivation::kElu},
                                                {"selu", DenseActivation::kSelu},
                                                {"softplus", DenseActivation::kSoftplus},
                                                {"mish", DenseActivation::kMish}});
  if (!fields["residual"].IsUndefined()) spec.residual = fields.boolean("residual");
  return spec;
}

HeadSpec to_head_spec(const Napi::Value& value, const std::string& what) {
  enum class Module { kPooling, kDense, kNormalize, kLayerNorm };
  Fields fields(value, what);
  HeadSpec spec;
  switch (to_choice<Module>(fields["kind"], fields.path("kind"),
                            {{"pooling", Module::kPooling},
                             {"dense", Module::kDense},
                             {"normalize", Module::kNormalize},
                             {"layer_norm", Module::kLayerNorm}})) {
    case Module::kPooling: spec = to_pooling_spec(fields); break;
    case Module::kDense: spec = to_dense_spec(fields); break;
    case Module::kNormalize: spec = NormalizeSpec{}; break;
    case Module::kLayerNorm: spec = LayerNormSpec{fields.integer("dimension", 1, kLargestSize)}; break;
  }
  fields.finish();
  return spec;
}

}  // namespace

ModelSpec to_model_spec(const Napi::Value& value) {
  Fields fields(value, "spec");
  ModelSpec spec;
  spec.encoder = to_encoder_spec(fields["encoder"]);
  const Napi::Array head = to_array(fields["head"], fields.path("head"));
  for (uint32_t i = 0; i < head.Length(); ++i) {
    spec.head.push_back(to_head_spec(head.Get(i), fields.path("head[" + std::to_string(i) + "]")));
  }
  fields.finish();
  return spec;
}

static std::vector<safetensors::Place> to_tensor_places(const Napi::Value& value, const std::string& what) {
  std::vector<safetensors::Place> places;
  const Napi::Array array = to_array(value, what);
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Fields fields(array.Get(i), what + "[" + std::to_string(i) + "]");
    safetensors::Place place{to_string(fields["name"], fields.path("name")),
                             safetensors::dtype_of(to_string(fields["dtype"], fields.path("dtype"))),
                             {},
                             fields.integer("begin", 0, kLargestInteger)};
    const Napi::Array shape = to_array(fields["shape"], fields.path("shape"));
    for (uint32_t d = 0; d < shape.Length(); ++d)
      place.shape.push_back(to_integer(shape.Get(d), fields.path("shape"), 0, kLargestInteger));
    fields.finish();
    places.push_back(std::move(place));
  }
  return places;
}

static Adapter to_adapter(const Napi::Value& value, const std::string& what) {
  Fields fields(value, what);
  Adapter adapter;
  const std::string list = fields.path("updates"), others = fields.path("replaced");
  const Napi::Array updates = to_array(fields["updates"], list);
  for (uint32_t i = 0; i < updates.Length(); ++i) {
    Fields update(updates.Get(i), list + "[" + std::to_string(i) + "]");
    adapter.updates.push_back({to_string(update["target"], update.path("target")),
                               to_string(update["a"], update.path("a")), to_string(update["b"], update.path("b")),
                               update.finite("scale"), update.boolean("transposed")});
    update.finish();
  }
  const Napi::Array replaced = to_array(fields["replaced"], others);
  for (uint32_t i = 0; i < replaced.Length(); ++i) {
    Fields pair(replaced.Get(i), others + "[" + std::to_string(i) + "]");
    adapter.replaced.emplace_back(to_string(pair["target"], pair.path("target")),
                                  to_string(pair["tensor"], pair.path("tensor")));
    pair.finish();
  }
  fields.finish();
  return adapter;
}

std::vector<ModuleFile> to_module_files(const Napi::Value& value, const std::string& what) {
  std::vector<ModuleFile> files;
  const Napi::Array array = to_array(value, what);
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Fields fields(array.Get(i), what + "[" + std::to_string(i) + "]");
    ModuleFile file;
    file.path = to_path(fields["path"], fields.path("path"));
    const Napi::Value module = fields["module"];
    file.module = module.IsString() ? to_choice<int>(module, fields.path("module"), {{"encoder", ModuleFile::kEncoder}})
                                    : static_cast<int>(to_integer(module, fields.path("module"), 0, kLargestInt32));
    const Napi::Value tensors = fields["tensors"];
    if (!tensors.IsUndefined()) file.tensors = to_tensor_places(tensors, fields.path("tensors"));
    const Napi::Value adapter = fields["adapter"];
    if (!adapter.IsUndefined()) file.adapter = to_adapter(adapter, fields.path("adapter"));
    fields.finish();
    files.push_back(std::move(file));
  }
  return files;
}

Precision to_precision(const Napi::Value& value, const std::string& what) {
  return to_choice<Precision>(
      value, what,
      {{"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"tf32", Precision::kTf32}, {"fp16", Precision::kFp16}});
}

Precision to_embedding_precision(const Napi::Value& value, const std::string& what) {
  return to_choice<Precision>(value, what,
                              {{"fp32", Precision::kFp32},
                               {"bf16", Precision::kBf16},
                               {"int8", Precision::kInt8},
                               {"tf32", Precision::kTf32},
                               {"fp16", Precision::kFp16}});
}

Place to_place(const Napi::Value& value, const std::string& what) { return Place::parse(to_string(value, what)); }

LossSpec to_loss_spec(const Napi::Value& value, const std::string& what) {
  json::Value all = to_json(value, what);
  auto* options = std::get_if<json::Object>(&all.data);
  if (!options) refuse(what, "an object", value);
  const auto name =
      std::find_if(options->begin(), options->end(), [](const auto& member) { return member.name == "name"; });
  const auto* text = name == options->end() ? nullptr : name->value.get<std::string>();
  if (!text) throw Error(ErrorCode::kInvalidArgument, what + ".name must be the name of a loss.");
  LossSpec spec{*text, {}};
  options->erase(name);
  spec.options = std::move(*options);
  return spec;
}

TrainerOptions to_trainer_options(const Napi::Value& value) {
  Fields fields(value, "options");
  TrainerOptions options;
  if (!fields["device"].IsUndefined()) options.place = to_place(fields["device"], fields.path("device"));
  options.precision = to_precision(fields["precision"], fields.path("precision"));
  const Napi::Value loss = fields["loss"];
  if (loss.IsArray()) {
    options.losses.clear();
    const Napi::Array losses = to_array(loss, fields.path("loss"));
    for (uint32_t i = 0; i < losses.Length(); ++i)
      options.losses.push_back(to_loss_spec(losses.Get(i), fields.path("loss[" + std::to_string(i) + "]")));
  } else {
    options.losses = {to_loss_spec(loss, fields.path("loss"))};
  }
  options.seed = static_cast<uint32_t>(fields.integer("seed", 0, kLargestUint32));
  if (!fields.is_null("dropout")) options.dropout = static_cast<float>(fields.within("dropout", 0.0, 1.0));
  options.beta1 = fields.within("beta1", 0.0, 1.0);
  options.beta2 = fields.within("beta2", 0.0, 1.0);
  options.eps = fields.within("eps", 0.0, 1.0);
  options.weight_decay = fields.finite("weightDecay");
  options.bias_correction = fields.boolean("biasCorrection");
  if (!fields.is_null("maxGradientNorm")) options.max_gradient_norm = fields.finite("maxGradientNorm");
  const Napi::Array freeze = to_array(fields["freeze"], fields.path("freeze"));
  for (uint32_t i = 0; i < freeze.Length(); ++i) {
    options.freeze.push_back(to_string(freeze.Get(i), fields.path("freeze[" + std::to_string(i) + "]")));
  }
  if (!fields.is_null("memoryLimit")) options.memory_limit = fields.integer("memoryLimit", 1, kLargestInteger);
  if (!fields["wholeSteps"].IsUndefined()) options.whole_steps = fields.boolean("wholeSteps");
  if (!fields["keepBase"].IsUndefined()) options.keep_base = fields.boolean("keepBase");
  fields.finish();
  return options;
}

}  // namespace vectune::binding
