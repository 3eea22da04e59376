// Lets an addon that a new compiler built run with glibc 2.28 and the libstdc++ that LibTorch asks for
// (GLIBCXX_3.4.22).
//
// Newer headers and libraries bind some old functions to new symbol versions that older systems do not have. Each of
// them is defined here, hidden, so that the addon's other files bind to these; they hand on to the version that has
// always been there. What has no older version is small enough to be written out. scripts/check-package.mjs tells when
// another one is needed. Only the addons are linked with this file, never the core's tests: sanitizers have functions
// of the same names.
#include <features.h>

#if defined(__linux__) && defined(__GLIBC__)

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#define VECTUNE_FIRST "GLIBC_2.2.5"
#define VECTUNE_SETNAME "GLIBC_2.12"
#define VECTUNE_STAT_LAYOUT 1
#elif defined(__aarch64__)
#define VECTUNE_FIRST "GLIBC_2.17"
#define VECTUNE_SETNAME "GLIBC_2.17"
#define VECTUNE_STAT_LAYOUT 0
#else
#error "Name the first glibc version of this processor."
#endif

// `vectune_old_f` is f in that version; `vectune_f` is what the addon's other files call f.
#define VECTUNE_OLD(symbol, version, name) __asm__(".symver vectune_old_" #name "," symbol "@" version)
#define VECTUNE_AS(symbol) __asm__(symbol) __attribute__((visibility("hidden"), used))

extern "C" {

// libdl and libpthread became parts of libc in glibc 2.34.
void* vectune_old_dlopen(const char*, int);
void* vectune_old_dlsym(void*, const char*);
int vectune_old_dlclose(void*);
char* vectune_old_dlerror();
int vectune_old_dladdr(const void*, void*);
int vectune_old_pthread_once(int*, void (*)());
int vectune_old_pthread_setname_np(unsigned long, const char*);
int vectune_old_pthread_sigmask(int, const sigset_t*, sigset_t*);
VECTUNE_OLD("dlopen", VECTUNE_FIRST, dlopen);
VECTUNE_OLD("dlsym", VECTUNE_FIRST, dlsym);
VECTUNE_OLD("dlclose", VECTUNE_FIRST, dlclose);
VECTUNE_OLD("dlerror", VECTUNE_FIRST, dlerror);
VECTUNE_OLD("dladdr", VECTUNE_FIRST, dladdr);
VECTUNE_OLD("pthread_once", VECTUNE_FIRST, pthread_once);
VECTUNE_OLD("pthread_setname_np", VECTUNE_SETNAME, pthread_setname_np);
VECTUNE_OLD("pthread_sigmask", VECTUNE_FIRST, pthread_sigmask);

void* vectune_dlopen(const char*, int) VECTUNE_AS("dlopen");
void* vectune_dlopen(const char* path, int flags) { return vectune_old_dlopen(path, flags); }
void* vectune_dlsym(void*, const char*) VECTUNE_AS("dlsym");
void* vectune_dlsym(void* handle, const char* name) { return vectune_old_dlsym(handle, name); }
int vectune_dlclose(void*) VECTUNE_AS("dlclose");
int vectune_dlclose(void* handle) { return vectune_old_dlclose(handle); }
char* vectune_dlerror() VECTUNE_AS("dlerror");
char* vectune_dlerror() { return vectune_old_dlerror(); }
int vectune_dladdr(const void*, void*) VECTUNE_AS("dladdr");
int vectune_dladdr(const void* address, void* found) { return vectune_old_dladdr(address, found); }
int vectune_pthread_once(int*, void (*)()) VECTUNE_AS("pthread_once");
int vectune_pthread_once(int* control, void (*function)()) { return vectune_old_pthread_once(control, function); }
int vectune_pthread_setname_np(unsigned long, const char*) VECTUNE_AS("pthread_setname_np");
int vectune_pthread_setname_np(unsigned long thread, const char* name) {
  return vectune_old_pthread_setname_np(thread, name);
}
int vectune_pthread_sigmask(int, const sigset_t*, sigset_t*) VECTUNE_AS("pthread_sigmask");
int vectune_pthread_sigmask(int how, const sigset_t* set, sigset_t* before) {
  return vectune_old_pthread_sigmask(how, set, before);
}

// The new versions differ in errno only.
double vectune_old_log(double);
double vectune_old_pow(double, double);
double vectune_old_exp(double);
VECTUNE_OLD("log", VECTUNE_FIRST, log);
VECTUNE_OLD("pow", VECTUNE_FIRST, pow);
VECTUNE_OLD("exp", VECTUNE_FIRST, exp);
double vectune_log(double) VECTUNE_AS("log");
double vectune_log(double x) { return vectune_old_log(x); }
double vectune_pow(double, double) VECTUNE_AS("pow");
double vectune_pow(double x, double y) { return vectune_old_pow(x, y); }
double vectune_exp(double) VECTUNE_AS("exp");
double vectune_exp(double x) { return vectune_old_exp(x); }

// Before 2.33 fstat was an inline function that named the layout of the answer.
int vectune_old_fxstat(int, int, void*);
VECTUNE_OLD("__fxstat", VECTUNE_FIRST, fxstat);
int vectune_fstat(int, void*) VECTUNE_AS("fstat");
int vectune_fstat(int file, void* found) { return vectune_old_fxstat(VECTUNE_STAT_LAYOUT, file, found); }

// libstdc++ leaves out atomic operations where this says so (2.32); a process with an engine thread needs them anyway.
char vectune_single_threaded VECTUNE_AS("__libc_single_threaded") = 0;

// GLIBCXX_3.4.30 differs in its exception specification only.
void vectune_old_wait(std::condition_variable*, std::unique_lock<std::mutex>*);
VECTUNE_OLD("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11", wait);
void vectune_wait(std::condition_variable*, std::unique_lock<std::mutex>*)
    VECTUNE_AS("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE");
void vectune_wait(std::condition_variable* condition, std::unique_lock<std::mutex>* lock) {
  vectune_old_wait(condition, lock);
}

// Moving a runtime_error (GLIBCXX_3.4.26) may as well be copying it: its text is counted and shared.
void vectune_move_construct(std::runtime_error*, std::runtime_error*) VECTUNE_AS("_ZNSt13runtime_errorC2EOS_");
void vectune_move_construct(std::runtime_error* place, std::runtime_error* other) {
  new (place) std::runtime_error(static_cast<const std::runtime_error&>(*other));
}
std::runtime_error* vectune_move_assign(std::runtime_error*, std::runtime_error*)
    VECTUNE_AS("_ZNSt13runtime_erroraSEOS_");
std::runtime_error* vectune_move_assign(std::runtime_error* place, std::runtime_error* other) {
  return &(*place = static_cast<const std::runtime_error&>(*other));
}

// What a stream holds: GLIBCXX_3.4.29 tells lvalues from rvalues, and both take a copy from an lvalue.
std::string vectune_old_str(const std::stringbuf*) __asm__(
    "_ZNKSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv");
std::string vectune_str(const std::stringbuf*)
    VECTUNE_AS("_ZNKRSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv");
std::string vectune_str(const std::stringbuf* buffer) { return vectune_old_str(buffer); }

}  // extern "C"

#endif
