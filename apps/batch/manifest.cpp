#include "apps/batch/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "apps/batch/csv.h"
#include "apps/batch/row_reader.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

constexpr std::string_view kFileNames[] = {"file",      "file_name", "filename",   "filepath",
                                           "file_path", "image",     "image_path", "path"};
constexpr std::string_view kIdNames[] = {"id"};
constexpr std::string_view kPromptNames[] = {"prompt", "question"};
constexpr std::string_view kTaskNames[] = {"task"};

struct Row {
  std::string file, id, prompt, task;
};

class Manifest : public ItemSource {
 public:
  Manifest(const std::string& path, RecordEnd end, std::filesystem::path root)
      : name_(path == "-" ? "stdin" : path), rows_(path, std::move(end)), root_(std::move(root)) {}

  std::optional<BatchItem> next(std::stop_token stop) override {
    while (const auto text = rows_.next(stop)) {
      if (text->empty()) continue;
      try {
        return item_of(parse(*text));
      } catch (const std::exception& error) {
        const std::string place = utf8_text(name_) + ":" + std::to_string(rows_.number());
        return BatchItem{.file = place, .path = {}, .error = place + ": " + error.what()};
      }
    }
    return std::nullopt;
  }

 protected:
  // Throws std::exception for a row that cannot be used.
  virtual Row parse(const std::string& text) const = 0;

  std::string name_;
  RowReader rows_;

 private:
  BatchItem item_of(const Row& row) const {
    if (row.file.empty()) throw std::invalid_argument("the row names no file");
    BatchItem item{.file = utf8_text(std::filesystem::path(row.file).lexically_normal().string()),
                   .path = root_ / row.file,
                   .id = utf8_text(row.id)};
    if (row.file.starts_with("http://") || row.file.starts_with("https://")) {
      item.file = utf8_text(row.file);
      item.error = item.file + ": addresses are not fetched; download the image and name the file";
    }
    if (!row.prompt.empty() || !row.task.empty())
      item.prompt = loader::CaptionPrompt{utf8_text(row.prompt), utf8_text(row.task)};
    return item;
  }

  std::filesystem::path root_;
};

class TextList : public Manifest {
 public:
  TextList(const std::string& path, std::filesystem::path root) : Manifest(path, line_end, std::move(root)) {}

 protected:
  Row parse(const std::string& text) const override {
    return {.file = text, .id = {}, .prompt = {}, .task = {}};
  }
};

class CsvList : public Manifest {
 public:
  CsvList(const std::string& path, char separator, std::filesystem::path root)
      : Manifest(path, csv_end, std::move(root)), separator_(separator) {
    header_ = csv_fields(rows_.next({}).value_or(""), separator_);
    file_ = column(kFileNames);
    if (!file_) {
      throw core::Error(core::ErrorCode::kUsage,
                        name_ + ": no column of the first row is called file, file_name, image or path");
    }
    id_ = column(kIdNames);
    prompt_ = column(kPromptNames);
    task_ = column(kTaskNames);
  }

 protected:
  Row parse(const std::string& text) const override {
    const std::vector<std::string> fields = csv_fields(text, separator_);
    if (fields.size() != header_.size()) {
      throw std::invalid_argument("the row has " + std::to_string(fields.size()) + " fields, the header " +
                                  std::to_string(header_.size()));
    }
    const auto field = [&](const std::optional<size_t>& place) { return place ? fields[*place] : ""; };
    return {field(file_), field(id_), field(prompt_), field(task_)};
  }

 private:
  std::optional<size_t> column(std::span<const std::string_view> names) const {
    for (std::string_view name : names) {
      const auto found = std::find(header_.begin(), header_.end(), name);
      if (found != header_.end()) return size_t(found - header_.begin());
    }
    return std::nullopt;
  }

  char separator_;
  std::vector<std::string> header_;
  std::optional<size_t> file_, id_, prompt_, task_;
};

std::string json_field(const nlohmann::json& object, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) continue;
    if (found->is_string()) return found->get<std::string>();
    if (found->is_number_integer()) return found->dump();
    throw std::invalid_argument("'" + std::string(name) + "' is no text");
  }
  return "";
}

class JsonList : public Manifest {
 public:
  JsonList(const std::string& path, std::filesystem::path root) : Manifest(path, line_end, std::move(root)) {}

 protected:
  Row parse(const std::string& text) const override {
    const auto value = nlohmann::json::parse(text, nullptr, false);
    if (value.is_string()) return {value.get<std::string>(), "", "", ""};
    if (!value.is_object()) throw std::invalid_argument("the line is neither a JSON object nor a string");
    return {json_field(value, kFileNames), json_field(value, kIdNames), json_field(value, kPromptNames),
            json_field(value, kTaskNames)};
  }
};

}  // namespace

std::unique_ptr<ItemSource> open_manifest(const std::string& path, FileKind kind,
                                          const std::filesystem::path& root) {
  switch (kind) {
    case FileKind::kCsv:
      return std::make_unique<CsvList>(path, ',', root);
    case FileKind::kTsv:
      return std::make_unique<CsvList>(path, '\t', root);
    case FileKind::kJsonLines:
      return std::make_unique<JsonList>(path, root);
    default:
      return std::make_unique<TextList>(path, root);
  }
}

}  // namespace vulcap::apps
