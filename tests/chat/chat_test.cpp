// Chat templates against jinja2 (tests/golden/chat, made by tests/generators/chat_templates.py), the files of
// a folder that hold them, and templates that mean harm.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "loader/chat/chat_template.h"
#include "runtime/core/error.h"
#include "tests/families/error_of.h"

namespace vulcap::chat {
namespace {

namespace fs = std::filesystem;
using test::error_of;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const fs::path kGolden = fs::path(VULCAP_TEST_DATA) / "chat";

std::tm golden_time() {
  std::tm now{};
  now.tm_year = 125, now.tm_mon = 2, now.tm_mday = 9, now.tm_hour = 14, now.tm_min = 5, now.tm_sec = 7;
  now.tm_wday = 0, now.tm_yday = 67;
  return now;
}

std::string render(const std::string& source, const Json& extra = Json::object()) {
  RenderOptions options;
  options.extra = extra;
  return ChatTemplate(source, "t").render(Json::array(), options);
}

class Golden : public testing::TestWithParam<size_t> {};

const Json& golden() {
  static const Json file = Json::parse(read(kGolden / "cases.json"));
  return file;
}

std::string render_case(const Json& entry) {
  const std::string source = entry.contains("template")
                                 ? read(kGolden / "templates" / entry["template"].get<std::string>())
                                 : entry["source"].get<std::string>();
  RenderOptions options;
  options.now = golden_time();
  options.add_generation_prompt = entry.value("add_generation_prompt", false);
  options.tools = entry.value("tools", Json());
  options.documents = entry.value("documents", Json());
  options.extra = entry.value("extra", Json::object());
  return ChatTemplate(source, "golden", golden()["tokens"]).render(entry["messages"], options);
}

TEST_P(Golden, EqualsJinja2) {
  const Json& entry = golden()["cases"][GetParam()];
  SCOPED_TRACE(entry["name"].get<std::string>());
  if (entry.contains("text")) {
    std::string text;
    ASSERT_NO_THROW(text = render_case(entry)) << error_of([&] { render_case(entry); }).message();
    EXPECT_EQ(text, entry["text"].get<std::string>());
    return;
  }
  const core::Error error = error_of([&] { render_case(entry); });
  const bool broken = entry.value("broken", false);
  EXPECT_EQ(error.code(), broken ? core::ErrorCode::kInvalidModel : core::ErrorCode::kRuntime)
      << error.message();
  EXPECT_TRUE(error.message().starts_with("golden: chat template line ")) << error.message();
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::Range<size_t>(0, golden()["cases"].size()));

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_EQ(error_of([] { ChatTemplate("a\n{% if x %}\n{{ y }}", "f.json"); }).message(),
            "f.json: chat template line 2: the block that begins here has no endif");
  EXPECT_EQ(error_of([] { render("\n\n{{ a.b }}"); }).message(), "t: chat template line 3: 'a' is undefined");
  EXPECT_EQ(error_of([] { render("\n{{ raise_exception('no\nsystem') }}"); }).message(),
            "t: chat template line 2: the template refuses the messages: no system");
}

TEST(ChatTemplate, TheCallersVariablesComeBeforeThoseOfTheFolder) {
  const ChatTemplate one("{{ bos_token }}{{ x }}", "t", {{"bos_token", "<s>"}, {"x", 1}});
  RenderOptions options;
  options.extra = {{"x", 2}};
  EXPECT_EQ(one.render(Json::array(), options), "<s>2");
}

TEST(ChatTemplate, OneTemplateServesManyTimes) {
  const ChatTemplate one("{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "t");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(one.render(Json::array()), "1");
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

// Each would hang, exhaust memory or overflow the stack.
class Hostile : public testing::TestWithParam<std::string> {};

TEST_P(Hostile, EndsWithAnErrorSoon) {
  const auto begin = std::chrono::steady_clock::now();
  const core::Error error = error_of([&] { render(GetParam()); });
  EXPECT_TRUE(error.message().starts_with("t: chat template line "))
      << GetParam().substr(0, 100) << ": " << error.message();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

INSTANTIATE_TEST_SUITE_P(
    All, Hostile,
    testing::Values(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('ab') }}", "{{ 'a' * 9000000000 }}",
        "{{ [1] * 9000000000 }}", "{{ 'a' | center(9000000000) }}", "{{ 'a'.ljust(9000000000) }}",
        "{{ 'a' | indent(9000000000) }}", "{{ [1] | tojson(indent=9000000000) }}",
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}", "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
        "{{ (range(99999) | list) | join('a' * 100000) }}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
        "ns.x }}",
        "{% set ns = namespace(f=1) %}{% for i in range(9999) %}{% set ns.f = {'f': ns.f}.get %}{% endfor %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% for a in range(99999) %}{% macro m() %}{{ a }}{% endmacro %}{{ nope.x if loop.last }}"
        "{{ range(9999) | list | length }}{% endfor %}",
        "{% for i in range(99999) %}{{ range(99999) | sort | length }}{% endfor %}",
        "{% for i in range(99999) %}{{ range(99999) | list | unique | list | length }}{% endfor %}",
        "{% for i in range(99999) %}{% set x = range(99999) | list == range(99999) | list %}{% endfor %}",
        "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 99 ** 99 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ 99999999999999999999 }}", "{{ range(0, 9, 0) }}",
        "{{ " + repeated("(", 50000) + "1" + repeated(")", 50000) + " }}",
        "{{ " + repeated("[", 50000) + repeated("]", 50000) + " }}", "{{ " + repeated("not ", 50000) + "1 }}",
        "{{ " + repeated("- ", 50000) + "1 }}", "{{ 1" + repeated(" + 1", 50000) + " }}",
        "{{ a" + repeated(".b", 50000) + " }}", "{{ 1" + repeated(" if 1 else 1", 50000) + " }}",
        "{{ 1" + repeated(" | abs", 50000) + " }}", "{{ 1" + repeated(" and 1", 50000) + " }}",
        "{{ " + repeated("f(", 50000) + repeated(")", 50000) + " }}",
        repeated("{% if 1 %}", 50000) + repeated("{% endif %}", 50000),
        repeated("{% for x in [1] %}", 50000) + repeated("{% endfor %}", 50000), "{{ '\\ud800' }}",
        "{{ '\\x4' }}", "{{ '\\U99999999' }}", "{{ '%*d' % (1, 2) }}", "{{ '%99999d' % 1 }}"));

TEST(ChatTemplate, WhatHoldsItselfIsFreed) {
  EXPECT_EQ(render("{% set a = namespace(x=1) %}{% set a.a = a %}{% macro m() %}{{ a.x }}{% endmacro %}"
                   "{% set a.m = m %}{% set a.loop = loop %}{{ a.m() }}"),
            "1");
  EXPECT_EQ(
      render("{% set ns = namespace(p=none) %}{% for i in range(20000) %}{% set ns.p = namespace(p=ns.p) %}"
             "{% endfor %}ok"),
      "ok");
}

TEST(ChatTemplate, CutAndChangedTemplatesAreNoHarm) {
  const std::string source = read(kGolden / "templates" / "llama31_tools.jinja");
  const Json messages = {{{"role", "user"}, {"content", "Hi"}}};
  uint32_t random = 1;
  for (size_t i = 0; i < 400; ++i) {
    std::string text = source.substr(0, i * 7 % source.size());
    random = random * 1664525 + 1013904223;
    if (!text.empty()) text[(random >> 8) % text.size()] = "{}%#|()'\"-.x1\n"[random % 14];
    try {
      ChatTemplate(text, "t").render(messages);
    } catch (const core::Error& error) {
      EXPECT_TRUE(error.message().starts_with("t: chat template line ")) << error.message();
    }
  }
}

class Folder : public testing::Test {
 protected:
  Folder() : dir_(fs::temp_directory_path() / ("vulcap_chat_" + std::to_string(getpid()))) {
    fs::create_directories(dir_ / "additional_chat_templates");
  }
  ~Folder() override { fs::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir_ / name) << text; }
  std::string rendered(const std::string& name = "", bool tools = false) {
    return load_chat_template(dir_, name, tools)->render(Json::array());
  }

