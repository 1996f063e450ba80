// A Vulkan driver as one meets them on a bad day: VULCAP_BAD_DRIVER=crash, hang or exit says how.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

extern "C" {

[[gnu::visibility("default")]] void* vk_icdGetInstanceProcAddr(void*, const char*) {
  const char* how = std::getenv("VULCAP_BAD_DRIVER");
  if (how == nullptr) return nullptr;
  if (std::strcmp(how, "crash") == 0) std::abort();
  if (std::strcmp(how, "exit") == 0) _exit(3);
  while (std::strcmp(how, "hang") == 0) pause();
  return nullptr;
}

[[gnu::visibility("default")]] int vk_icdNegotiateLoaderICDInterfaceVersion(unsigned*) { return 0; }
}
