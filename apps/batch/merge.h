// Joins the outputs of the parts of a batch job.
#pragma once

#include <string>
#include <vector>

#include "apps/batch/inputs.h"

namespace vulcap::apps {

struct MergeOptions {
  std::vector<std::string> parts;  // outputs of vulcap batch with their journals beside them
  std::string output;              // written whole or not at all, with a journal as of one run
  InputOptions inputs;             // those of the job; empty: what the journals say counts
  std::string missing_list;        // file for the names of images without a caption; empty: none
  bool partial = false;            // what is there is joined although some is missing
  bool overwrite = false;          // an output with a journal is replaced
};

// Records sorted by key, or in the order of the inputs. Of two records of one image the one with a caption
// counts. Says on stderr what is missing, doubled or failed. Returns 0, or kPartial where images failed or
// (partial) are missing. Throws core::Error and writes nothing: kRuntime where something is missing,
// kMismatch where parts were made with different settings or disagree about an image.
int run_merge(const MergeOptions& options);

}  // namespace vulcap::apps
