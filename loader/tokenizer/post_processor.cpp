#include "loader/tokenizer/post_processor.h"

#include <algorithm>
#include <map>

#include "loader/tokenizer/byte_level.h"
#include "loader/tokenizer/unicode.h"

namespace vulcap::tokenizer {
namespace {

bool is_space_mark(char32_t c) { return c == char_of_byte(' ') || is_whitespace(c); }

// Takes the white space that a token begins or ends with out of its offsets.
void trim_offsets(Encoding& e, bool add_prefix_space) {
  for (std::size_t i = 0; i < e.size(); ++i) {
    const std::u32string token = to_code_points(e.tokens[i]);
    Span& span = e.offsets[i];
    std::size_t leading = 0;
    while (leading < token.size() && is_space_mark(token[leading])) ++leading;
    std::size_t trailing = 0;
    while (trailing < token.size() && is_space_mark(token[token.size() - 1 - trailing])) ++trailing;
    const bool is_first = i == 0 || span.begin == 0;
    if (leading == 1 && is_first && add_prefix_space) leading = 0;  // that space is not of the text
    span.begin = static_cast<std::uint32_t>(std::min<std::size_t>(span.begin + leading, span.end));
    if (trailing > 0 && span.end >= trailing) {
      span.end = std::max(span.end - static_cast<std::uint32_t>(trailing), span.begin);
    }
  }
  for (Encoding& o : e.overflowing) trim_offsets(o, add_prefix_space);
}

class ByteLevelProcessor : public PostProcessor {
 public:
  explicit ByteLevelProcessor(const Fields& fields)
      : add_prefix_space_(fields.boolean("add_prefix_space")), trim_(fields.boolean("trim_offsets")) {
    fields.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  }

  std::size_t added_count(bool) const override { return 0; }

  std::vector<Encoding> process(std::vector<Encoding> texts, bool) const override {
    if (trim_) {
      for (Encoding& e : texts) trim_offsets(e, add_prefix_space_);
    }
    return texts;
  }

 private:
  bool add_prefix_space_;
  bool trim_;
};

struct SpecialToken {
  std::string token;
  std::uint32_t id;
};

SpecialToken read_special(const Fields& fields, const char* name) {
  const Json& value = fields.array(name);
  if (value.size() != 2 || !value[0].is_string())
    fields.fail(std::string("field '") + name + "' must be [token, id]");
  return {value[0].get<std::string>(), as_uint32(value[1], fields.where() + "." + name)};
}

// [before] text [after], applied to the overflowing windows too.
Encoding wrap(const Encoding& text, const SpecialToken* before, const SpecialToken& after,
              std::uint32_t type_id) {
  Encoding out;
  if (before != nullptr) out.push_special(before->id, before->token, type_id);
  Encoding middle = text;
  middle.overflowing.clear();
  out.merge(middle);
  out.push_special(after.id, after.token, type_id);
  for (const Encoding& o : text.overflowing) out.overflowing.push_back(wrap(o, before, after, type_id));
  return out;
}

// BERT: cls A sep, cls A sep B sep (type 1 for B).  RoBERTa: cls A sep, cls A sep sep B sep (type 0
// throughout).
class ClsSepProcessor : public PostProcessor {
 public:
  ClsSepProcessor(const Fields& fields, bool is_roberta)
      : is_roberta_(is_roberta), cls_(read_special(fields, "cls")), sep_(read_special(fields, "sep")) {
    if (is_roberta) {
      fields.allow_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
      trim_ = fields.boolean("trim_offsets");
      add_prefix_space_ = fields.boolean("add_prefix_space");
    } else {
      fields.allow_only({"type", "sep", "cls"});
    }
  }

  std::size_t added_count(bool is_pair) const override { return is_pair ? (is_roberta_ ? 4 : 3) : 2; }

  std::vector<Encoding> process(std::vector<Encoding> texts, bool add_special_tokens) const override {
    for (Encoding& e : texts) {
      if (trim_) trim_offsets(e, add_prefix_space_);
      if (is_roberta_) set_all_type_ids(e);
    }
    if (!add_special_tokens) return texts;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const SpecialToken* before = i == 0 ? &cls_ : is_roberta_ ? &sep_ : nullptr;
      texts[i] = wrap(texts[i], before, sep_, i == 0 || is_roberta_ ? 0 : 1);
    }
    return texts;
  }

 private:
  static void set_all_type_ids(Encoding& e) {
    e.set_type_ids(0);
    for (Encoding& o : e.overflowing) set_all_type_ids(o);
  }

  bool is_roberta_;
  SpecialToken cls_;
  SpecialToken sep_;
  bool trim_ = false;
  bool add_prefix_space_ = false;
};

class TemplateProcessor : public PostProcessor {
 public:
  explicit TemplateProcessor(const Fields& fields) {
    fields.allow_only({"type", "single", "pair", "special_tokens"});
    read_special_tokens(fields);
    single_ = read_template(fields, "single");
    pair_ = read_template(fields, "pair");
    for (const Part& part : single_) {
      if (part.specials.empty() && part.sequence != 0) fields.fail("template 'single' uses sequence B");
    }
  }

  std::size_t added_count(bool is_pair) const override {
    std::size_t count = 0;
    for (const Part& part : is_pair ? pair_ : single_) count += part.specials.size();
    return count;
  }

