#include "loader/onnx/model_files.h"

#include <onnx/onnx.pb.h>

#include <algorithm>
#include <deque>
#include <system_error>

#include "loader/new_file.h"
#include "runtime/core/error.h"
#include "runtime/core/mapped_file.h"

namespace vulcap::onnx {
namespace {

namespace proto = ::onnx;
using proto::TensorProto;

void write_rope(loader::NewFile& file, const Rope& rope) {
  constexpr size_t kSlice = size_t(8) << 20;
  for (const auto& [bytes, file_backed] : rope.pieces()) {
    for (size_t at = 0; at < bytes.size(); at += kSlice) {
      const Bytes slice = bytes.subspan(at, std::min(kSlice, bytes.size() - at));
      file.write(slice);
      if (file_backed) core::MappedFile::release_pages(slice);
    }
  }
}

}  // namespace

std::string DataFile::put(Bytes bytes, bool file_backed) {
  const auto entry = [](const std::string& key, const std::string& value) {
    using Entry = proto::StringStringEntryProto;
    return wire_text(TensorProto::kExternalDataFieldNumber,
                     wire_text(Entry::kKeyFieldNumber, key) + wire_text(Entry::kValueFieldNumber, value));
  };
  const auto [known, is_new] = offsets_.try_emplace({bytes.data(), bytes.size()}, 0);
  if (is_new) {
    const size_t step = bytes.size() < alignment_ ? kAlignment : alignment_;
    content_.add(std::string((step - content_.size() % step) % step, '\0'));
    known->second = content_.size();
    content_.add(bytes, file_backed);
  }
  return entry("location", location_) + entry("offset", std::to_string(known->second)) +
         entry("length", std::to_string(bytes.size())) +
         wire_number(TensorProto::kDataLocationFieldNumber, TensorProto::EXTERNAL);
}

void write_model_files(const std::filesystem::path& out, const Rope& model,
                       const std::vector<DataFile>& data) {
  std::deque<loader::NewFile> files;
  std::vector<std::filesystem::path> paths;
  const auto write = [&](const std::filesystem::path& path, const Rope& content) {
    files.emplace_back(path);
    paths.push_back(path);
    write_rope(files.back(), content);
  };
  write(out, model);
  for (const DataFile& file : data)
    if (file.content().size() > 0) write(out.parent_path() / file.location(), file.content());
  // The model last: it is what says that the others are there.
  std::vector<std::filesystem::path> placed;
  std::error_code ignored;
  try {
    for (size_t i = files.size(); i-- > 0;) {
      const bool replaces = std::filesystem::exists(paths[i], ignored);
      files[i].commit();
      if (!replaces) placed.push_back(paths[i]);
    }
  } catch (...) {
    for (const std::filesystem::path& path : placed) std::filesystem::remove(path, ignored);
    throw;
  }
}

void refuse_same_file(const std::filesystem::path& read, const std::filesystem::path& written) {
  std::error_code ignored;
  if (!std::filesystem::equivalent(read, written, ignored)) return;
  throw core::Error(core::ErrorCode::kUsage, written.string() +
                                                 ": is a file of the model that is read; give the result "
                                                 "another name or folder");
}

}  // namespace vulcap::onnx
