// What the inputs of a batch job stand for.
#include "apps/batch/inputs.h"

#include <gtest/gtest.h>

#include "runtime/core/error.h"
#include "tests/batch/temp_files.h"

namespace vulcap::testing {
namespace {

using apps::InputOptions;
using Names = std::vector<std::string>;

class InputsTest : public ::testing::Test {
 protected:
  InputsTest() : before_(fs::current_path()) { fs::current_path(folder_.path()); }
  ~InputsTest() override { fs::current_path(before_); }

  void make(const Names& names) {
    for (const std::string& name : names) write_file(folder_ / name, name);
  }
  Names names(const InputOptions& options) {
    const auto source = apps::open_inputs(options);
    Names result = names_of(items_of(*source));
    left_out_ = source->left_out();
    return result;
  }
  Names names(const Names& inputs) { return names(InputOptions{.inputs = inputs}); }
  std::string refusal(const Names& inputs) {
    try {
      names(inputs);
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kUsage);
      return error.message();
    }
    return "accepted";
  }

  TempFolder folder_;
  fs::path before_;
  size_t left_out_ = 0;
};

TEST_F(InputsTest, FolderStandsForTheImagesBelowItInOrder) {
  make({"p/b.jpg", "p/a/z.PNG", "p/c.jpeg", "p/notes.txt", "p/.hidden/x.jpg", "p/.x.jpg", "p/a.webp"});
  EXPECT_EQ(names({"p"}), (Names{"p/a/z.PNG", "p/a.webp", "p/b.jpg", "p/c.jpeg"}));
  EXPECT_EQ(left_out_, 1);
  EXPECT_EQ(names({"./p/", "p//b.jpg"}), (Names{"p/a/z.PNG", "p/a.webp", "p/b.jpg", "p/c.jpeg", "p/b.jpg"}));
}

TEST_F(InputsTest, PatternsMatchAsInAShell) {
  make({"p/1/a.jpg", "p/1/b.png", "p/2/deep/c.jpg", "p/2/.h.jpg", "q/d.jpg", "[x].jpg"});
  EXPECT_EQ(names({"p/*/*.jpg"}), (Names{"p/1/a.jpg"}));
  EXPECT_EQ(names({"p/**/*.jpg"}), (Names{"p/1/a.jpg", "p/2/deep/c.jpg"}));
  EXPECT_EQ(names({"**/*.jpg"}), (Names{"[x].jpg", "p/1/a.jpg", "p/2/deep/c.jpg", "q/d.jpg"}));
  EXPECT_EQ(names({"?/[12]"}), (Names{"p/1/a.jpg", "p/1/b.png", "p/2/deep/c.jpg"}));
  EXPECT_EQ(names({"[x].jpg"}), (Names{"[x].jpg"}));  // a file of that very name
  EXPECT_EQ(names({"nothing*.jpg"}), Names{});
}

TEST_F(InputsTest, LinksAreFollowedButNotInCircles) {
  make({"p/a.jpg", "q/b.jpg"});
  fs::create_directory_symlink("../q", "p/link");
  fs::create_directory_symlink("../p", "q/back");
  fs::create_symlink("../q/b.jpg", "p/z.jpg");
  EXPECT_EQ(names({"p"}), (Names{"p/a.jpg", "p/link/b.jpg", "p/z.jpg"}));
}

TEST_F(InputsTest, NamesThatAreNoUtf8StayApart) {
  make({"p/a\xff.jpg", "p/a\xfe.jpg", "p/\xc3\xa4.jpg"});
  EXPECT_EQ(names({"p"}), (Names{"p/a\\xfe.jpg", "p/a\\xff.jpg", "p/\xc3\xa4.jpg"}));
}

TEST_F(InputsTest, TextListNamesAFileALine) {
  write_file(folder_ / "list.txt",
             "\xef\xbb\xbf"
             "a.jpg\r\n\n./b c.jpg\nhttps://x/y.jpg\nlast.jpg");
  EXPECT_EQ(names({"list.txt"}),
            (Names{"a.jpg", "b c.jpg",
                   "! https://x/y.jpg: addresses are not fetched; download the image and name the file",
                   "last.jpg"}));
}

TEST_F(InputsTest, CsvListHasColumnsByName) {
  write_file(folder_ / "list.csv",
             "id,label,file_name,question\n7,x,a.jpg,\"what, \"\"now\"\"?\nplease\"\n"
             "8,x,b.jpg,\nshort,row\n9,x,,\n");
  const auto source = apps::open_inputs({.inputs = {"list.csv"}, .root = "photos"});
  const auto items = items_of(*source);
  ASSERT_EQ(items.size(), 4);
  EXPECT_EQ(items[0].id, "7");
  EXPECT_EQ(items[0].path, "photos/a.jpg");
  EXPECT_EQ(items[0].prompt->text, "what, \"now\"?\nplease");
  EXPECT_FALSE(items[1].prompt);
  EXPECT_EQ(items[2].error, "list.csv:4: the row has 2 fields, the header 4");
  EXPECT_EQ(items[3].error, "list.csv:5: the row names no file");
  write_file(folder_ / "bad.csv", "a,b\n1,2\n");
  EXPECT_NE(refusal({"bad.csv"}).find("no column of the first row is called file"), std::string::npos);
}

TEST_F(InputsTest, JsonListTakesObjectsAndStrings) {
  write_file(folder_ / "list.jsonl",
             "{\"image\": \"a.jpg\", \"id\": 3, \"task\": \"od\"}\n\"b.jpg\"\n[1]\n{\"file\": 4.5}\n");
  EXPECT_EQ(names({"list.jsonl"}),
            (Names{"a.jpg", "b.jpg", "! list.jsonl:3: the line is neither a JSON object nor a string",
                   "! list.jsonl:4: 'file' is no text"}));
}

TEST_F(InputsTest, ListsAmongImagesAreRefused) {
  make({"a.jpg", "a.txt"});
  EXPECT_NE(refusal({"a.jpg", "a.txt"}).find("a.txt would be read as a list of images"), std::string::npos);
  EXPECT_EQ(names(InputOptions{.inputs = {"a.jpg"}, .manifests = {"a.txt"}}), (Names{"a.jpg", "a.txt"}));
}

TEST_F(InputsTest, AbsentInputsAreRefused) {
  EXPECT_EQ(refusal({"none"}), "none: no such file or folder");
  EXPECT_EQ(refusal({}), "no inputs; name images, folders, archives or lists");
  EXPECT_NE(refusal({"none.txt"}).find("no such file"), std::string::npos);
}

TEST_F(InputsTest, ArchivesGiveTheirImages) {
  const std::vector<Member> members = {{"./s1.jpg", "one"},
                                       {"s1.json", "{}"},
                                       {"deep/s2.png", "two"},
                                       {"._s1.jpg", "no"},
                                       {"\xc3\xa4.jpg", "three"}};
  write_archive(folder_ / "x.tar", members);
  write_archive(folder_ / "x.tar.gz", members, true);
  for (const std::string name : {"x.tar", "x.tar.gz"}) {
    const auto source = apps::open_inputs({.inputs = {name}});
    const auto items = items_of(*source);
    EXPECT_EQ(names_of(items), (Names{name + "/s1.jpg", name + "/deep/s2.png", name + "/\xc3\xa4.jpg"}));
    ASSERT_EQ(items[1].bytes.size(), 3);
    EXPECT_EQ(char(items[1].bytes[1]), 'w');
    EXPECT_EQ(source->left_out(), 2);
  }
  EXPECT_EQ(names({"x.ta*"}).size(), 6);
  EXPECT_EQ(names({"."}), Names{});
}

TEST_F(InputsTest, DamagedArchivesAreItemsOfTheirOwn) {
  write_archive(folder_ / "x.tar", {{"a.jpg", std::string(2000, 'a')}, {"b.jpg", std::string(2000, 'b')}});
  const std::string whole = read_file(folder_ / "x.tar");
  write_file(folder_ / "cut.tar", whole.substr(0, 5000));
  const Names cut = names({"cut.tar"});
  ASSERT_EQ(cut.size(), 3);
  EXPECT_EQ(cut[0], "cut.tar/a.jpg");
  EXPECT_NE(cut[1].find("! cut.tar/b.jpg: reading it from the archive failed"), std::string::npos) << cut[1];
  EXPECT_NE(cut[2].find("! cut.tar: the archive is damaged or cut off"), std::string::npos) << cut[2];
  write_file(folder_ / "empty.tar", "");
  write_file(folder_ / "text.tar", std::string(4000, 'x'));
  for (const std::string name : {"empty.tar", "text.tar"}) {
    const Names bad = names({name});
    ASSERT_EQ(bad.size(), 1) << name;
    EXPECT_EQ(bad[0].find("! " + name + ": "), 0) << bad[0];
  }
}

}  // namespace
}  // namespace vulcap::testing
