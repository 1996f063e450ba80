// Copies of small model folders that a test may spoil.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace vulcap::testing {

namespace fs = std::filesystem;

inline const fs::path kTestData = VULCAP_TEST_DATA;
inline const fs::path kTinyModel = kTestData / "vit-gpt2";
inline const fs::path kEmbeddedModel = fs::path(VULCAP_SOURCE_DIR) / "models" / "scenes-vit-gpt2";
inline const fs::path kSampleImage = kTestData / "images" / "scene_320x320.png";

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("missing test data " + path.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

inline void write_file(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), std::streamsize(bytes.size()));
}

// A folder that is removed with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "vulcap_apps_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

// The tiny ViT-GPT2 folder with the merged decoder, without expected answers.
inline void copy_tiny_model(const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(kTinyModel)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name == "decoder_model.onnx" || name == "decoder_with_past_model.onnx")
      continue;
    write_file(to / name, read_file(entry.path()));
  }
}

}  // namespace vulcap::testing
