#include "loader/read_json.h"

#include <gtest/gtest.h>

#include "tests/onnx/model_builder.h"

namespace vulcap::loader {
namespace {

using namespace onnx_test;

class ReadJson : public testing::Test {
 protected:
  std::string error(const std::string& text) {
    const auto path = write_file(folder_ / "config.json", text);
    const std::string message = error_of([&] { read_json(path); });
    EXPECT_TRUE(message.starts_with(path.string() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message.substr(std::min(message.size(), path.string().size() + 2));
  }
  TempFolder folder_;
};

TEST_F(ReadJson, Reads) {
  const auto path = write_file(folder_ / "c.json", "\xef\xbb\xbf{\"a\": [1, 2.5, \"\\u00e9\"]}");
  EXPECT_EQ(read_json(path)["a"][2], "\xc3\xa9");
  EXPECT_EQ(read_json_object(path).size(), 1u);
}

TEST_F(ReadJson, SaysWhereAndWhy) {
  EXPECT_EQ(error("{\n  \"a\": 1,\n  \"b\" 2\n}").substr(0, 36), "not valid JSON at line 3, column 7: ");
  EXPECT_EQ(error("{\"a\": tru}").substr(0, 38), "not valid JSON at line 1, column 10: v");
  EXPECT_NE(error("{\"a\": 1").find("unexpected end of input"), std::string::npos);
  EXPECT_NE(error("{} x").find("line 1, column 4"), std::string::npos);
  EXPECT_EQ(error(""), "is empty");
  EXPECT_NE(error("version https://git-lfs.github.com/spec/v1").find("git lfs pull"), std::string::npos);
  EXPECT_NE(error("\"\xff\xfe\"").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error("[1e999]").find("not valid JSON"), std::string::npos);
  EXPECT_NE(error(std::string(100000, '[')).find("nests deeper than 64"), std::string::npos);
}

TEST_F(ReadJson, RootAndFile) {
  const auto path = write_file(folder_ / "list.json", "[1]");
  EXPECT_NE(error_of([&] { read_json_object(path); }).find("must hold a JSON object, not array"),
            std::string::npos);
  EXPECT_NE(error_of([&] { read_json(folder_ / "no.json"); }).find("no.json: file not found"),
            std::string::npos);
}

}  // namespace
}  // namespace vulcap::loader
