#include "loader/tokenizer/wordlevel.h"

#include "runtime/core/error.h"

namespace vulcap::tokenizer {
namespace {

class WordLevel : public Model {
 public:
  explicit WordLevel(const Fields& fields) : unk_token_(fields.string_or("unk_token", "<unk>")) {
    vocabulary_ = read_vocabulary(fields.require("vocab"), fields.where() + ".vocab");
    unk_id_ = vocabulary_.id_of(unk_token_);
  }

  void tokenize(const std::string& word, std::vector<Token>& out) const override {
    if (const auto id = vocabulary_.id_of(word)) {
      out.push_back({*id, word, 0, word.size()});
    } else if (unk_id_) {
      out.push_back({*unk_id_, unk_token_, 0, word.size()});
    } else {
      throw core::Error(core::ErrorCode::kInvalidModel, "tokenizer.json: model: '" + word +
                                                            "' is not in the vocabulary and neither is '" +
                                                            unk_token_ + "'");
    }
  }

 private:
  std::string unk_token_;
  std::optional<std::uint32_t> unk_id_;
};

}  // namespace

std::unique_ptr<Model> make_wordlevel(const Fields& fields) {
  fields.allow_only({"type", "vocab", "unk_token"});
  return std::make_unique<WordLevel>(fields);
}

}  // namespace vulcap::tokenizer
