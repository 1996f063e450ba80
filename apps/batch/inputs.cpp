#include "apps/batch/inputs.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "apps/batch/path_walk.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

// Also of formats that are not read: such an image gets a record that says so.
constexpr std::string_view kImageNames[] = {
    ".png", ".jpg",  ".jpeg", ".jpe",  ".jfif", ".pjpeg", ".webp", ".gif", ".bmp",
    ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2",   ".jxl",  ".ppm",
};

bool looks_like_image(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return char(std::tolower(c)); });
  return std::find(std::begin(kImageNames), std::end(kImageNames), extension) != std::end(kImageNames);
}

BatchItem file_item(const fs::path& path, const std::string& error = "") {
  const std::string name = utf8_text(path.lexically_normal().string());
  return {.file = name, .path = path, .error = error.empty() ? "" : name + ": " + error};
}

class PathSource : public ItemSource {
 public:
  explicit PathSource(PathWalk walk) : walk_(std::move(walk)) {}

  std::optional<BatchItem> next(std::stop_token stop) override {
    while (!stop.stop_requested()) {
      const auto found = walk_.next();
      if (!found) return std::nullopt;
      if (!found->error.empty() || looks_like_image(found->path)) return file_item(found->path, found->error);
      ++left_out_;
    }
    return std::nullopt;
  }
  size_t left_out() const override { return left_out_; }

 private:
  PathWalk walk_;
  size_t left_out_ = 0;
};

class FileSource : public ItemSource {
 public:
  explicit FileSource(const fs::path& path) : item_(file_item(path)) {}

  std::optional<BatchItem> next(std::stop_token) override { return std::exchange(item_, std::nullopt); }

 private:
  std::optional<BatchItem> item_;
};

std::unique_ptr<ItemSource> open_input(const std::string& input) {
  const auto status = fs::status(input);
  if (fs::is_directory(status)) return std::make_unique<PathSource>(PathWalk(input, {}));
  if (fs::exists(status)) return std::make_unique<FileSource>(input);
  if (has_wildcard(input)) return std::make_unique<PathSource>(walk_pattern(input));
  throw core::Error(core::ErrorCode::kUsage, input + ": no such file or folder");
}

class Inputs : public ItemSource {
 public:
  explicit Inputs(const std::vector<std::string>& inputs) {
    for (const std::string& input : inputs) sources_.push_back(open_input(input));
  }

  std::optional<BatchItem> next(std::stop_token stop) override {
    while (!sources_.empty() && !stop.stop_requested()) {
      if (auto item = sources_.front()->next(stop)) return item;
      if (stop.stop_requested()) break;
      left_out_ += sources_.front()->left_out();
      sources_.pop_front();
    }
    return std::nullopt;
  }
  void load(BatchItem& item) override { sources_.front()->load(item); }
  size_t left_out() const override { return left_out_; }

 private:
  std::deque<std::unique_ptr<ItemSource>> sources_;
  size_t left_out_ = 0;
};

}  // namespace

std::unique_ptr<ItemSource> open_inputs(const std::vector<std::string>& inputs) {
  return std::make_unique<Inputs>(inputs);
}

}  // namespace vulcap::apps
