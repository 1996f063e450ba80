// The images that `vulcap bench` captions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "loader/image/image.h"

namespace vulcap::apps {

class Pictures {
 public:
  // None: one of 384 x 384 that is drawn from a fixed seed and has no file.
  explicit Pictures(std::vector<std::string> files) : files_(std::move(files)) {}

  size_t count() const { return files_.empty() ? 1 : files_.size(); }
  std::string name(size_t index) const { return files_.empty() ? "drawn image" : files_[index]; }
  // Throws core::Error(kRuntime) for a file that is no image.
  image::Image decode(size_t index) const;

 private:
  std::vector<std::string> files_;
};

// Files as they are, and of folders their PNG and JPEG files in the order of their names. Nothing given: the
// first 16 samples of the model's folder or of the embedded model; none where neither has any. Throws
// core::Error(kUsage) for what does not exist and for folders without images.
std::vector<std::string> find_pictures(const std::vector<std::string>& given,
                                       const std::filesystem::path& model_dir,
                                       const std::filesystem::path& embedded);

}  // namespace vulcap::apps
