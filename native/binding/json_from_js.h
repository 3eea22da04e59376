#pragma once
#include <string>

#include "files/json.h"
#include "napi_setup.h"

namespace vectune::binding {

/// A plain value (null, a truth value, a finite number, a text, lists and objects of such) as the engine holds JSON.
/// Error(kInvalidArgument) for any other, called by its path from `what` on, and for more than a set of options needs.
json::Value to_json(const Napi::Value& value, const std::string& what);

}  // namespace vectune::binding
