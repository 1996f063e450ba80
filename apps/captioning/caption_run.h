// What `caption` and `watch` share: their options, and captioning one image after another as they say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/captioning/engine.h"
#include "apps/captioning/record_writer.h"
#include "apps/captioning/side_files.h"
#include "apps/cli/cli11_fwd.h"
#include "apps/cli/progress.h"

namespace vulcap::apps {

struct CaptionOptions {
  ModelOptions model;
  loader::CaptionPrompt prompt;
  GenerationOptions generation;
  std::string format = "text";
  std::string output;  // empty: stdout
  bool sidecar = false;
  std::string overlay;          // a PNG, or a folder for several images; empty: none
  std::optional<bool> streams;  // absent: where a terminal shows text

  void add_to(CLI::App& command, const std::vector<std::string>& formats);
};

// Decodes, captions, writes the record and the files beside it. An image that fails is reported, and its
// record says so where the format has a place for it; the others go on.
class CaptionRun {
 public:
  // `several`: more than one image may come. Loads the model. Throws core::Error.
  CaptionRun(const CaptionOptions& options, bool several, bool with_names);

  // `file` "-": bytes from stdin. Throws core::Error for what no image can be blamed for, and Stopped when a
  // signal came.
  void caption(const std::string& file);
  // Throws core::Error(kUsage) where files beside these images would write over each other or an image.
  void check(const std::vector<std::string>& images);
  // Ends the results; call it once, also when the run was cut short.
  void finish(bool complete) { writer_.finish(complete); }
  size_t failed() const { return failed_; }

 private:
  CaptionRecord record_of(const std::string& file);
  bool streams() const;

  const CaptionOptions& options_;
  Remarks remarks_;
  OverlayFiles overlays_;
  RecordWriter writer_;
  CaptionEngine engine_;
  generate::GenerationConfig config_;
  bool streams_;
  size_t failed_ = 0;
};

// The whole of stdin. Throws core::Error(kRuntime), and Stopped when a signal came.
std::vector<std::byte> read_stdin();

}  // namespace vulcap::apps
