// Records as --format says them: on stdout as they come, or in a file that is there whole or not at all.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apps/captioning/record.h"
#include "loader/new_file.h"

namespace vulcap::apps {

class RecordWriter {
 public:
  // `format`: text, json (one array), jsonl or csv. `output` empty: stdout. `with_names`: text has "FILE: "
  // before each caption. Throws core::Error(kRuntime) when the file cannot be written.
  RecordWriter(std::string format, const std::filesystem::path& output, bool with_names);

  // The next piece of the caption of `file` as it comes, ahead of its record. Text on stdout only.
  void piece(const std::string& file, std::string_view text);
  void write(const CaptionRecord& record);
  // Ends the array. A file takes its name if the records are complete and is gone if they are not.
  void finish(bool complete);

 private:
  void put(std::string_view text);
  void begin();
  void write_text(const CaptionRecord& record);

  std::string format_;
  bool with_names_;
  std::unique_ptr<loader::NewFile> file_;
  nlohmann::json array_ = nlohmann::json::array();
  std::string streamed_;
  bool begun_ = false;
};

}  // namespace vulcap::apps
