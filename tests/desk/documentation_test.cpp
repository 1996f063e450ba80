// What is written from the parser's own tree: help, completion, manual page, docs/commands.md. With
// VULCAP_WRITE_DOCS=1 the last is written anew.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/apps/model_folder.h"
#include "tests/apps/program.h"
#include "tests/desk/terminal.h"

namespace vulcap::testing {
namespace {

TEST(Help, FitsTheTerminalAndHasExamples) {
  for (const char* command : {"", "caption", "watch", "completion"}) {
    const Outcome outcome = run_shell(std::string("$VULCAP ") + command + " --help");
    ASSERT_TRUE(exits(outcome, 0)) << command;
    EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << command;
    for (const std::string& line : lines_of(outcome.out)) EXPECT_LE(line.size(), 100u) << line;
  }
}

std::string completions(const std::string& words) {
  const Outcome outcome =
      run_shell("eval \"$($VULCAP completion bash)\"; COMP_WORDS=(" + words +
                "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _vulcap; echo \"${COMPREPLY[@]}\"");
  EXPECT_TRUE(exits(outcome, 0)) << outcome.err;
  return outcome.out;
}

TEST(Completion, BashCompletesCommandsFlagsAndValues) {
  EXPECT_EQ(completions("vulcap capt"), "caption\n");
  EXPECT_EQ(completions("vulcap caption --sidec"), "--sidecar\n");
  EXPECT_EQ(completions("vulcap caption --format c"), "csv\n");
  EXPECT_EQ(completions("vulcap caption --format = js"), "json jsonl\n");
  EXPECT_EQ(completions("vulcap completion --color al"), "always\n");
  EXPECT_EQ(completions("vulcap caption pho"), "\n") << "files are the shell's";
}

TEST(Completion, ScriptsOfTheShellsThatAreHere) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome =
        run_shell(std::string("$VULCAP completion ") + shell + " > script; ! command -v " + shell +
                  " >/dev/null || " + shell + " -n script; rm script");
    EXPECT_TRUE(exits(outcome, 0)) << shell;
    EXPECT_EQ(outcome.err, "") << shell;
    EXPECT_EQ(run_shell(std::string("$VULCAP --completion ") + shell).out,
              run_shell(std::string("$VULCAP completion ") + shell).out);
  }
  EXPECT_TRUE(refuses(run_vulcap({"completion", "tcsh"}), 2, {"tcsh", "fish"}));
}

TEST(Manual, IsTroffWithoutWarnings) {
  const Outcome outcome = run_shell(
      "$VULCAP manual > page; ! command -v groff >/dev/null || groff -man -Tutf8 -ww page >/dev/null; rm "
      "page");
  EXPECT_TRUE(exits(outcome, 0));
  EXPECT_EQ(outcome.err, "");
}

TEST(Commands, TableOfFlagsIsUpToDate) {
  const std::string path = std::string(VULCAP_SOURCE_DIR) + "/docs/commands.md";
  const std::string text = read_file(path);
  const std::string mark = "<!-- From here on: vulcap manual --markdown -->\n";
  const size_t begin = text.find(mark);
  ASSERT_NE(begin, std::string::npos);
  const std::string wanted = text.substr(0, begin + mark.size()) + run_vulcap({"manual", "--markdown"}).out;
  if (std::getenv("VULCAP_WRITE_DOCS") != nullptr) write_file(path, wanted);
  EXPECT_EQ(read_file(path), wanted) << "run desk_test with VULCAP_WRITE_DOCS=1";
}

}  // namespace
}  // namespace vulcap::testing
