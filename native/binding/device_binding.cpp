#include "device_binding.h"

#include <optional>

#include "arguments.h"
#include "environment.h"
#include "register.h"
#include "spec_from_js.h"
#include "torch/gpus.h"
#include "torch/health.h"
#include "torch/memory.h"

namespace vectune::binding {
namespace {

Napi::Value devices(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .promise(
          info.Env(), [] { return device::gpus(); },
          [](Napi::Env env, device::Gpus& found) {
            auto gpus = Napi::Array::New(env, found.all.size());
            for (uint32_t i = 0; i < found.all.size(); ++i) {
              const device::Gpu& gpu = found.all[i];
              auto entry = Napi::Object::New(env);
              entry.Set("name", gpu.name);
              entry.Set("capability", std::to_string(gpu.major) + "." + std::to_string(gpu.minor));
              entry.Set("bytes", static_cast<double>(gpu.bytes));
              entry.Set("bf16", gpu.has_bf16());
              gpus.Set(i, entry);
            }
            auto result = Napi::Object::New(env);
            result.Set("gpus", gpus);
            const auto text = [&](const std::string& t) -> Napi::Value {
              if (t.empty()) return env.Null();
              return Napi::String::New(env, t);
            };
            result.Set("driver", text(found.driver));
            result.Set("reason", text(found.reason));
            return result;
          });
}

Napi::Value use_device(const Napi::CallbackInfo& info) {
  const Place place = to_place(info[0], "device");
  std::optional<double> fraction;
  if (!info[1].IsNull()) {
    fraction = to_finite(info[1], "memoryFraction");
    if (!place.on_device())
      throw Error(ErrorCode::kInvalidArgument, "memoryFraction is for a GPU's memory; the device is the processor.");
  }
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [place, fraction]() -> std::optional<int64_t> {
            device::require(place);
            if (!fraction) return std::nullopt;
            return device::set_memory_fraction(place, *fraction);
          },
          [](Napi::Env env, std::optional<int64_t>& limit) -> Napi::Value {
            if (!limit) return env.Null();
            return Napi::Number::New(env, static_cast<double>(*limit));
          });
}

Napi::Value device_memory(const Napi::CallbackInfo& info) {
  const Place place = to_place(info[0], "device");
  const bool reset_peak = to_boolean(info[1], "resetPeak");
  return Environment::of(info.Env())
      .promise(
          info.Env(),
          [place, reset_peak] {
            device::require(place);
            return device::on_device(place, [&] {
              const auto now = device::memory_of(place);
              if (reset_peak) device::reset_peak(place);
              return now;
            });
          },
          [](Napi::Env env, device::MemoryStatistics& now) {
            auto result = Napi::Object::New(env);
            result.Set("allocated", static_cast<double>(now.allocated));
            result.Set("peak", static_cast<double>(now.peak));
            result.Set("reserved", static_cast<double>(now.reserved));
            result.Set("fragmentation", now.fragmentation);
            result.Set("free", static_cast<double>(now.free));
            result.Set("total", static_cast<double>(now.total));
            return result;
          });
}

Napi::Value fail_device(const Napi::CallbackInfo& info) {
  device::health::fail_nth_check(to_integer(info[0], "nth", 0, kLargestInteger));
  return info.Env().Undefined();
}

}  // namespace

void export_device_functions(Napi::Object exports) {
  export_async_function<devices>(exports, "devices");
  export_async_function<use_device>(exports, "useDevice");
  export_async_function<device_memory>(exports, "deviceMemory");
  export_function<fail_device>(exports, "failDevice");
}

}  // namespace vectune::binding
