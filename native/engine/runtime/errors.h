#pragma once
#include <stdexcept>
#include <string>

namespace vectune {

/// What went wrong, for callers that act on it. The binding turns each into a JavaScript `code`.
enum class ErrorCode {
  kOutOfMemory,        // ERR_OUT_OF_MEMORY
  kAborted,            // ERR_ABORTED
  kSafetensors,        // ERR_SAFETENSORS
  kFile,               // ERR_FILE
  kDisposed,           // ERR_DISPOSED
  kInvalidArgument,    // ERR_INVALID_ARGUMENT
  kDeviceUnavailable,  // ERR_DEVICE_UNAVAILABLE: no such GPU can be used
  kDeviceLost,         // ERR_DEVICE_LOST: the GPU reported an error and does no more in this process
  kNative,             // ERR_NATIVE
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// Sorts the exception in flight into an Error, derived classes first: Error as it is,
/// c10::OutOfMemoryError and std::bad_alloc (and LibTorch's two out-of-memory messages that are not
/// of that class) as kOutOfMemory, what a GPU reports otherwise as kDeviceLost, c10::Error without its backtrace,
/// std::exception, anything else. Call inside a catch block.
Error current_error();

}  // namespace vectune
