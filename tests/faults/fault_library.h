// The Vulkan loader that fails on demand, loaded ahead of the real one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vulcap::testing {

struct Fault {
  std::string function;
  uint64_t call = 1;  // the first that fails
  int32_t result = 0;
  uint64_t calls = 1;
};

// To be called before anything opens a Vulkan device. Throws std::runtime_error when the library is missing.
void load_fault_library();

void arm(const std::vector<Fault>& faults);
std::vector<std::string> faulty_functions();
uint64_t calls_of(const std::string& function);
uint64_t faults_happened();
// Objects of Vulkan that were made and not destroyed.
int64_t live_objects();

}  // namespace vulcap::testing
