#include "errors.h"

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
         message.find("CUBLAS_STATUS_ALLOC_FAILED") != std::string_view::npos;
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const c10::OutOfMemoryError& error) {
    return Error(ErrorCode::kOutOfMemory, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
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
