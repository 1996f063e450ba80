#include "apps/batch/inputs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <utility>

#include "apps/batch/archive_source.h"
#include "apps/batch/file_kind.h"
#include "apps/batch/manifest.h"
#include "apps/batch/path_walk.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;

BatchItem file_item(const fs::path& path, const std::string& error = "") {
  const std::string name = utf8_text(path.lexically_normal().string());
  return {.file = name, .path = path, .error = error.empty() ? "" : name + ": " + error};
}

// Images, and the members of archives, among paths that are walked.
class PathSource : public ItemSource {
 public:
  PathSource(PathWalk walk, bool opens_archives) : walk_(std::move(walk)), opens_archives_(opens_archives) {}

  std::optional<BatchItem> next(std::stop_token stop) override {
    while (!stop.stop_requested()) {
      if (archive_) {
        if (auto item = archive_->next(stop)) return item;
        left_out_ += std::exchange(archive_, nullptr)->left_out();
      } else if (const auto found = walk_.next()) {
        if (auto item = item_of(*found)) return item;
      } else {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }
  void load(BatchItem& item) override {
    if (archive_) archive_->load(item);
  }
  size_t left_out() const override { return left_out_; }

 private:
  std::optional<BatchItem> item_of(const FoundPath& found) {
    const FileKind kind = kind_of(found.path);
    if (!found.error.empty() || kind == FileKind::kImage) return file_item(found.path, found.error);
    if (kind != FileKind::kArchive || !opens_archives_) {
      ++left_out_;
      return std::nullopt;
    }
    archive_ = open_archive(found.path);
    return std::nullopt;
  }

  PathWalk walk_;
  bool opens_archives_;
  std::unique_ptr<ItemSource> archive_;
  size_t left_out_ = 0;
};

class FileSource : public ItemSource {
 public:
  explicit FileSource(const fs::path& path) : item_(file_item(path)) {}

  std::optional<BatchItem> next(std::stop_token) override { return std::exchange(item_, std::nullopt); }

 private:
  std::optional<BatchItem> item_;
};

FileKind list_kind(const std::string& path, const std::string& format) {
  if (format == "csv") return FileKind::kCsv;
  if (format == "tsv") return FileKind::kTsv;
  if (format == "jsonl") return FileKind::kJsonLines;
  const FileKind kind = kind_of(path);
  return format == "auto" && is_list(kind) ? kind : FileKind::kTextList;
}

bool is_listed(const std::string& input) { return input == "-" || is_list(kind_of(input)); }

std::unique_ptr<ItemSource> open_input(const std::string& input, const InputOptions& options) {
  const auto status = fs::status(input);
  if (fs::is_directory(status)) return std::make_unique<PathSource>(PathWalk(input, {}), false);
  const bool exists = fs::exists(status);
  if (input == "-" || (exists && is_listed(input)))
    return open_manifest(input, list_kind(input, options.manifest_format), options.root);
  if (exists && kind_of(input) == FileKind::kArchive) return open_archive(input);
  if (exists) return std::make_unique<FileSource>(input);
  if (has_wildcard(input)) return std::make_unique<PathSource>(walk_pattern(input), true);
  throw core::Error(core::ErrorCode::kUsage, input + ": no such file or folder");
}

// photos/* may hold texts beside the images.
void refuse_lists_among_images(const std::vector<std::string>& inputs) {
  const auto image = std::find_if(inputs.begin(), inputs.end(), [](const std::string& input) {
    return kind_of(input) == FileKind::kImage;
  });
  const auto list = std::find_if(inputs.begin(), inputs.end(), is_listed);
  if (image == inputs.end() || list == inputs.end()) return;
  throw core::Error(core::ErrorCode::kUsage,
                    *list + " would be read as a list of images, beside the image " + *image +
                        "; name the folder or a quoted pattern, and lists with --manifest");
}

class Inputs : public ItemSource {
 public:
  explicit Inputs(std::deque<std::unique_ptr<ItemSource>> sources) : sources_(std::move(sources)) {}

  std::optional<BatchItem> next(std::stop_token stop) override {
    while (!sources_.empty()) {
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

void InputOptions::add_lists_to(CLI::App& command) {
  command.add_option("--manifest", manifests, "A list of images, whatever its name; repeatable")
      ->allow_extra_args(false);
  command
      .add_option("--manifest-format", manifest_format,
                  "Of lists: auto (by the name, else text), text (a path a line), csv or tsv (a header that "
                  "names a column file; id, prompt and task where they are there), jsonl (the same names)")
      ->check(CLI::IsMember({"auto", "text", "csv", "tsv", "jsonl"}))
      ->capture_default_str();
  command.add_option("--root", root, "Folder that paths in lists count from; default: the current one");
}

std::unique_ptr<ItemSource> open_inputs(const InputOptions& options) {
  refuse_lists_among_images(options.inputs);
  std::deque<std::unique_ptr<ItemSource>> sources;
  for (const std::string& input : options.inputs) sources.push_back(open_input(input, options));
  for (const std::string& list : options.manifests)
    sources.push_back(open_manifest(list, list_kind(list, options.manifest_format), options.root));
  if (sources.empty())
    throw core::Error(core::ErrorCode::kUsage, "no inputs; name images, folders, archives or lists");
  return std::make_unique<Inputs>(std::move(sources));
}

bool can_be_counted(const InputOptions& options) {
  const auto counts = [](const std::string& input) {
    if (fs::is_directory(input)) return true;
    return fs::is_regular_file(input) ? kind_of(input) != FileKind::kArchive
                                      : kind_of(input) == FileKind::kImage;
  };
  return std::all_of(options.inputs.begin(), options.inputs.end(), counts) &&
         std::all_of(options.manifests.begin(), options.manifests.end(), counts);
}

}  // namespace vulcap::apps
