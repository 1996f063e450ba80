// vulcap serve as a child process, and what its clients need.
#pragma once

#include <httplib.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/apps/program.h"

namespace vulcap::testing {

// With the embedded model on the CPU unless `arguments` say otherwise, on a free port.
class Server {
 public:
  // Returns when it answers. Throws std::runtime_error when it does not.
  explicit Server(const Arguments& arguments = {});

  int port() const { return port_; }
  // A client that waits long enough for any answer.
  httplib::Client client() const;
  // {"data": "..."} lines of a stream are left as they came.
  httplib::Result post(const std::string& path, const std::string& body,
                       const httplib::Headers& headers = {}) const;
  nlohmann::json chat(const nlohmann::json& body) const;
  void send(int signal) { child_->send(signal); }
  Outcome wait() { return child_->wait(std::chrono::seconds(30)); }
  Outcome stop();

 private:
  std::unique_ptr<ChildProcess> child_;
  int port_ = 0;
};

// Sends `bytes` as they are and returns all that comes back.
std::string raw_exchange(int port, const std::string& bytes);
// A connection that has sent `bytes`; -1 when it cannot be made.
int raw_connection(int port, const std::string& bytes);
// All that comes until the other side closes.
std::string read_all(int socket);

// An image of the embedded model, and what it is captioned as.
struct Sample {
  std::string bytes;
  std::string caption;
};
const std::vector<Sample>& samples();
std::string data_uri(const std::string& bytes);
// {"messages": ...} with this image.
nlohmann::json chat_body(const std::string& bytes);

}  // namespace vulcap::testing
