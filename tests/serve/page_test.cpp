// The page at / in a browser: images are dropped, captions come. VULCAP_SCREENSHOT_DIR=FOLDER keeps pictures.
#include <gtest/gtest.h>

#include <cstdlib>

#include "loader/base64.h"
#include "tests/serve/browser.h"
#include "tests/serve/server.h"

namespace vulcap::testing {
namespace {

// Drops a file on the page, as a hand would.
std::string dropping(const std::string& bytes, const std::string& name) {
  return "(() => { const bytes = Uint8Array.from(atob('" + loader::encode_base64(bytes) +
         "'), (c) => c.charCodeAt(0)); const transfer = new DataTransfer(); transfer.items.add(new "
         "File([bytes], '" +
         name +
         "', {type: 'image/png'})); document.dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, "
         "bubbles: true, cancelable: true})); return true; })()";
}

constexpr const char* kIdle =
    "document.querySelectorAll('article').length > 0 && !document.querySelector('.busy')";

std::string first_caption(Browser& browser) {
  return browser.evaluate("document.querySelector('.caption').textContent").get<std::string>();
}

void keep(Browser& browser, const std::string& name) {
  if (const char* folder = std::getenv("VULCAP_SCREENSHOT_DIR"))
    write_file(fs::path(folder) / name, browser.screenshot());
}

TEST(Page, CaptionsWhatIsDropped) {
  const Server server({"--alias", "scenes"});
  Browser browser(900, 760);
  browser.open("http://127.0.0.1:" + std::to_string(server.port()) + "/");
  ASSERT_TRUE(
      browser.becomes_true("document.getElementById('model').textContent.startsWith('scenes on cpu')", 10));
  // Every text that the first caption shows on its way.
  browser.evaluate(
      "window.shown = []; new MutationObserver(() => { const words = document.querySelector('.caption'); if "
      "(words) "
      "shown.push(words.textContent); }).observe(document.getElementById('results'), {subtree: true, "
      "childList: true, "
      "characterData: true})");
  browser.evaluate(dropping(samples()[0].bytes, "scene.png"));
  ASSERT_TRUE(browser.becomes_true(kIdle, 30));
  EXPECT_EQ(first_caption(browser), samples()[0].caption);
  EXPECT_TRUE(
      browser.evaluate("document.querySelector('.detail').textContent").get<std::string>().find(" s · cpu") !=
      std::string::npos);
  EXPECT_GT(browser.evaluate("new Set(shown).size").get<int>(), 3) << "it does not come piece by piece";
  for (const size_t i : {3U, 9U}) {
    browser.evaluate(dropping(samples()[i].bytes, "more.png"));
    ASSERT_TRUE(browser.becomes_true(kIdle, 30));
    EXPECT_EQ(first_caption(browser), samples()[i].caption);
  }
  keep(browser, "serve_page.png");
  browser.prefer("dark");
  keep(browser, "serve_page_dark.png");
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('.failed').length"), 0);
}

TEST(Page, SaysWhatWentWrong) {
  const Server server({"--api-key", "secret"});
  Browser browser(900, 700);
  browser.open("http://127.0.0.1:" + std::to_string(server.port()) + "/");
  ASSERT_TRUE(browser.becomes_true("!document.getElementById('key-label').hidden", 10));
  browser.evaluate(dropping(samples()[0].bytes, "scene.png"));
  ASSERT_TRUE(browser.becomes_true("document.querySelector('.failed') !== null", 30));
  EXPECT_NE(first_caption(browser).find("API key"), std::string::npos);
  browser.evaluate("document.getElementById('key').value = 'secret'");
  browser.evaluate(dropping("no image at all", "scene.png"));
  ASSERT_TRUE(browser.becomes_true(
      "document.querySelector('.caption').textContent.includes('not a PNG or JPEG')", 30));
  browser.evaluate(dropping(samples()[1].bytes, "scene.png"));
  ASSERT_TRUE(browser.becomes_true(kIdle, 30));
  EXPECT_EQ(first_caption(browser), samples()[1].caption);
}

}  // namespace
}  // namespace vulcap::testing
