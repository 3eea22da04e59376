#pragma once
#include <string>
#include <vector>

#include "model/model.h"
#include "model/spec.h"
#include "napi_setup.h"
#include "train/trainer.h"

/// The contract's plain objects (lib/native/addon.ts) as the engine's structs. Types, ranges and unknown
/// properties are refused here with the path of the property; what fits together is the engine's to check.
namespace vectune::binding {

ModelSpec to_model_spec(const Napi::Value& value);
/// Files as `createModel` and `saveModel` name them; `what` names the argument in messages.
std::vector<ModuleFile> to_module_files(const Napi::Value& value, const std::string& what);
Precision to_precision(const Napi::Value& value, const std::string& what);
/// The same, or 'int8'. What a place cannot do is the engine's to refuse.
Precision to_embedding_precision(const Napi::Value& value, const std::string& what);
Place to_place(const Napi::Value& value, const std::string& what);
TrainerOptions to_trainer_options(const Napi::Value& value);

}  // namespace vectune::binding
