// One function a subcommand: adds it to the command line and returns what runs it (the exit code).
#pragma once

#include <functional>

#include "apps/cli/cli11_fwd.h"
#include "apps/cli/options.h"
#include "apps/cli/remarks.h"

namespace vulcap::apps {

using Command = std::function<int()>;

Command add_caption(CLI::App& app);
Command add_watch(CLI::App& app);
Command add_completion(CLI::App& app);
Command add_manual(CLI::App& app);
Command add_classify(CLI::App& app);
Command add_ner(CLI::App& app);
Command add_qa(CLI::App& app);
Command add_fill_mask(CLI::App& app);
Command add_embed(CLI::App& app);
Command add_search(CLI::App& app);
Command add_devices(CLI::App& app);
Command add_doctor(CLI::App& app);
Command add_probe_devices(CLI::App& app);
Command add_generate(CLI::App& app);
Command add_inspect(CLI::App& app);
Command add_check(CLI::App& app);
Command add_diff(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_batch(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_bench_worker(CLI::App& app);
Command add_conformance(CLI::App& app);
Command add_run(CLI::App& app);
Command add_transcribe(CLI::App& app);
Command add_conformance_worker(CLI::App& app);
Command add_merge(CLI::App& app);
Command add_merge_lora(CLI::App& app);
Command add_quantize(CLI::App& app);
Command add_pack(CLI::App& app);
Command add_unpack(CLI::App& app);
Command add_optimize(CLI::App& app);
Command add_tokenize(CLI::App& app);
Command add_card(CLI::App& app);
Command add_pull(CLI::App& app);
Command add_push(CLI::App& app);
Command add_cache(CLI::App& app);
Command add_serve(CLI::App& app);

}  // namespace vulcap::apps
