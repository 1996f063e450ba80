// `vulcap watch`, and what tells it that an image is fully written.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "apps/watch/folder_watcher.h"
#include "runtime/core/error.h"
#include "tests/apps/child_process.h"
#include "tests/apps/model_folder.h"
#include "tests/desk/terminal.h"

namespace vulcap::testing {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

TEST(FolderWatcher, KnowsWhatWasThere) {
  TempFolder folder;
  write_file(folder / "b.png", "b");
  write_file(folder / "a.JPG", "a");
  write_file(folder / "notes.txt", "text");
  write_file(folder / ".hidden.png", "h");
  apps::FolderWatcher watcher(folder.path(), false);
  EXPECT_EQ(watcher.existing(), (Paths{folder / "a.JPG", folder / "b.png"}));
  EXPECT_TRUE(watcher.take().empty());
}

TEST(FolderWatcher, TellsAFileWhenItsWriterClosesIt) {
  TempFolder folder;
  apps::FolderWatcher watcher(folder.path(), false);
  std::ofstream file(folder / "a.png");
  file << "half" << std::flush;
  EXPECT_TRUE(watcher.take().empty());
  file << "whole";
  file.close();
  EXPECT_EQ(watcher.take(), (Paths{folder / "a.png"}));
  EXPECT_TRUE(watcher.take().empty());
  write_file(folder / "a.png", "another");
  EXPECT_EQ(watcher.take(), (Paths{folder / "a.png"})) << "a new content is a new image";
}

TEST(FolderWatcher, TellsMovedAndLinkedFiles) {
  TempFolder folder, elsewhere;
  apps::FolderWatcher watcher(folder.path(), false);
  write_file(elsewhere / "x.part", "x");
  fs::rename(elsewhere / "x.part", folder / "x.jpeg");
  write_file(elsewhere / "y", "y");
  fs::create_symlink(elsewhere / "y", folder / "y.png");
  EXPECT_EQ(watcher.take(), (Paths{folder / "x.jpeg", folder / "y.png"}));
  std::ofstream(folder / "empty.png").close();
  EXPECT_TRUE(watcher.take().empty());
}

TEST(FolderWatcher, SeesFoldersBelowWhereAsked) {
  TempFolder folder;
  fs::create_directories(folder / "old");
  apps::FolderWatcher flat(folder.path(), false), deep(folder.path(), true);
  write_file(folder / "old/a.png", "a");
  fs::create_directories(folder / "new/er");
  write_file(folder / "new/er/b.png", "b");
  Paths found = deep.take();
  for (const fs::path& more : deep.take()) found.push_back(more);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (Paths{folder / "new/er/b.png", folder / "old/a.png"}));
  EXPECT_TRUE(flat.take().empty());
}

TEST(FolderWatcher, ReportsAFolderThatIsGone) {
  TempFolder folder;
  fs::create_directories(folder / "watched");
  apps::FolderWatcher watcher(folder / "watched", false);
  fs::remove_all(folder / "watched");
  EXPECT_THROW(watcher.take(), core::Error);
  EXPECT_THROW(apps::FolderWatcher(folder / "watched", false), core::Error);
}

bool appears(const fs::path& file) {
  for (int tries = 0; tries < 300; ++tries) {
    if (fs::exists(file)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

TEST(Watch, CaptionsWhatAppearsUntilItIsStopped) {
  TempFolder folder;
  write_file(folder / "before.png", read_file(sample("scene_000.png")));
  ChildProcess child(VULCAP_PROGRAM,
                     {"watch", (folder.path()).string(), "--device", "cpu", "--sidecar", "--existing"}, {});
  ASSERT_TRUE(appears(folder / "before.txt"));
  write_file(folder / "broken.png", "no image");
  write_file(folder / "new.jpg", read_file(sample("scene_009.jpg")));
  ASSERT_TRUE(appears(folder / "new.txt"));
  child.send(SIGTERM);
  const Outcome outcome = child.wait(std::chrono::seconds(20));
  EXPECT_TRUE(exits(outcome, 143));
  EXPECT_EQ(lines_of(outcome.out).size(), 2u) << outcome.out;
  EXPECT_EQ(error_lines(outcome).size(), 1u) << outcome.err;
}

TEST(Watch, RefusesWhatIsNoFolder) {
  EXPECT_TRUE(refuses(run_vulcap({"watch", sample("scene_000.png")}), 2, {"scene_000.png", "folder"}));
  EXPECT_TRUE(refuses(run_vulcap({"watch"}), 2, {"folder"}));
}

}  // namespace
}  // namespace vulcap::testing
