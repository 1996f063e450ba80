// A Vulkan loader that fails on demand: it passes every call on to the real loader, but for those that were
// armed, and counts calls and live objects.
#pragma once

#include <cstdint>

// What the library exports, to be looked up by name; plain C so that it needs no header of Vulkan.
extern "C" {

struct VulcapFault {
  const char* function;  // "vkQueueSubmit"
  uint64_t call;         // the first of them that fails, counted from 1
  uint64_t calls;        // how many fail
  int32_t result;        // a VkResult
};

// Replaces what was armed and sets all counters to zero.
void vulcap_faults_arm(const VulcapFault* faults, uint64_t count);
// Functions that can fail, ended by null.
const char* const* vulcap_faults_functions();
// Calls of a function since faults were armed.
uint64_t vulcap_faults_calls(const char* function);
// Objects and memory made and not destroyed since the library was loaded.
int64_t vulcap_faults_live();
// Faults that happened since they were armed.
uint64_t vulcap_faults_happened();
}
