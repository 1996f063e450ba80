// `vulcap caption` at the desk: where images come from, where captions go, what a terminal shows meanwhile.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/child_process.h"
#include "tests/apps/model_folder.h"
#include "tests/desk/terminal.h"

namespace vulcap::testing {
namespace {

const std::string kStar = sample("scene_000.png");
const std::string kOrange = sample("scene_009.jpg");
const std::string kStarCaption = "a large pink star above a large green triangle on a gray background";
const std::string kOrangeCaption =
    "a small orange star to the left of a large black triangle on a dark green background";

std::string line_of(const std::string& file, const std::string& caption) {
  return file + ": " + caption + "\n";
}

TEST(DeskCaption, StreamsTheSameText) {
  EXPECT_EQ(run_shell("$VULCAP caption --stream " + kStar).out, kStarCaption + "\n");
  EXPECT_EQ(run_shell("$VULCAP caption --stream " + kStar + " " + kOrange).out,
            line_of(kStar, kStarCaption) + line_of(kOrange, kOrangeCaption));
}

TEST(DeskCaption, StreamsWordByWordOnATerminal) {
  const Outcome outcome = run_on_terminal("$VULCAP caption " + kStar);
  ASSERT_TRUE(exits(outcome, 0));
  EXPECT_NE(outcome.out.find(kStarCaption + "\r\n"), std::string::npos) << outcome.out;
}

TEST(DeskCaption, StreamingNeedsOneTextAtATime) {
  for (const char* flags : {"--num-beams 2", "--format jsonl", "--format csv", "-o /dev/null"})
    EXPECT_TRUE(refuses(run_shell("$VULCAP caption --stream " + kStar + " " + flags), 2, {"--stream"}))
        << flags;
}

TEST(DeskCaption, ImagesInTheOrderGiven) {
  const std::string both = line_of(kOrange, kOrangeCaption) + line_of(kStar, kStarCaption);
  EXPECT_EQ(run_shell("$VULCAP caption -i " + kOrange + " -i " + kStar).out, both);
  EXPECT_EQ(run_shell("$VULCAP caption -i " + kOrange + " " + kStar).out, both);
  EXPECT_EQ(run_shell("$VULCAP caption " + kOrange + " --image " + kStar).out, both);
}

TEST(DeskCaption, BytesFromStdin) {
  EXPECT_EQ(run_shell("$VULCAP caption - < " + kStar).out, kStarCaption + "\n");
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption - < /dev/null"), 1, {"stdin"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption - - < " + kStar), 2, {"stdin"}));
}

TEST(DeskCaption, PathsLineByLine) {
  for (const char* flag : {"-i", "--image", "--interactive"}) {
    const Outcome outcome =
        run_shell("printf '%s\\n' " + kStar + " '' nothing.png " + kOrange + " | $VULCAP caption " + flag);
    EXPECT_TRUE(exits(outcome, 1)) << flag;
    EXPECT_EQ(outcome.out, line_of(kStar, kStarCaption) + line_of(kOrange, kOrangeCaption));
    EXPECT_EQ(error_lines(outcome).size(), 1u) << outcome.err;
  }
  EXPECT_TRUE(exits(run_shell("$VULCAP caption -i < /dev/null"), 0));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption -i --format json < /dev/null"), 2, {"jsonl"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption < /dev/null"), 2, {"no image", "-i"}));
}

TEST(DeskCaption, LinesAreAnsweredAsTheyCome) {
  const Outcome outcome = run_shell(
      "coproc V { $VULCAP caption -i --format jsonl; }; for n in 1 2; do echo " + kStar +
      " >&${V[1]}; read -t 30 -u ${V[0]} line && echo \"$line\"; done; exec {V[1]}>&-; wait $V_PID");
  ASSERT_TRUE(exits(outcome, 0));
  ASSERT_EQ(lines_of(outcome.out).size(), 2u) << outcome.out;
  EXPECT_EQ(nlohmann::json::parse(lines_of(outcome.out)[1]).at("caption"), kStarCaption);
}

TEST(DeskCaption, CsvHasALineACaption) {
  const Outcome outcome = run_shell("$VULCAP caption --format csv --num-beams 3 --num-return-sequences 2 " +
                                    kStar + " nothing.png");
  ASSERT_TRUE(exits(outcome, 1));
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 4u) << outcome.out;
  EXPECT_EQ(lines[0], "file,rank,caption,score,answer,device,fallback,seconds,error");
  EXPECT_TRUE(lines[1].starts_with(kStar + ",1," + kStarCaption + ",")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with(kStar + ",2,")) << lines[2];
  EXPECT_TRUE(lines[3].starts_with("nothing.png,,,,,")) << lines[3];
}

TEST(DeskCaption, OutputFileIsWholeOrAbsent) {
  TempFolder folder;
  const std::string file = (folder / "out.json").string();
  ASSERT_TRUE(exits(run_shell("$VULCAP caption --format json -o " + file + " " + kStar + " " + kOrange), 0));
  EXPECT_EQ(nlohmann::json::parse(read_file(file)).size(), 2u);
  EXPECT_TRUE(exits(run_shell("$VULCAP caption -o " + (folder / "none/out").string() + " " + kStar), 1));
  Arguments many{"caption", "--device", "cpu", "--format", "json", "-o", (folder / "cut.json").string()};
  many.insert(many.end(), 4000, kStar);
  ChildProcess child(VULCAP_PROGRAM, many, {});
  child.finishes_within(std::chrono::milliseconds(400));
  child.send(SIGTERM);
  EXPECT_TRUE(exits(child.wait(std::chrono::seconds(20)), 143));
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
  EXPECT_EQ(files, 1u) << "neither cut.json nor its beginning";
}

