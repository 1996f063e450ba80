#include "apps/benchmark/pictures.h"

#include <algorithm>

#include "loader/image/decode.h"
#include "loader/image/image_files.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

constexpr int kDrawnSide = 384;
constexpr size_t kSamples = 16;

std::vector<std::string> pictures_in(const fs::path& folder) {
  std::vector<std::string> files;
  for (const fs::path& file : image::image_files(folder)) files.push_back(file.string());
  return files;
}

// Soft colours, so that an image processor has something to resize.
image::Image drawn_image() {
  image::Image image{kDrawnSide, kDrawnSide, std::vector<uint8_t>(size_t(kDrawnSide) * kDrawnSide * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = uint8_t((uint64_t(i / 96) * 2654435761u) >> 24);
  return image;
}

}  // namespace

image::Image Pictures::decode(size_t index) const {
  return files_.empty() ? drawn_image() : image::decode_file(files_[index]);
}

std::vector<std::string> find_pictures(const std::vector<std::string>& given, const fs::path& model_dir,
                                       const fs::path& embedded) {
  if (given.empty()) {
    std::vector<std::string> samples = pictures_in(model_dir / "expected/images");
    if (samples.empty()) samples = pictures_in(embedded / "expected/images");
    samples.resize(std::min(samples.size(), kSamples));
    return samples;
  }
  std::vector<std::string> files;
  for (const std::string& name : given) {
    if (!fs::is_directory(name)) {
      if (!fs::exists(name))
        throw core::Error(core::ErrorCode::kUsage,
                          name + ": no such image; give PNG or JPEG files or folders");
      files.push_back(name);
      continue;
    }
    const std::vector<std::string> more = pictures_in(name);
    if (more.empty())
      throw core::Error(core::ErrorCode::kUsage, name + ": the folder has no PNG or JPEG files");
    files.insert(files.end(), more.begin(), more.end());
  }
  return files;
}

}  // namespace vulcap::apps
