// A folder that takes its name only when it is complete.
#pragma once

#include <filesystem>

namespace vulcap::loader {

// Filled under a temporary name beside `target`, which goes away with all that is in it if commit() is not
// reached.
class NewFolder {
 public:
  // Throws core::Error: kUsage when `target` exists and is no empty folder, kRuntime when nothing can be made
  // beside it.
  explicit NewFolder(std::filesystem::path target);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Where to write until commit().
  const std::filesystem::path& path() const { return temporary_; }
  // Throws core::Error(kRuntime).
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  bool committed_ = false;
};

}  // namespace vulcap::loader