TEST(DeskCaption, SignalsStopItCleanly) {
  Arguments arguments{"caption", "--device", "cpu"};
  arguments.insert(arguments.end(), 4000, kStar);
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    ChildProcess child(VULCAP_PROGRAM, arguments, {});
    child.finishes_within(std::chrono::milliseconds(400));
    child.send(signal);
    const Outcome outcome = child.wait(std::chrono::seconds(20));
    EXPECT_TRUE(exits(outcome, code));
    EXPECT_TRUE(outcome.out.empty() || outcome.out.back() == '\n') << outcome.out;
  }
}

TEST(DeskCaption, FullDiskIsAFailure) {
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption " + kStar + " > /dev/full"), 1, {"stdout", "No space"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP devices > /dev/full"), 1, {"stdout", "No space"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption -o /dev/full " + kStar), 1, {"/dev/full"}));
}

TEST(DeskCaption, SidecarsLieBesideTheirImages) {
  TempFolder folder;
  write_file(folder / "photo.png", read_file(kStar));
  ASSERT_TRUE(exits(run_shell("$VULCAP caption --sidecar " + (folder / "photo.png").string()), 0));
  EXPECT_EQ(read_file(folder / "photo.txt"), kStarCaption + "\n");
  const std::string twins = (folder / "photo.png").string() + " " + (folder / "photo.jpg").string();
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption --sidecar " + twins), 2, {"photo.txt", "both"}));
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption --sidecar - < " + kStar), 2, {"--sidecar", "stdin"}));
}

TEST(DeskMessages, QuietLeavesErrorsOnly) {
  const Outcome outcome =
      run_shell("$VULCAP caption -q --device auto " + kStar + " nothing.png", without_vulkan());
  EXPECT_TRUE(exits(outcome, 1));
  EXPECT_EQ(lines_of(outcome.err).size(), 1u) << outcome.err;
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption -q -v " + kStar), 2, {"--quiet", "--verbose"}));
}

TEST(DeskMessages, LogFilesHoldEverything) {
  TempFolder folder;
  const std::string text = (folder / "log").string();
  const std::string json = (folder / "log.jsonl").string();
  ASSERT_TRUE(exits(run_shell("$VULCAP caption -q --log-file " + text + " --log-jsonl " + json + " " + kStar +
                              " nothing.png"),
                    1));
  EXPECT_NE(read_file(text).find(" detail device: cpu"), std::string::npos) << read_file(text);
  EXPECT_NE(read_file(text).find(" error nothing.png"), std::string::npos);
  bool error = false;
  for (const std::string& line : lines_of(read_file(json)))
    error |= nlohmann::json::parse(line).at("level") == "error";
  EXPECT_TRUE(error);
  EXPECT_TRUE(refuses(run_shell("$VULCAP caption --log-file /nonexistent/log " + kStar), 1, {"--log-file"}));
}

TEST(DeskMessages, ColoursObeyTheEnvironmentAndTheFlag) {
  const auto colored = [](const std::string& flags, const Environment& changes) {
    const Outcome outcome = run_on_terminal("$VULCAP caption nothing.png " + flags, changes);
    EXPECT_NE(outcome.out.find("error:"), std::string::npos) << outcome.out;
    return outcome.out.find("\x1b[1;31m") != std::string::npos;
  };
  EXPECT_TRUE(colored("", {}));
  EXPECT_FALSE(colored("", {{"NO_COLOR", "1"}}));
  EXPECT_FALSE(colored("", {{"TERM", "dumb"}}));
  EXPECT_FALSE(colored("--color never", {}));
  EXPECT_TRUE(colored("--color always", {{"NO_COLOR", "1"}}));
  EXPECT_NE(run_shell("$VULCAP caption nothing.png", {{"CLICOLOR_FORCE", "1"}}).err.find("\x1b["),
            std::string::npos);
  EXPECT_EQ(run_shell("$VULCAP caption nothing.png").err.find("\x1b["), std::string::npos);
}

TEST(DeskMessages, ControlCharactersOfNamesAreShownNotSent) {
  const Outcome outcome = run_shell("$VULCAP caption $'a\\e[2Jb.png'");
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
  EXPECT_NE(outcome.err.find("\\x1b[2J"), std::string::npos) << outcome.err;
}

TEST(DeskProgress, BarsAreForTerminals) {
  const std::string command = "$VULCAP caption " + kStar + " " + kOrange;
  EXPECT_NE(run_on_terminal(command).out.find("/2 images"), std::string::npos);
  EXPECT_EQ(run_on_terminal(command, {{"TERM", "dumb"}}).out.find("/2 images"), std::string::npos);
  EXPECT_EQ(run_on_terminal(command, {{"HF_HUB_DISABLE_PROGRESS_BARS", "1"}}).out.find("/2 images"),
            std::string::npos);
  EXPECT_EQ(run_on_terminal(command + " --progress never").out.find("/2 images"), std::string::npos);
  EXPECT_EQ(run_shell(command).err.find("/2 images"), std::string::npos);
}

TEST(DeskProgress, JsonIsALineAnEvent) {
  const Outcome outcome = run_shell("$VULCAP caption -q --progress json " + kStar + " " + kOrange);
  ASSERT_TRUE(exits(outcome, 0));
  const auto lines = lines_of(outcome.err);
  ASSERT_GE(lines.size(), 3u) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(lines.front()).at("status"), "initiate");
  const auto last = nlohmann::json::parse(lines.back());
  EXPECT_EQ(last.at("status"), "done");
  EXPECT_EQ(last.at("loaded"), 2);
  EXPECT_EQ(last.at("total"), 2);
}

}  // namespace
}  // namespace vulcap::testing
