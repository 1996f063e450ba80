#include "apps/batch/archive_source.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <new>

#include "apps/batch/file_kind.h"

namespace vulcap::apps {
namespace {

constexpr size_t kBlock = 1 << 16;
// Far above any image that decodes (kMaxPixels).
constexpr size_t kMaxMemberBytes = size_t(1) << 30;

struct CloseArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

class ArchiveSource : public ItemSource {
 public:
  explicit ArchiveSource(const std::filesystem::path& path)
      : path_(path), name_(utf8_text(path.lexically_normal().string())) {}

  std::optional<BatchItem> next(std::stop_token stop) override {
    if (!reader_ && !ended_ && !open()) return unusable("cannot open the archive");
    while (!ended_ && !stop.stop_requested()) {
      archive_entry* entry = nullptr;
      const int result = archive_read_next_header(reader_.get(), &entry);
      ended_ = result == ARCHIVE_EOF || result == ARCHIVE_FATAL;
      if (result == ARCHIVE_EOF) return std::nullopt;
      if (result == ARCHIVE_FATAL) return unusable("the archive is damaged or cut off");
      if (result == ARCHIVE_RETRY) continue;
      if (auto item = item_of(entry)) return item;
    }
    return std::nullopt;
  }

  void load(BatchItem& item) override {
    std::array<std::byte, kBlock> block;
    while (true) {
      const la_ssize_t got = archive_read_data(reader_.get(), block.data(), block.size());
      if (got == ARCHIVE_RETRY) continue;
      if (got < 0) item.error = item.file + ": reading it from the archive failed: " + reason();
      if (got <= 0) break;
      item.bytes.insert(item.bytes.end(), block.begin(), block.begin() + got);
      if (item.bytes.size() > kMaxMemberBytes) {
        item.error = item.file + ": more than 1 GiB, which is no image that can be read";
        break;
      }
    }
    if (!item.error.empty()) item.bytes.clear();
  }

  size_t left_out() const override { return left_out_; }

 private:
  std::optional<BatchItem> item_of(archive_entry* entry) {
    const char* member = archive_entry_pathname_utf8(entry);
    if (member == nullptr) member = archive_entry_pathname(entry);
    const std::filesystem::path inside =
        std::filesystem::path(member == nullptr ? "?" : member).lexically_normal();
    if (archive_entry_filetype(entry) == AE_IFDIR) return std::nullopt;
    if (inside.filename().string().starts_with('.') || kind_of(inside) != FileKind::kImage) {
      ++left_out_;
      return std::nullopt;
    }
    BatchItem item{.file = name_ + "/" + utf8_text(inside.string()), .path = {}};
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr)
      item.error = item.file + ": is a link, which is not followed within an archive";
    return item;
  }

  bool open() {
    reader_.reset(archive_read_new());
    if (!reader_) throw std::bad_alloc();
    archive_read_support_filter_all(reader_.get());
    archive_read_support_format_tar(reader_.get());
    archive_read_support_format_gnutar(reader_.get());
    ended_ = archive_read_open_filename(reader_.get(), path_.c_str(), kBlock) != ARCHIVE_OK;
    return !ended_;
  }

  BatchItem unusable(const std::string& what) const {
    return {.file = name_, .path = {}, .error = name_ + ": " + what + ": " + reason()};
  }

  std::string reason() const {
    const char* text = archive_error_string(reader_.get());
    return text == nullptr ? "unknown reason" : text;
  }

  std::filesystem::path path_;
  std::string name_;
  std::unique_ptr<archive, CloseArchive> reader_;
  bool ended_ = false;
  size_t left_out_ = 0;
};

}  // namespace

std::unique_ptr<ItemSource> open_archive(const std::filesystem::path& path) {
  return std::make_unique<ArchiveSource>(path);
}

}  // namespace vulcap::apps
