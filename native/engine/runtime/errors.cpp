#include "runtime/errors.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

namespace vectune {
namespace {

// Exhausted memory that LibTorch reports as a plain c10::Error; the text is all there is to tell it by
// (c10/core/impl/alloc_cpu.cpp and ATen/cuda/Exceptions.h).
bool says_out_of_memory(std::string_view message) {
  return message.find("DefaultCPUAllocator: can't allocate memory") != std::string_view::npos ||
         message.find("DefaultCPUAllocator: not enough memory") != std::string_view::npos ||
         message.find("CUBLAS_STATUS_ALLOC_FAILED") != std::string_view::npos ||
         // what cublasCreate says where its workspace finds no room
         message.find("CUBLAS_STATUS_NOT_INITIALIZED") != std::string_view::npos ||
         message.find("CUDA error: out of memory") != std::string_view::npos;
}

// What the driver reports, at once or at a later call, and LibTorch raises as AcceleratorError or as a plain
// c10::Error.
bool says_device_lost(std::string_view message) {
  return message.starts_with("CUDA error:") || message.starts_with("CUDA driver error:") ||
         message.find("CUBLAS_STATUS_") != std::string_view::npos;
}

Error lost(const std::string& message) {
  return Error(
      ErrorCode::kDeviceLost,
      "The GPU reported an error, and can do no more in this process: " + message.substr(0, message.find('\n')) +
          ". The processor still works (device 'cpu'), and checkpoints on disk are whole; start the process "
          "anew to use the GPU again.");
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::OutOfMemoryError& error) {
    return Error(ErrorCode::kOutOfMemory, error.what_without_backtrace());
  } catch (const c10::AcceleratorError& error) {
    const std::string message = error.what_without_backtrace();
    return says_out_of_memory(message) ? Error(ErrorCode::kOutOfMemory, message) : lost(message);
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (!says_out_of_memory(message) && says_device_lost(message)) return lost(message);
    return Error(says_out_of_memory(message) ? ErrorCode::kOutOfMemory : ErrorCode::kNative, message);
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "Out of memory: the operating system gave no more to the process.");
  } catch (const std::exception& error) {
    return Error(ErrorCode::kNative, error.what());
  } catch (...) {
    return Error(ErrorCode::kNative, "An exception of unknown type left the engine.");
  }
}

}  // namespace vectune
