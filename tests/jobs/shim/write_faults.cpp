// Preloaded into a program: makes calls on the files of one folder fail, at a chosen point. Variables:
//   VULCAP_FAULT_FOLDER  paths that begin with it are meant
//   VULCAP_FAULT_KIND    full: ENOSPC from then on; error: EIO once; torn: half is written, then EIO for
//   good;
//                        sync: fsync fails from then on; short: from then on half of each write is done;
//                        interrupted: EINTR once; slow: each write takes a tenth of a second
//   VULCAP_FAULT_AT      at which call of the kind's sort, from 1
//   VULCAP_FAULT_MARK    a file that is made when the point is reached
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace {

enum class Sort { kWrite, kSync, kCut, kName };  // of call: bytes, fsync, ftruncate, open and rename

struct Plan {
  std::string folder;
  std::string kind;
  long at = 0;
  std::string mark;
};

const Plan& plan() {
  static const Plan value = [] {
    const auto text = [](const char* name) {
      return std::string(getenv(name) != nullptr ? getenv(name) : "");
    };
    return Plan{text("VULCAP_FAULT_FOLDER"), text("VULCAP_FAULT_KIND"), atol(text("VULCAP_FAULT_AT").c_str()),
                text("VULCAP_FAULT_MARK")};
  }();
  return value;
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool is_meant(const char* path) {
  return !plan().folder.empty() && path != nullptr &&
         strncmp(path, plan().folder.c_str(), plan().folder.size()) == 0;
}

bool is_meant(int file) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return is_meant(path);
}

bool counts(Sort sort) {
  const std::string& kind = plan().kind;
  if (kind == "sync") return sort == Sort::kSync;
  if (kind == "full") return sort == Sort::kWrite || sort == Sort::kName;
  if (kind == "short" || kind == "slow") return sort == Sort::kWrite;
  if (kind == "torn") return sort == Sort::kWrite || sort == Sort::kCut;
  return true;
}

enum class Verdict { kPass, kFail, kHalf };

// How this call goes, and errno where it fails.
Verdict decide(Sort sort) {
  static std::atomic<long> calls{0};
  if (!counts(sort)) return Verdict::kPass;
  const long call = ++calls;
  const std::string& kind = plan().kind;
  const bool once = kind == "error" || kind == "interrupted";
  if (kind == "slow") usleep(100'000);
  if (kind == "slow") return Verdict::kPass;
  if (once ? call != plan().at : call < plan().at) return Verdict::kPass;
  if (call == plan().at) {
    const int mark = real<int(const char*, int, ...)>("open")(plan().mark.c_str(), O_CREAT | O_WRONLY, 0644);
    if (mark >= 0) close(mark);
  }
  if (kind == "short" || (kind == "torn" && call == plan().at && sort == Sort::kWrite)) return Verdict::kHalf;
  errno = kind == "full" ? ENOSPC : kind == "interrupted" ? EINTR : EIO;
  return Verdict::kFail;
}

template <typename Call>
ssize_t decided_write(int file, size_t size, Call call) {
  if (!is_meant(file)) return call(size);
  const Verdict verdict = decide(Sort::kWrite);
  if (verdict == Verdict::kFail) return -1;
  return call(verdict == Verdict::kHalf && size > 1 ? size / 2 : size);
}

template <typename Call>
int decided(bool meant, Sort sort, Call call) {
  return meant && decide(sort) == Verdict::kFail ? -1 : call();
}

template <typename... Path>
int open_as(const char* name, bool meant, int flags, mode_t mode, Path... path) {
  const bool writes = (flags & (O_WRONLY | O_RDWR)) != 0;
  return decided(meant && writes, Sort::kName,
                 [&] { return real<int(Path..., int, mode_t)>(name)(path..., flags, mode); });
}

mode_t mode_of(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
}

}  // namespace

#define OPEN_LIKE(name)                                       \
  int name(const char* path, int flags, ...) {                \
    va_list list;                                             \
    va_start(list, flags);                                    \
    const mode_t mode = mode_of(flags, list);                 \
    va_end(list);                                             \
    return open_as(#name, is_meant(path), flags, mode, path); \
  }
#define OPENAT_LIKE(name)                                             \
  int name(int folder, const char* path, int flags, ...) {            \
    va_list list;                                                     \
    va_start(list, flags);                                            \
    const mode_t mode = mode_of(flags, list);                         \
    va_end(list);                                                     \
    return open_as(#name, is_meant(path), flags, mode, folder, path); \
  }

extern "C" {

OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

ssize_t write(int file, const void* data, size_t size) {
  return decided_write(file, size, [&](size_t some) {
    return real<ssize_t(int, const void*, size_t)>("write")(file, data, some);
  });
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t at) {
  return decided_write(file, size, [&](size_t some) {
    return real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(file, data, some, at);
  });
}

ssize_t pwrite(int file, const void* data, size_t size, off_t at) { return pwrite64(file, data, size, at); }

ssize_t writev(int file, const iovec* parts, int count) {
  if (is_meant(file) && decide(Sort::kWrite) == Verdict::kFail) return -1;
  return real<ssize_t(int, const iovec*, int)>("writev")(file, parts, count);
}

size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  if (is_meant(fileno(file)) && decide(Sort::kWrite) != Verdict::kPass) return 0;
  return real<size_t(const void*, size_t, size_t, FILE*)>("fwrite")(data, size, count, file);
}

int fflush(FILE* file) {
  return decided(file != nullptr && is_meant(fileno(file)), Sort::kWrite,
                 [&] { return real<int(FILE*)>("fflush")(file); });
}

FILE* fopen(const char* path, const char* mode) {
  if (is_meant(path) && mode[0] != 'r' && decide(Sort::kName) == Verdict::kFail) return nullptr;
  return real<FILE*(const char*, const char*)>("fopen")(path, mode);
}

ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
  if (is_meant(to) && decide(Sort::kWrite) == Verdict::kFail) return -1;
  return real<ssize_t(int, int, off_t*, size_t)>("sendfile")(to, from, offset, size);
}

int fsync(int file) {
  return decided(is_meant(file), Sort::kSync, [&] { return real<int(int)>("fsync")(file); });
}

int fdatasync(int file) {
  return decided(is_meant(file), Sort::kSync, [&] { return real<int(int)>("fdatasync")(file); });
}

int ftruncate(int file, off_t size) noexcept {
  return decided(is_meant(file), Sort::kCut, [&] { return real<int(int, off_t)>("ftruncate")(file, size); });
}

int ftruncate64(int file, off64_t size) noexcept {
  return decided(is_meant(file), Sort::kCut,
                 [&] { return real<int(int, off64_t)>("ftruncate64")(file, size); });
}

int rename(const char* from, const char* to) noexcept {
  return decided(is_meant(to), Sort::kName,
                 [&] { return real<int(const char*, const char*)>("rename")(from, to); });
}

}  // extern "C"
