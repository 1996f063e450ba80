// Many clients at once, some of whom send what no server should get: everything is answered, the good ones as
// if they were alone.
#pragma once

#include <string>
#include <vector>

namespace vulcap::testing {

struct LoadPlan {
  int clients = 16;
  double seconds = 2;
  double malformed = 0.1;  // part of the requests
  int slow = 0;            // connections beside them that send their head a byte a second
  unsigned seed = 1;

  // With VULCAP_LOAD_CLIENTS, VULCAP_LOAD_SECONDS and VULCAP_LOAD_SLOW over the defaults: a campaign.
  static LoadPlan from_environment();
};

struct LoadOutcome {
  size_t good = 0;                 // answered with the right caption
  size_t malformed = 0;            // answered with an error, or hung up on
  size_t busy = 0;                 // told to come again
  std::vector<std::string> wrong;  // a line each: what should not be
  std::vector<double> seconds;     // of good requests, sorted

  // "1234 captions, 130 malformed, ... 45.6 a second, p50 ... p99 ..."
  std::string summary(const LoadPlan& plan) const;
};

// Against a server with the embedded model at 127.0.0.1.
LoadOutcome run_load(int port, const LoadPlan& plan);

}  // namespace vulcap::testing