  std::vector<Encoding> process(std::vector<Encoding> texts, bool add_special_tokens) const override {
    std::vector<Encoding> out;
    for (const Part& part : texts.size() == 2 ? pair_ : single_) {
      if (part.is_text) {
        Encoding& text = texts[part.sequence];
        text.set_type_ids(part.type_id);
        out.push_back(text);
      } else if (add_special_tokens) {
        out.emplace_back();
        for (const SpecialToken& s : part.specials) out.back().push_special(s.id, s.token, part.type_id);
      }
    }
    return out;
  }

 private:
  struct Part {
    bool is_text = false;
    std::size_t sequence = 0;
    std::vector<SpecialToken> specials;
    std::uint32_t type_id = 0;
  };

  void read_special_tokens(const Fields& fields) {
    const Json& tokens = fields.require("special_tokens");
    const std::string where = fields.where() + ".special_tokens";
    if (!tokens.is_object()) fail_invalid(where, "a JSON object is expected");
    for (const auto& item : tokens.items()) {
      const Fields one(item.value(), where + "." + item.key());
      one.allow_only({"id", "ids", "tokens"});
      const Json& ids = one.array("ids");
      const Json& names = one.array("tokens");
      if (ids.size() != names.size()) one.fail("'ids' and 'tokens' differ in length");
      std::vector<SpecialToken>& list = special_tokens_[item.key()];
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!names[i].is_string()) one.fail("'tokens' must be strings");
        list.push_back({names[i].get<std::string>(), as_uint32(ids[i], one.where())});
      }
    }
  }

  std::vector<Part> read_template(const Fields& fields, const char* name) const {
    std::vector<Part> out;
    for (const Json& json : fields.array(name)) {
      const Fields piece(json, fields.where() + "." + name);
      piece.allow_only({"SpecialToken", "Sequence"});
      const bool is_text = piece.has("Sequence");
      const Fields inner = piece.object(is_text ? "Sequence" : "SpecialToken");
      inner.allow_only({"id", "type_id"});
      out.push_back(read_part(inner, is_text));
    }
    return out;
  }

  Part read_part(const Fields& inner, bool is_text) const {
    Part part;
    part.is_text = is_text;
    part.type_id = inner.uint32_or("type_id", 0);
    const std::string id = inner.string("id");
    if (is_text) {
      if (id != "A" && id != "B") inner.fail("sequence '" + id + "' must be A or B");
      part.sequence = id == "A" ? 0 : 1;
      return part;
    }
    const auto it = special_tokens_.find(id);
    if (it == special_tokens_.end()) inner.fail("special token '" + id + "' is not in special_tokens");
    part.specials = it->second;
    return part;
  }

  std::map<std::string, std::vector<SpecialToken>> special_tokens_;
  std::vector<Part> single_;
  std::vector<Part> pair_;
};

class SequenceProcessor : public PostProcessor {
 public:
  explicit SequenceProcessor(const Fields& fields) {
    fields.allow_only({"type", "processors"});
    const Json& list = fields.array("processors");
    int adding = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Fields stage(list[i], fields.where() + ".processors[" + std::to_string(i) + "]",
                         fields.depth() + 1);
      if (stage.string("type") != "ByteLevel") ++adding;
      stages_.push_back(make_post_processor(stage));
    }
    // A second one would take the parts that the first puts out for texts.
    if (adding > 1) fields.fail("two stages of a Sequence that add tokens are not supported");
  }

  std::size_t added_count(bool is_pair) const override {
    std::size_t count = 0;
    for (const auto& stage : stages_) count += stage->added_count(is_pair);
    return count;
  }

  std::vector<Encoding> process(std::vector<Encoding> texts, bool add_special_tokens) const override {
    for (const auto& stage : stages_) texts = stage->process(std::move(texts), add_special_tokens);
    return texts;
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> stages_;
};

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor(const Fields& fields) {
  const std::string type = fields.string("type");
  if (type == "ByteLevel") return std::make_unique<ByteLevelProcessor>(fields);
  if (type == "TemplateProcessing") return std::make_unique<TemplateProcessor>(fields);
  if (type == "RobertaProcessing") return std::make_unique<ClsSepProcessor>(fields, true);
  if (type == "BertProcessing") return std::make_unique<ClsSepProcessor>(fields, false);
  if (type == "Sequence") return std::make_unique<SequenceProcessor>(fields);
  fields.fail_type("post_processor", type);
}

Encoding post_process(const PostProcessor* processor, std::vector<Encoding> texts, bool add_special_tokens) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<Encoding> windows;
    // Without a processor the reference numbers only the kept window of a pair.
    if (processor == nullptr && texts.size() == 2) windows.swap(texts[i].overflowing);
    texts[i].set_sequence_id(static_cast<std::int32_t>(i));
    if (!windows.empty()) windows.swap(texts[i].overflowing);
    texts[i].set_type_ids(static_cast<std::uint32_t>(i));
  }
  if (processor != nullptr) texts = processor->process(std::move(texts), add_special_tokens);
  Encoding out;
  for (const Encoding& part : texts) out.merge(part);
  return out;
}

}  // namespace vulcap::tokenizer
