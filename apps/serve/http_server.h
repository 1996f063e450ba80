// An HTTP/1.1 server with a thread and one request a connection. Limits and deadlines hold for every byte, so
// that slow or endless clients cost no more than a waiting thread; where connections run out, the oldest one
// whose request is not whole makes room.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "apps/serve/http.h"
#include "apps/serve/limits.h"

namespace vulcap::apps::serve {

class Connection;
class Exchange;

class HttpServer {
 public:
  // Both must live longer.
  HttpServer(const Limits& limits, HttpHandler& handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Returns the port. `port` 0: any free one. Throws core::Error: kUsage for a host without an address,
  // kRuntime where it cannot listen there.
  int listen(const std::string& host, int port);
  // Serves until stop() and the last reply.
  void run();
  // From any thread: takes no more connections and closes those whose request is not whole.
  void stop();

 private:
  struct Client {
    std::shared_ptr<Connection> connection;
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };

  void accept_one();
  void refuse(const std::shared_ptr<Connection>& connection);
  // Ends the oldest connection whose request is not whole; false when there is none.
  bool make_room();
  void forget_finished();
  void serve(Connection& connection);

  const Limits& limits_;
  HttpHandler& handler_;
  std::unique_ptr<Exchange> exchange_;
  int socket_ = -1;
  int wake_ = -1;  // an eventfd
  std::atomic<bool> stopping_ = false;
  std::list<Client> clients_;  // in the order of their coming
};

// Whether `host` names this machine alone.
bool is_loopback(const std::string& host);

}  // namespace vulcap::apps::serve
