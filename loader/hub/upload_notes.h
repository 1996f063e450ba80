// What is known of an upload in parts that was interrupted, so that the next one goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/hub/lfs.h"

namespace vulcap::hub {

// A file in a folder that only its owner may read: it holds addresses that the hub signed for this upload.
class UploadNotes {
 public:
  // `folder` empty: nothing is kept.
  UploadNotes(const std::filesystem::path& folder, const Settings& settings, const Source& target,
              const std::string& oid);

  // Puts the addresses of the interrupted upload into `order`, and the etags of the parts that were sent (""
  // of the others) into `etags`. False, and nothing changes, where there is none of the object.
  bool load(LfsOrder& order, std::vector<std::string>& etags) const;
  // What cannot be written is no failure of the upload.
  void save(const LfsOrder& order, const std::vector<std::string>& etags) const;
  void remove() const;

 private:
  std::filesystem::path path_;
};

}  // namespace vulcap::hub
