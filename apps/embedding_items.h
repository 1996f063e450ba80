// Embeddings with the names of what they stand for: made, written and read again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "loader/tasks/embedder.h"

namespace vulcap::apps {

struct Item {
  std::string name;  // the text, or the image's path
  bool is_text = false;
  loader::Embedding embedding;
  std::string error;  // why there is none: a bad image is that image's failure
};

struct EmbedderOptions {
  ModelOptions model;
  std::string file;  // the .onnx file to take where several would do

  void add_to(CLI::App& command);
  std::unique_ptr<loader::Embedder> load(session::Device& device) const;
};

// Options of what is to be embedded.
struct ItemOptions {
  std::vector<std::string> texts;
  std::string text_file;  // one text a line
  loader::TextOptions text;

  void add_to(CLI::App& command);
  // `texts` and the lines of `text_file`. Throws core::Error(kRuntime) for a file that cannot be read.
  std::vector<std::string> all_texts() const;
};

std::vector<Item> embed_texts(loader::Embedder& embedder, const std::vector<std::string>& texts,
                              const loader::TextOptions& options);
Item embed_image_file(loader::Embedder& embedder, const std::string& path);

// An .npy file: the embeddings put together, f32[items, width] or, where they have several vectors each,
// [items, vectors, width]; of one such item [vectors, width]. No item may have an error. Throws
// core::Error(kRuntime) for unlike numbers of vectors.
void write_npy_items(const std::filesystem::path& path, const std::vector<Item>& items);
// What write_npy_items wrote; names are "path" or "path[i]". `several_vectors`: rank 2 is one item.
std::vector<Item> read_npy_items(const std::filesystem::path& path, bool several_vectors);

// A folder with an .npy file an item and index.jsonl, which says what each stands for.
void write_index(const std::filesystem::path& folder, const std::vector<Item>& items);
// Throws core::Error(kRuntime) for a folder without index.jsonl or with a damaged one.
std::vector<Item> read_index(const std::filesystem::path& folder);

}  // namespace vulcap::apps
