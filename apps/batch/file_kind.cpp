#include "apps/batch/file_kind.h"

#include <string>
#include <string_view>

namespace vulcap::apps {
namespace {

struct Ending {
  std::string_view text;
  FileKind kind;
};

constexpr Ending kEndings[] = {
    {".png", FileKind::kImage},       {".jpg", FileKind::kImage},       {".jpeg", FileKind::kImage},
    {".jpe", FileKind::kImage},       {".jfif", FileKind::kImage},      {".pjpeg", FileKind::kImage},
    {".webp", FileKind::kImage},      {".gif", FileKind::kImage},       {".bmp", FileKind::kImage},
    {".tif", FileKind::kImage},       {".tiff", FileKind::kImage},      {".avif", FileKind::kImage},
    {".heic", FileKind::kImage},      {".heif", FileKind::kImage},      {".jp2", FileKind::kImage},
    {".jxl", FileKind::kImage},       {".ppm", FileKind::kImage},       {".tar", FileKind::kArchive},
    {".tar.gz", FileKind::kArchive},  {".tgz", FileKind::kArchive},     {".tar.bz2", FileKind::kArchive},
    {".tbz2", FileKind::kArchive},    {".tar.xz", FileKind::kArchive},  {".txz", FileKind::kArchive},
    {".tar.zst", FileKind::kArchive}, {".tar.lz4", FileKind::kArchive}, {".txt", FileKind::kTextList},
    {".lst", FileKind::kTextList},    {".list", FileKind::kTextList},   {".csv", FileKind::kCsv},
    {".tsv", FileKind::kTsv},         {".jsonl", FileKind::kJsonLines}, {".ndjson", FileKind::kJsonLines},
};

}  // namespace

FileKind kind_of(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  for (const Ending& ending : kEndings) {
    if (name.size() > ending.text.size() && name.ends_with(ending.text)) return ending.kind;
  }
  return FileKind::kOther;
}

}  // namespace vulcap::apps
