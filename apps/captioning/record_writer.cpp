#include "apps/captioning/record_writer.h"

#include <span>

#include "apps/cli/console.h"
#include "apps/cli/remarks.h"

namespace vulcap::apps {

RecordWriter::RecordWriter(std::string format, const std::filesystem::path& output, bool with_names)
    : format_(std::move(format)), with_names_(with_names) {
  if (!output.empty()) file_ = std::make_unique<loader::NewFile>(output);
}

void RecordWriter::put(std::string_view text) {
  if (file_) {
    file_->write(std::as_bytes(std::span(text)));
  } else {
    console().result(text);
  }
}

void RecordWriter::piece(const std::string& file, std::string_view text) {
  if (text.empty()) return;
  if (streamed_.empty() && with_names_) put(file + ": ");
  streamed_ += text;
  put(text);
}

void RecordWriter::write_text(const CaptionRecord& record) {
  std::string text;
  for (const std::string& line : record_lines(record)) {
    if (with_names_) text += record.file + ": ";
    text += line + "\n";
  }
  if (streamed_.empty()) return put(text);
  const std::string streamed = (with_names_ ? record.file + ": " : "") + streamed_;
  streamed_.clear();
  // A caption that was begun anew, as on another device, stands below what was seen of it.
  put(text.starts_with(streamed) ? text.substr(streamed.size()) : "\n" + text);
}

void RecordWriter::begin() {
  if (!begun_ && format_ == "csv") put(csv_header());
  begun_ = true;
}

void RecordWriter::write(const CaptionRecord& record) {
  begin();
  if (format_ == "text") write_text(record);
  if (format_ == "json") array_.push_back(record_json(record));
  if (format_ == "jsonl") put(dumped(record_json(record)) + "\n");
  if (format_ == "csv") put(record_csv(record));
}

void RecordWriter::finish(bool complete) {
  begin();
  if (format_ == "json") put(dumped(array_, 2) + "\n");
  if (file_ && complete) file_->commit();
  file_.reset();
}

}  // namespace vulcap::apps
