#include "apps/embedding_items.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "loader/image/decode.h"
#include "loader/npy.h"
#include "runtime/core/error.h"

namespace vulcap::apps {
namespace {

namespace fs = std::filesystem;
using core::DType;
using core::Tensor;

constexpr const char* kIndexFile = "index.jsonl";

[[noreturn]] void fail(const std::string& what) { throw core::Error(core::ErrorCode::kRuntime, what); }

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) fail(path.string() + ": cannot be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

// Item `index` of those in a tensor, with its last two axes as vectors.
loader::Embedding slice(const Tensor& tensor, size_t index, int64_t rows, int64_t width) {
  loader::Embedding embedding{{}, rows, width, {}};
  const auto size = size_t(rows * width);
  for (size_t i = index * size; i < (index + 1) * size; ++i)
    embedding.values.push_back(float(tensor.at_f64(i)));
  return embedding;
}

loader::Embedding read_one(const fs::path& path) {
  const Tensor tensor = loader::read_npy(path);
  const auto& shape = tensor.shape();
  if (shape.size() == 2) return slice(tensor, 0, shape[0], shape[1]);
  if (shape.size() == 1) return slice(tensor, 0, 1, shape[0]);
  fail(path.string() + ": an embedding has shape [width] or [vectors, width], not " +
       core::shape_text(shape));
}

Tensor tensor_of(const loader::Embedding& embedding) {
  return Tensor::from(DType::kF32, {embedding.rows, embedding.width}, embedding.values);
}

}  // namespace

void EmbedderOptions::add_to(CLI::App& command) {
  model.add_to(command);
  command.add_option("--file-name", file,
                     "The .onnx file to take where several would do: model_O2.onnx, model_qint8_avx512.onnx");
}

std::unique_ptr<loader::Embedder> EmbedderOptions::load(session::Device& device) const {
  loader::LoadOptions options = model.load_options();
  options.file = fs::path(file).filename();
  return loader::load_embedder(model.model_dir(), device, options);
}

void ItemOptions::add_to(CLI::App& command) {
  command.add_option("--text", texts, "A text (may be given several times)")->allow_extra_args(false);
  command.add_option("-f,--text-file", text_file, "A file with one text a line");
  command.add_option("--prompt", text.prompt, "Put before each text, in place of the model's own prompt");
  command.add_option("--prompt-name", text.prompt_name,
                     "The prompt of config_sentence_transformers.json to put before each text");
}

std::vector<std::string> ItemOptions::all_texts() const {
  std::vector<std::string> all = texts;
  if (text_file.empty()) return all;
  const auto lines = lines_of(text_file);
  all.insert(all.end(), lines.begin(), lines.end());
  return all;
}

std::vector<Item> embed_texts(loader::Embedder& embedder, const std::vector<std::string>& texts,
                              const loader::TextOptions& options) {
  std::vector<Item> items;
  if (texts.empty()) return items;
  std::vector<loader::Embedding> embeddings = embedder.embed_texts(texts, options);
  for (size_t i = 0; i < texts.size(); ++i) items.push_back({texts[i], true, std::move(embeddings[i]), ""});
  return items;
}

Item embed_image_file(loader::Embedder& embedder, const std::string& path) {
  Item item{path, false, {}, ""};
  try {
    item.embedding = embedder.embed_image(image::decode_file(path));
  } catch (const core::Error& error) {
    // A bad image is that image's failure; anything else ends the run.
    if (error.code() != core::ErrorCode::kRuntime) throw;
    item.error = error.message();
  }
  return item;
}

void write_npy_items(const fs::path& path, const std::vector<Item>& items) {
  std::vector<float> values;
  for (const Item& item : items) {
    const loader::Embedding& first = items[0].embedding;
    if (item.embedding.rows != first.rows || item.embedding.width != first.width) {
      fail(path.string() + ": '" + item.name + "' has " + std::to_string(item.embedding.rows) +
           " vectors and '" + items[0].name + "' has " + std::to_string(first.rows) +
           ", which one array cannot hold; write a folder (-o NAME/) or NAME.jsonl");
    }
    values.insert(values.end(), item.embedding.values.begin(), item.embedding.values.end());
  }
  const int64_t rows = items[0].embedding.rows;
  const int64_t width = items[0].embedding.width;
  core::Shape shape{int64_t(items.size()), width};
  if (rows != 1) shape = {int64_t(items.size()), rows, width};
  if (rows != 1 && items.size() == 1) shape = {rows, width};
  loader::write_npy(path, Tensor::from(DType::kF32, shape, values));
}

std::vector<Item> read_npy_items(const fs::path& path, bool several_vectors) {
  const Tensor tensor = loader::read_npy(path);
  const core::Shape& shape = tensor.shape();
  if (shape.size() == 1 || (shape.size() == 2 && several_vectors))
    return {{path.string(), false, read_one(path), ""}};
  if (shape.size() != 2 && shape.size() != 3)
    fail(path.string() + ": embeddings have rank 1 to 3, not the shape " + core::shape_text(shape));
  std::vector<Item> items;
  const int64_t rows = shape.size() == 3 ? shape[1] : 1;
  for (size_t i = 0; i < size_t(shape[0]); ++i) {
    items.push_back(
        {path.string() + "[" + std::to_string(i) + "]", false, slice(tensor, i, rows, shape.back()), ""});
  }
  return items;
}

void write_index(const fs::path& folder, const std::vector<Item>& items) {
  std::error_code error;
  fs::create_directories(folder, error);
  std::ofstream index(folder / kIndexFile);
  size_t count = 0;
  for (const Item& item : items) {
    if (!item.error.empty()) continue;
    std::string name = std::to_string(count++);
    name = std::string(name.size() < 6 ? 6 - name.size() : 0, '0') + name + ".npy";
    loader::write_npy(folder / name, tensor_of(item.embedding));
    index << dumped({{item.is_text ? "text" : "file", item.name}, {"embedding", name}}) << "\n";
  }
  index.close();
  if (!index) fail((folder / kIndexFile).string() + ": cannot be written");
}

std::vector<Item> read_index(const fs::path& folder) {
  if (!fs::exists(folder / kIndexFile)) {
    fail(folder.string() + ": holds no " + kIndexFile + "; make an index with vulcap embed -o " +
         folder.string() + "/");
  }
  std::vector<Item> items;
  for (const std::string& line : lines_of(folder / kIndexFile)) {
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, false);
    const bool usable = entry.is_object() && entry.value("embedding", nlohmann::json()).is_string();
    const bool is_text = usable && entry.contains("text");
    const nlohmann::json name = usable ? entry.value(is_text ? "text" : "file", nlohmann::json()) : nullptr;
    const fs::path file = usable ? fs::path(entry["embedding"].get<std::string>()) : fs::path();
    if (!name.is_string() || file.filename() != file) {
      fail((folder / kIndexFile).string() + ": line " + std::to_string(items.size() + 1) +
           " is no entry of an index");
    }
    items.push_back({name.get<std::string>(), is_text, read_one(folder / file), ""});
  }
  return items;
}

}  // namespace vulcap::apps
