// Folders without tokenizer.json that are damaged or incomplete: one clear line each.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

#include "loader/tokenizer/sentencepiece.h"
#include "loader/tokenizer/tokenizer.h"
#include "runtime/core/error.h"
#include "tests/tokenizer/temp_folder.h"

namespace vulcap::tokenizer {
namespace {

namespace fs = std::filesystem;
const fs::path kFiles = fs::path(VULCAP_TEST_DATA) / "tokenizer_files";

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string error_of(const fs::path& folder) {
  try {
    Tokenizer::load(folder);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
    return error.message();
  }
  return "";
}

void expect_error(const TempFolder& folder, const std::string& part) {
  const std::string message = error_of(folder.path());
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(Conversion, SaysWhatIsMissing) {
  const TempFolder folder;
  expect_error(folder, "neither tokenizer.json nor the files");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "ReformerTokenizer"})");
  expect_error(folder, "files of ReformerTokenizer are not read; convert");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "T5TokenizerFast"})");
  expect_error(folder, "nor a sentencepiece model");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  expect_error(folder, "vocab.json: cannot be opened");
  folder.write("vocab.json", R"({"a": 0, "<s>": 1})");
  expect_error(folder, "merges.txt: cannot be opened");
  folder.write("merges.txt", "#version: 0.2\na\n");
  expect_error(folder, "merges.txt line 2");
  folder.write("merges.txt", "");
  expect_error(folder, "vocab.json: lacks the special token '</s>'");
}

TEST(Conversion, WordPieceNeedsItsSpecialTokens) {
  const TempFolder folder;
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\na\n");
  expect_error(folder, "vocab.txt: lacks the special token '[SEP]'");
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nth\n##e\n");
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer.encode("The").ids, (std::vector<std::uint32_t>{2, 5, 6, 3}));
  folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n\xff\n");
  expect_error(folder, "line 4 is not UTF-8");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "cls_token": null})");
  folder.write("vocab.txt", "[UNK]\n[SEP]\n");
  expect_error(folder, "BertTokenizer needs a cls_token");
}

TEST(Conversion, TheModelsTypeNamesTheClass) {
  const TempFolder folder;
  folder.write("vocab.txt", "[PAD]\n[UNK]\n<s>\n</s>\nth\n##e\n<mask>\n<pad>\n");
  folder.write("config.json", R"({"model_type": "mpnet"})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("the").ids, (std::vector<std::uint32_t>{2, 4, 5, 3}));
}

TEST(Conversion, MarianNeedsItsVocabulary) {
  const TempFolder folder;
  folder.write("source.spm", read(kFiles / "marian" / "source.spm"));
  folder.write("vocab.json", R"({"</s>": 0})");
  expect_error(folder, "unk_token is not in ids");
  folder.write("vocab.json", "[]");
  expect_error(folder, "vocab.json");
}

TEST(SentencePieceFile, SaysWhatIsWrong) {
  const TempFolder folder;
  folder.write("spiece.model", "<!DOCTYPE html>");
  expect_error(folder, "spiece.model: not a sentencepiece model, or damaged");
  folder.write("spiece.model", "");
  expect_error(folder, "holds no pieces");
  folder.write("spiece.model", std::string("\x0a\x03\x0a\x01\xff\x12\x00", 7));
  expect_error(folder, "not UTF-8");
  folder.write("spiece.model", std::string("\x0a\x03\x0a\x01"
                                           "a\x12\x02\x18\x04",
                                           9));
  expect_error(folder, "model type 4 is not supported");
}

// Seeded damage ends in an error or in a tokenizer that works.
TEST(SentencePieceFile, DamageIsReadOrRefused) {
  std::mt19937 random(3);
  for (const char* kind : {"xlm-roberta", "llama", "t5-new", "gemma"}) {
    const fs::path source = kFiles / kind;
    for (const auto& entry : fs::directory_iterator(source)) {
      if (entry.path().extension() != ".model") continue;
      const std::string original = read(entry.path());
      for (int round = 0; round < 60; ++round) {
        std::string bytes = original;
        if (round % 7 == 0) bytes.resize(random() % bytes.size());
        for (int i = 0; i < 3 && !bytes.empty(); ++i)
          bytes[random() % bytes.size()] = static_cast<char>(random());
        const TempFolder folder;
        folder.write(entry.path().filename().string(), bytes);
        folder.write("tokenizer_config.json", read(source / "tokenizer_config.json"));
        try {
          const Tokenizer tokenizer = Tokenizer::load(folder.path());
          const Encoding encoding = tokenizer.encode("Hello, the world's 123 caf\xC3\xA9!  <s></s><mask>");
          tokenizer.decode(std::span<const std::uint32_t>(encoding.ids));
        } catch (const core::Error& error) {
          EXPECT_LT(error.message().size(), 1500u);
        }
      }
    }
  }
}

}  // namespace
}  // namespace vulcap::tokenizer
