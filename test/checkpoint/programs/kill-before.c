// For LD_PRELOAD: counts the calls that change a folder or flush it, tells each in a log, and kills the process before
// the n-th of them. VECTUNE_SHIM_FOLDER, VECTUNE_SHIM_LOG, VECTUNE_SHIM_KILL (0: never).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int count = 0;

static void before(const char* call, const char* path) {
  const char* folder = getenv("VECTUNE_SHIM_FOLDER");
  if (folder == NULL || path == NULL || strncmp(path, folder, strlen(folder)) != 0) return;
  pthread_mutex_lock(&mutex);
  if (++count == atoi(getenv("VECTUNE_SHIM_KILL"))) kill(getpid(), SIGKILL);
  char line[4400];
  const int length = snprintf(line, sizeof line, "%s %s\n", call, path + strlen(folder));
  const int log = open(getenv("VECTUNE_SHIM_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (write(log, line, (size_t)length) != length) abort();
  close(log);
  pthread_mutex_unlock(&mutex);
}

static void before_fd(const char* call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  before(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { return before_fd("flush", fd), REAL(fsync)(fd); }
int fdatasync(int fd) { return before_fd("flush", fd), REAL(fdatasync)(fd); }
int rename(const char* from, const char* to) {
  if (access(from, F_OK) == 0) before("rename", from);  // of what is not there, nothing changes
  return REAL(rename)(from, to);
}
int mkdir(const char* path, mode_t mode) { return before("make", path), REAL(mkdir)(path, mode); }
int unlink(const char* path) { return before("remove", path), REAL(unlink)(path); }
int rmdir(const char* path) { return before("remove", path), REAL(rmdir)(path); }
