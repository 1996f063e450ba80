#include "loader/hub/curl.h"

#include <dlfcn.h>

#include <string>

#include "runtime/core/error.h"

namespace vulcap::hub {
namespace {

[[noreturn]] void fail(const std::string& reason) {
  throw core::Error(core::ErrorCode::kRuntime, "downloading needs libcurl, which cannot be used (" + reason +
                                                   "); install libcurl4, or give a model folder");
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) fail(std::string("it lacks ") + name);
}

Curl open() {
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    fail(reason == nullptr ? "libcurl.so.4 does not open" : reason);
  }
  Curl curl;
  find(library, "curl_global_init", curl.global_init);
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_reset", curl.easy_reset);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_perform", curl.easy_perform);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  find(library, "curl_url", curl.url);
  find(library, "curl_url_cleanup", curl.url_cleanup);
  find(library, "curl_url_set", curl.url_set);
  find(library, "curl_url_get", curl.url_get);
  find(library, "curl_free", curl.free);
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) fail("it does not start");
  return curl;
}

}  // namespace

const Curl& curl() {
  static const Curl library = open();
  return library;
}

}  // namespace vulcap::hub
