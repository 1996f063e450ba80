#include "tests/faults/fault_library.h"

#include <dlfcn.h>

#include <stdexcept>

#include "tests/faults/shim/vulkan_faults.h"

namespace vulcap::testing {
namespace {

void* library() {
  // The program asks for "libvulkan.so.1" later, and gets the one of that name that is loaded already.
  static void* const loaded = dlopen(VULCAP_FAULT_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  if (loaded == nullptr) throw std::runtime_error(std::string(VULCAP_FAULT_LIBRARY) + ": " + dlerror());
  return loaded;
}

template <typename Function>
Function* function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(library(), name));
}

}  // namespace

void load_fault_library() { library(); }

void arm(const std::vector<Fault>& faults) {
  std::vector<VulcapFault> plain;
  for (const Fault& fault : faults)
    plain.push_back({fault.function.c_str(), fault.call, fault.calls, fault.result});
  function<decltype(vulcap_faults_arm)>("vulcap_faults_arm")(plain.data(), plain.size());
}

std::vector<std::string> faulty_functions() {
  std::vector<std::string> names;
  const char* const* list = function<decltype(vulcap_faults_functions)>("vulcap_faults_functions")();
  for (; *list != nullptr; ++list) names.emplace_back(*list);
  return names;
}

uint64_t calls_of(const std::string& name) {
  return function<decltype(vulcap_faults_calls)>("vulcap_faults_calls")(name.c_str());
}
uint64_t faults_happened() { return function<decltype(vulcap_faults_happened)>("vulcap_faults_happened")(); }
int64_t live_objects() { return function<decltype(vulcap_faults_live)>("vulcap_faults_live")(); }

}  // namespace vulcap::testing
