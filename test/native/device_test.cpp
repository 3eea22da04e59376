// What the device path asks of LibTorch and of the driver, as far as that shows without a GPU.
#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "check.h"
#include "model/place.h"
#include "runtime/engine_thread.h"
#include "runtime/errors.h"
#include "runtime/memory_budget.h"
#include "torch/batch.h"
#include "torch/gpus.h"
#include "torch/memory.h"
#include "torch/operator_call.h"
#include "torch/packed_attention.h"
#include "torch/precision.h"

using namespace vectune;
using namespace vectune::device;

namespace {

/// The code of what `error` becomes.
template <typename E>
Error sorted(const E& error) {
  try {
    throw error;
  } catch (...) {
    return current_error();
  }
}

}  // namespace

TEST(places_have_names) {
  CHECK(Place::parse("cpu") == Place{});
  CHECK(Place::parse("cuda:12") == (Place{Place::Kind::kCuda, 12}));
  CHECK(Place::parse("cpu-tensors").on_device());
  for (const char* text : {"cpu", "cuda:0", "cuda:12", "cpu-tensors"}) CHECK_EQ(Place::parse(text).text(), text);
  for (const char* text : {"", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:100", "cuda:1 ", "CUDA:0", "mps"})
    CHECK_THROWS_CODE(Place::parse(text), ErrorCode::kInvalidArgument);
}

TEST(a_gpu_that_is_not_there_is_refused_with_what_is_missing) {
  EngineThread::instance().run([] {
    const Gpus& found = gpus();
    CHECK(found.all.empty() == !found.reason.empty());
    CHECK_THROWS_CODE(require({Place::Kind::kCuda, 99}), ErrorCode::kDeviceUnavailable, "cuda:99");
    require({});
    if (!found.all.empty()) return;
    CHECK(found.reason.find("libcuda.so.1") != std::string::npos || found.reason.find("driver") != std::string::npos ||
          found.reason.find("libtorch_cuda.so") != std::string::npos);
    CHECK_THROWS_CODE(require({Place::Kind::kCuda, 0}), ErrorCode::kDeviceUnavailable, found.reason);
  });
}

TEST(errors_of_a_gpu_are_told_from_exhausted_memory) {
  const c10::SourceLocation here{"f", "device_test.cpp", 1};
  CHECK(sorted(c10::AcceleratorError(here, 700, "CUDA error: an illegal memory access was encountered")).code() ==
        ErrorCode::kDeviceLost);
  CHECK(sorted(c10::AcceleratorError(here, 2, "CUDA error: out of memory")).code() == ErrorCode::kOutOfMemory);
  CHECK(sorted(c10::Error(here, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")).code() ==
        ErrorCode::kOutOfMemory);
  CHECK(sorted(c10::Error(here, "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`")).code() ==
        ErrorCode::kDeviceLost);
  CHECK(sorted(c10::OutOfMemoryError(here, "CUDA out of memory. Tried to allocate 2 GiB")).code() ==
        ErrorCode::kOutOfMemory);
  CHECK(sorted(c10::Error(here, "expected scalar type Float but found Half")).code() == ErrorCode::kNative);
}

namespace {

EncoderSpec spec_of_positions(int64_t offset) {
  EncoderSpec spec;
  spec.architecture = &architecture("bert");
  spec.position_offset = offset;
  return spec;
}

}  // namespace

TEST(attentions_packed_kernels_take_the_arguments_that_they_are_given) {
  // Without a GPU there is no kernel to run, but the dispatcher looks at the arguments before it looks for one: a name
  // or a type that this LibTorch does not have would be another error than the missing kernel.
  EngineThread::instance().run([] {
    constexpr int64_t kHeads = 2, kSize = 8;
    const std::vector<int32_t> ids(70, 1);
    const DeviceBatch batch =
        stage({Place::Kind::kTensors, 0}, {2, [&](int64_t) { return Text{ids.data(), 35}; }}, spec_of_positions(0));
    CHECK_EQ(batch.rows, 128);
    for (const auto& [kernel, type] : {std::pair(PackedAttention::Kernel::kFlash, at::kBFloat16),
                                       std::pair(PackedAttention::Kernel::kEfficient, at::kFloat)}) {
      const PackedAttention attention(kernel, kHeads, kHeads, kSize);
      const at::Tensor qkv = at::zeros({batch.rows, 3 * kHeads * kSize}, at::TensorOptions().dtype(type));
      const at::Tensor out = at::zeros({batch.rows, kHeads * kSize}, qkv.options()),
                       heads = out.view({batch.rows, kHeads, kSize});
      PackedAttention::Saved saved{kernel == PackedAttention::Kernel::kFlash ? heads : heads.unsqueeze(0),
                                   at::zeros({kHeads, batch.rows}),
                                   at::zeros({2}, at::TensorOptions().dtype(at::kLong)),
                                   at::zeros({}, at::TensorOptions().dtype(at::kLong)),
                                   {},
                                   {}};
      const auto missing_kernel = [](const std::function<void()>& work) {
        try {
          work();
        } catch (const c10::NotImplementedError&) {
          return true;
        } catch (const std::exception& error) {
          std::printf("  %s\n", error.what());
        }
        return false;
      };
      PackedAttention::Saved unused;
      CHECK(missing_kernel([&] { attention.forward(qkv, batch, 0.1, &unused); }));
      CHECK(missing_kernel([&] { attention.forward(qkv, batch, 0.0, nullptr); }));
      CHECK(missing_kernel([&] { attention.backward(out, qkv, batch, 0.1, saved); }));
    }
  });
}

TEST(operators_are_called_by_the_names_of_their_arguments) {
  EngineThread::instance().run([] {
    const auto handle = find_operator("aten::_softmax");
    const at::Tensor x = at::zeros({2, 4});
    const auto results = OperatorCall(handle).set("dim", int64_t{1}).set("self", x).set("half_to_float", false).run();
    REQUIRE(results.size() == 1);
    CHECK(at::equal(results[0].toTensor(), at::full({2, 4}, 0.25)));
    CHECK_THROWS_CODE(OperatorCall(handle).set("axis", int64_t{1}), ErrorCode::kNative, "no argument axis");
    CHECK_THROWS_CODE(OperatorCall(handle).set("self", x).run(), ErrorCode::kNative, "dim");
    CHECK_THROWS_CODE(OperatorCall(handle).set("dim", 0.5).set("self", x).set("half_to_float", false).run(),
                      ErrorCode::kNative, "dim");
    CHECK_THROWS_CODE(find_operator("aten::_no_such_operator"), ErrorCode::kNative, "_no_such_operator");
  });
}

TEST(attentions_kernel_is_chosen_by_type_head_and_gpu) {
  using Kernel = PackedAttention::Kernel;
  const Place gpu{Place::Kind::kCuda, 0};
  const Gpu hopper{"", 9, 0, 0}, turing{"", 7, 5, 0};
  CHECK(PackedAttention::choose(gpu, hopper, at::kBFloat16, 64) == Kernel::kFlash);
  CHECK(PackedAttention::choose(gpu, hopper, at::kHalf, 32) == Kernel::kFlash);
  CHECK(PackedAttention::choose(gpu, hopper, at::kFloat, 64) == Kernel::kEfficient);
  CHECK(PackedAttention::choose(gpu, turing, at::kHalf, 64) == Kernel::kEfficient);
  CHECK(PackedAttention::choose(gpu, hopper, at::kBFloat16, 20) == Kernel::kPlain);
  CHECK(PackedAttention::choose(gpu, hopper, at::kFloat, 20) == Kernel::kEfficient);
  CHECK(PackedAttention::choose({Place::Kind::kTensors, 0}, {}, at::kFloat, 64) == Kernel::kPlain);
}

TEST(a_batch_for_a_device_has_its_texts_and_a_dummy_that_fills_the_rows) {
  EngineThread::instance().run([] {
    const std::vector<int32_t> ids{4, 5, 6, 7, 8}, remap{9, 9, 9, 9, 0, 1, 2, 3, 4};
    const DeviceBatch batch =
        stage({Place::Kind::kTensors, 0},
              {2, [&](int64_t t) { return t == 0 ? Text{ids.data(), 2} : Text{ids.data() + 2, 3}; }, remap.data()},
              spec_of_positions(2));
    CHECK_EQ(batch.tokens, 5);
    CHECK_EQ(batch.rows, 64);
    CHECK_EQ(batch.longest, 59);
    const auto list = [](const at::Tensor& t) {
      return std::vector<int32_t>(t.data_ptr<int32_t>(), t.data_ptr<int32_t>() + t.numel());
    };
    CHECK(list(batch.starts) == (std::vector<int32_t>{0, 2, 5, 64}));
    CHECK(list(batch.lengths) == (std::vector<int32_t>{2, 3, 59}));
    CHECK(list(batch.ids.narrow(0, 0, 6)) == (std::vector<int32_t>{0, 1, 2, 3, 4, 0}));
    CHECK(list(batch.positions.narrow(0, 0, 7)) == (std::vector<int32_t>{2, 3, 2, 3, 4, 2, 2}));
    CHECK(list(batch.text_of_row.narrow(0, 0, 6)) == (std::vector<int32_t>{0, 0, 1, 1, 1, 2}));
    // A full block still has a dummy: every row is some text's.
    const std::vector<int32_t> full(64, 1);
    const Texts one{1, [&](int64_t) { return Text{full.data(), 64}; }};
    CHECK_EQ(stage({Place::Kind::kTensors, 0}, one, spec_of_positions(0)).rows, 128);
  });
}

TEST(tf32_is_on_while_it_is_asked_for_and_both_of_libtorchs_switches_agree) {
  EngineThread::instance().run([] {
    const Place gpu{Place::Kind::kCuda, 0};  // the switch needs no GPU
    {
      const ScopedTf32 on(gpu, Precision::kTf32);
      CHECK(at::globalContext().allowTF32CuBLAS());  // throws where the switches differ
    }
    CHECK(!at::globalContext().allowTF32CuBLAS());
    const ScopedTf32 off(gpu, Precision::kFp32);
    CHECK(!at::globalContext().allowTF32CuBLAS());
  });
}

TEST(memory_of_cpu_tensors_is_that_of_the_budget) {
  EngineThread::instance().run([] {
    const Place place{Place::Kind::kTensors, 0};
    reset_peak(place);
    const MemoryStatistics before = memory_of(place);
    {
      const at::Tensor held = at::empty({1 << 20}, at::kFloat);
    }
    const MemoryStatistics after = memory_of(place);
    CHECK_EQ(after.allocated, before.allocated);
    CHECK_EQ(after.peak - before.allocated, 4 << 20);
    const auto half = set_memory_fraction(place, 0.5);
    REQUIRE(half.has_value());
    CHECK(*half > 0 && *half <= after.total);
    for (const double wrong : {0.0, -1.0, 1.5, std::nan("")})
      CHECK_THROWS_CODE(set_memory_fraction(place, wrong), ErrorCode::kInvalidArgument);
  });
}