  fs::path dir_;
};

TEST_F(Folder, WithoutATemplate) {
  EXPECT_FALSE(load_chat_template(dir_));
  write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  EXPECT_FALSE(load_chat_template(dir_));
}

TEST_F(Folder, TokenizerConfigHoldsOneOrSeveral) {
  write("tokenizer_config.json",
        R"({"bos_token": {"content": "<s>"}, "chat_template": "{{ bos_token }}one"})");
  EXPECT_EQ(rendered(), "<s>one");
  EXPECT_EQ(rendered("", true), "<s>one");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "d"},
      {"name": "tool_use", "template": "t"}, {"name": "rag", "template": "r"}]})");
  EXPECT_EQ(rendered(), "d");
  EXPECT_EQ(rendered("", true), "t");
  EXPECT_EQ(rendered("rag"), "r");
  EXPECT_EQ(error_of([&] { rendered("nope"); }).message(),
            dir_.string() + ": no chat template named 'nope'; there are default, rag, tool_use");
}

TEST_F(Folder, JinjaFilesComeBeforeTheTokenizersAndTheProcessorsFirst) {
  write("tokenizer_config.json", R"({"eos_token": "</s>", "chat_template": "config"})");
  write("chat_template.jinja", "jinja{{ eos_token }}\n");
  write("additional_chat_templates/rag.jinja", "rag");
  EXPECT_EQ(rendered(), "jinja</s>");
  EXPECT_EQ(rendered("rag"), "rag");
  write("chat_template.json", R"({"chat_template": "processor"})");
  EXPECT_EQ(rendered(), "processor");
}

TEST_F(Folder, BadFilesAreNamed) {
  write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_EQ(error_of([&] { rendered(); }).message(),
            (dir_ / "tokenizer_config.json").string() +
                ": chat_template must be a string or a list of named templates");
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default"}]})");
  EXPECT_EQ(error_of([&] { rendered(); }).code(), core::ErrorCode::kInvalidModel);
  write("tokenizer_config.json", R"({"chat_template": "{% if %}"})");
  const core::Error error = error_of([&] { rendered(); });
  EXPECT_EQ(error.code(), core::ErrorCode::kInvalidModel);
  EXPECT_EQ(error.message(), (dir_ / "tokenizer_config.json").string() +
                                 ": chat template line 1: the block ends where an expression should be");
}

}  // namespace
}  // namespace vulcap::chat
