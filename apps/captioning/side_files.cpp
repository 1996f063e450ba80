#include "apps/captioning/side_files.h"

#include <span>

#include "loader/grounding/overlay.h"
#include "loader/new_file.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder)) return;
  throw core::Error(core::ErrorCode::kRuntime, "--overlay: " + folder.string() +
                                                   " cannot be made a folder for several images" +
                                                   (error ? " (" + error.message() + ")" : ""));
}

}  // namespace

OverlayFiles::OverlayFiles(fs::path overlay, bool several) : overlay_(std::move(overlay)) {
  if (overlay_.empty()) return;
  folder_ = several || fs::is_directory(overlay_);
  if (folder_) make_folder(overlay_);
}

fs::path OverlayFiles::path_for(const std::string& image) {
  if (const auto known = paths_.find(image); known != paths_.end()) return known->second;
  fs::path path = overlay_;
  if (folder_) {
    const std::string stem = image == "-" ? "stdin" : fs::path(image).stem().string();
    std::string name = stem + ".png";
    for (int copy = 2; !taken_.insert(name).second; ++copy) name = stem + "-" + std::to_string(copy) + ".png";
    path /= name;
  }
  std::error_code ignored;
  if (fs::equivalent(path, image, ignored))
    throw core::Error(core::ErrorCode::kUsage, "--overlay would write over the image " + image);
  return paths_[image] = path;
}

void OverlayFiles::draw(const image::Image& image, const CaptionRecord& record) {
  if (overlay_.empty() || !record.captioned.error.empty()) return;
  const loader::Caption& caption = record.captioned.result.captions.at(0);
  if (!caption.answer || caption.answer->type == grounding::AnswerType::kPureText) {
    throw core::Error(core::ErrorCode::kUsage,
                      "--overlay draws boxes and polygons, which this model and task do not give; Florence-2 "
                      "does, with --task od for instance");
  }
  grounding::write_overlay(image, caption.answer->regions, path_for(record.file));
}

fs::path sidecar_path(const fs::path& image) { return fs::path(image).replace_extension(".txt"); }

void check_sidecars(const std::vector<std::string>& images) {
  std::map<fs::path, std::string> owners;
  for (const std::string& image : images) {
    if (image == "-") {
      throw core::Error(core::ErrorCode::kUsage,
                        "--sidecar writes beside the image, and stdin (-) has no place");
    }
    const auto [owner, fresh] = owners.emplace(sidecar_path(image).lexically_normal(), image);
    if (fresh || owner->second == image) continue;
    throw core::Error(core::ErrorCode::kUsage, "--sidecar: " + owner->second + " and " + image +
                                                   " would both write " + owner->first.string() +
                                                   "; caption them apart or with --format jsonl");
  }
}

void write_sidecar(const CaptionRecord& record, const fs::path& image) {
  std::string text;
  for (const std::string& line : record_lines(record)) text += line + "\n";
  loader::NewFile file(sidecar_path(image));
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace vulcap::apps
