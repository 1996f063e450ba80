// Files beside the results: captions next to their images, and images with what was found drawn on them.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "apps/captioning/record.h"
#include "loader/image/image.h"

namespace vulcap::apps {

// Where --overlay writes: one PNG for one image, else "<name of the image>.png" in a folder, with "-2", "-3"
// behind equal names.
class OverlayFiles {
 public:
  // Empty `overlay`: draws nothing. With `several` images the folder is made. Throws core::Error(kRuntime).
  OverlayFiles(std::filesystem::path overlay, bool several);

  // The file for `image`, always the same. Throws core::Error(kUsage) when that would be the image itself.
  std::filesystem::path path_for(const std::string& image);
  // Draws what the record's best caption holds, if anything is to be drawn. Throws core::Error; kUsage for
  // records without regions.
  void draw(const image::Image& image, const CaptionRecord& record);

 private:
  std::filesystem::path overlay_;
  bool folder_ = false;
  std::set<std::string> taken_;
  std::map<std::string, std::filesystem::path> paths_;
};

// photo.txt for photo.jpg.
std::filesystem::path sidecar_path(const std::filesystem::path& image);
// Throws core::Error(kUsage) where two of the images would share a sidecar, or one is stdin ("-").
void check_sidecars(const std::vector<std::string>& images);
// The record's lines into the sidecar of `image`, whole or not at all. Throws core::Error(kRuntime).
void write_sidecar(const CaptionRecord& record, const std::filesystem::path& image);

}  // namespace vulcap::apps
